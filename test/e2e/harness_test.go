//go:build docker

// Package e2e tests the built binary as its user meets it: real processes, real
// sockets, a real Docker engine, real cgroups.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/governor-project/governor/internal/api"
	"github.com/governor-project/governor/internal/docker/dockertest"
)

// Binaries are built once for the whole package.
var binaries struct{ governor, workload string }

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "governor-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		if err := os.Chmod(dir, 0o755); err != nil { // an agent without root runs the binary too
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		binaries.governor, binaries.workload = filepath.Join(dir, "governor"), filepath.Join(dir, "workload")
		for out, pkg := range map[string]string{binaries.governor: "../../cmd/governor", binaries.workload: "../../cmd/workload"} {
			build := exec.Command("go", "build", "-o", out, pkg)
			build.Env = append(os.Environ(), "CGO_ENABLED=0")
			if text, err := build.CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "%v\n%s", err, text)
				return 1
			}
		}
		giveBack, err := dockertest.TakeTurn(context.Background())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer giveBack()
		return m.Run()
	}())
}

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 30 * time.Second
	pollEvery    = 50 * time.Millisecond
)

// agent is a running governor with its own state directory.
type agent struct {
	t      *testing.T
	cmd    *exec.Cmd
	dir    string
	socket string
	log    *lockedBuffer
	ended  chan struct{}
	err    error
}

// startAgent runs the agent with the embedded configuration, extra environment
// and arguments, and waits until it is ready.
func startAgent(t *testing.T, dir string, env []string, args ...string) *agent {
	t.Helper()
	a := launch(t, dir, env, nil, args...)
	a.ready()
	return a
}

// startSynced is startAgent, and waits until the agent knows every container.
func startSynced(t *testing.T, dir string, env ...string) *agent {
	t.Helper()
	a := startAgent(t, dir, env)
	a.eventually("the inventory is in sync", startTimeout, func() bool {
		var h api.Heartbeat
		return a.get("/v1/heartbeat", &h) == nil && h.Inventory.Synced
	})
	return a
}

// ready waits until the API answers and every pipeline runs.
func (a *agent) ready() {
	a.t.Helper()
	a.eventually("the API answers", startTimeout, func() bool { return a.get("/v1/heartbeat", nil) == nil })
	a.eventually("all pipelines run", startTimeout, func() bool { return strings.Contains(a.log.String(), "Everything is ready") })
}

// launch starts the agent and does not wait for anything.
func launch(t *testing.T, dir string, env []string, attr *syscall.SysProcAttr, args ...string) *agent {
	t.Helper()
	a := &agent{t: t, dir: dir, socket: filepath.Join(dir, "run", "governor.sock"), log: &lockedBuffer{}, ended: make(chan struct{})}
	a.cmd = exec.Command(binaries.governor, args...)
	a.cmd.Env = append(os.Environ(), "GOVERNOR_STATE_DIR="+dir, "GOVERNOR_SOCKET="+a.socket)
	a.cmd.Env = append(a.cmd.Env, env...)
	a.cmd.Stdout, a.cmd.Stderr = a.log, a.log
	if attr == nil {
		attr = &syscall.SysProcAttr{}
	}
	attr.Pdeathsig = syscall.SIGKILL // a test that is killed leaves no agent on the ports of the next
	a.cmd.SysProcAttr = attr
	require.NoError(t, a.cmd.Start())
	go func() {
		a.err = a.cmd.Wait()
		close(a.ended)
	}()
	t.Cleanup(func() {
		a.signal(syscall.SIGTERM)
		a.wait()
		if t.Failed() {
			t.Logf("the agent's log:\n%s", a.log.String())
		}
	})
	return a
}

func (a *agent) signal(s syscall.Signal) {
	select {
	case <-a.ended:
	default:
		_ = a.cmd.Process.Signal(s)
	}
}

// wait returns the agent's exit status; an agent that does not end is killed and is a failure.
func (a *agent) wait() int {
	select {
	case <-a.ended:
	case <-time.After(stopTimeout):
		a.t.Errorf("the agent does not end within %s", stopTimeout)
		_ = a.cmd.Process.Kill()
		<-a.ended
	}
	return a.cmd.ProcessState.ExitCode()
}

func (a *agent) stop() {
	a.t.Helper()
	a.signal(syscall.SIGTERM)
	require.Zero(a.t, a.wait(), "exit status after SIGTERM")
}

func (a *agent) kill() {
	a.signal(syscall.SIGKILL)
	a.wait()
}

// get reads JSON from the API into out.
func (a *agent) get(path string, out any) error {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", a.socket)
		},
	}}
	resp, err := client.Get("http://governor" + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", path, resp.Status, body)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(body, out)
}

// cli runs a verb against this agent.
func (a *agent) cli(args ...string) (string, error) {
	cmd := exec.Command(binaries.governor, append(args, "--socket", a.socket)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (a *agent) mustCLI(args ...string) string {
	a.t.Helper()
	out, err := a.cli(args...)
	require.NoError(a.t, err, out)
	return out
}

// eventually waits for a condition and fails early when the agent has ended.
func (a *agent) eventually(what string, limit time.Duration, condition func() bool) {
	a.t.Helper()
	deadline := time.After(limit)
	for !condition() {
		select {
		case <-a.ended:
			require.FailNowf(a.t, "the agent ended", "while waiting until %s: %v\n%s", what, a.err, a.log.String())
		case <-deadline:
			require.FailNowf(a.t, "timeout", "%s: not within %s", what, limit)
		case <-time.After(pollEvery):
		}
	}
}

// run runs the binary to its end and returns its output and exit status.
func run(t *testing.T, env []string, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, binaries.governor, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, ctx.Err(), "governor %s does not end", strings.Join(args, " "))
	if err != nil {
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// lockedBuffer is a bytes.Buffer that a process writes while a test reads.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
