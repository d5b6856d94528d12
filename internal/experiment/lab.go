package experiment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/internal/docker"
)

const (
	// demoLabel is on the demo's image, and so on each container made from it,
	// whoever made it; its value is the run.
	demoLabel = "governor.demo"
	// imageRef is the demo's image. One demo runs at a time.
	imageRef = "governor-demo:workload"
	// tempPattern is where the agent under test keeps its state and socket.
	tempPattern = "governor-demo-*"
	// cleanUpTime bounds the clean-up, which also runs after an interruption.
	cleanUpTime = time.Minute
)

// ErrCleanUp says that something of the demo may be left on the host.
var ErrCleanUp = errors.New("clean-up failed")

// lab is everything that the phases of a run share. close removes all of it.
type lab struct {
	docker  docker.Client
	cgroups *cgroup.FS
	run     string // the value of demoLabel
	gateway string // host address on the default bridge
	sink    net.PacketConn
	temp    string
	lock    io.Closer
}

// openLab takes the demo's lock, removes what an earlier run that was killed
// has left, and makes the image. On failure nothing is left.
func openLab(ctx context.Context, client docker.Client, workload string) (l *lab, err error) {
	if _, err := client.Ping(ctx); err != nil {
		return nil, err
	}
	lock, err := takeLock()
	if err != nil {
		return nil, err
	}
	l = &lab{docker: client, lock: lock, run: strconv.Itoa(os.Getpid())}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	if err := l.removeLeftovers(ctx); err != nil {
		return l, err
	}
	if l.cgroups, err = cgroup.Open("/"); err != nil {
		return l, err
	}
	if l.gateway, err = client.BridgeGateway(ctx); err != nil {
		return l, err
	}
	// Spans of the phases without an agent end here unread: sending them costs the
	// service the same, and no error comes back as from a closed port.
	if l.sink, err = net.ListenPacket("udp", net.JoinHostPort(l.gateway, "0")); err != nil {
		return l, fmt.Errorf("take the spans of the phases without an agent: %w", err)
	}
	if l.temp, err = os.MkdirTemp("", tempPattern); err != nil {
		return l, err
	}
	// Not cancelled half-way: an image that appears after the clean-up would stay.
	return l, docker.ImportBinary(context.WithoutCancel(ctx), client, imageRef, workload, fmt.Sprintf("LABEL %s=%s", demoLabel, l.run))
}

// lockName is an abstract Unix socket: it exists once in a host's network name
// space, and goes with the process that holds it, however that ends.
const lockName = "@governor-demo"

// takeLock fails at once when another demo runs on this host: they would share
// the CPUs that they measure.
func takeLock() (io.Closer, error) {
	lock, err := net.Listen("unix", lockName)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, errors.New("another demo is running on this host; let it finish or interrupt it")
	}
	return lock, err
}

func (l *lab) removeLeftovers(ctx context.Context) error {
	old, err := filepath.Glob(filepath.Join(os.TempDir(), tempPattern))
	if err != nil {
		return err
	}
	for _, dir := range old {
		if info, err := os.Lstat(dir); err == nil && info.IsDir() {
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
		}
	}
	return l.removeAll(ctx, demoLabel)
}

// removeAll removes the demo's image and the containers with this label.
func (l *lab) removeAll(ctx context.Context, label string) error {
	if err := l.removeContainers(ctx, label); err != nil {
		return err
	}
	if exists, err := l.docker.ImageExists(ctx, imageRef); err != nil || !exists {
		return err
	}
	return l.docker.ImageRemove(ctx, imageRef, true)
}

func (l *lab) removeContainers(ctx context.Context, label string) error {
	found, err := l.docker.List(ctx, label)
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	errs := make([]error, len(found))
	for i, c := range found {
		group.Go(func() { errs[i] = l.docker.Remove(ctx, c.ID, true) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// label is what all containers of this run carry.
func (l *lab) label() string { return demoLabel + "=" + l.run }

// close removes everything that the run has made on the host. It has its own
// time limit, so that it also works after an interruption.
func (l *lab) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanUpTime)
	defer cancel()
	errs := []error{l.removeAll(ctx, l.label())}
	if l.sink != nil {
		errs = append(errs, l.sink.Close())
	}
	if l.temp != "" {
		errs = append(errs, os.RemoveAll(l.temp))
	}
	errs = append(errs, l.lock.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w: %w", ErrCleanUp, err)
	}
	return nil
}

// host describes the machine for the report.
func (l *lab) host(ctx context.Context, cpus string) Host {
	h := Host{CPUs: cpus, Cgroup: l.cgroups.Version().String()}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		h.Kernel = strings.TrimRight(string(name.Release[:]), "\x00")
	}
	if engine, err := l.docker.Ping(ctx); err == nil {
		h.Docker = engine.Version
	}
	return h
}
