// Package dockertest is the test support of everything that talks to Docker:
// Engine is an in-memory docker.Client with injected failures, and the
// functions of real.go prepare a real engine with an image made from scratch.
//
// Only tests import it.
package dockertest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/governor-project/governor/internal/docker"
)

// Engine is a Docker engine in memory. Make it with New. It keeps containers,
// images and subscriptions, sends the events that the real engine sends, and
// fails when Before or Behave says so.
type Engine struct {
	mu         sync.Mutex
	before     func(op, object string) error
	behave     map[string]Behaviour
	images     map[string]bool
	containers map[string]*container
	streams    map[*stream]struct{}
	calls      []string
	down       error
	created    int
	clock      time.Time
}

// Behaviour is how containers of one image act once they are started.
type Behaviour struct {
	StartError error           // what Start returns
	Exits      bool            // the program ends at once …
	ExitStatus int             // … with this status
	Health     []docker.Health // successive answers of inspect; the last one stays
	Log        string          // what Logs writes to stdout
}

type container struct {
	docker.Container
	ended chan struct{} // closed while not running
}

var _ docker.Client = (*Engine)(nil)

// New returns an engine that has the given images.
func New(images ...string) *Engine {
	e := &Engine{
		behave: map[string]Behaviour{}, images: map[string]bool{}, containers: map[string]*container{},
		streams: map[*stream]struct{}{}, clock: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	for _, image := range images {
		e.images[image] = true
	}
	return e
}

// Before installs a hook that is called first in every call, with the name of
// the method in lower case ("create", "start") and the container's name or the
// image; an error that it returns is the result of the call. nil removes it.
// It is called without locks and may use the engine.
func (e *Engine) Before(hook func(op, object string) error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.before = hook
}

// Behave sets how containers of this image act from now on.
func (e *Engine) Behave(image string, b Behaviour) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.behave[image] = b
}

// GoDown ends every stream and lets every call fail with a lost connection.
func (e *Engine) GoDown() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.down = &docker.Error{Op: "call", Kind: docker.ErrUnreachable, Err: fmt.Errorf("no Docker engine answers on fake")}
	for s := range e.streams {
		s.lose(e.down)
	}
	clear(e.streams)
}

// ComeBack ends what GoDown began.
func (e *Engine) ComeBack() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.down = nil
}

// Calls returns what was called so far, e.g. "create shop-redis".
func (e *Engine) Calls() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.calls)
}

// Streams is the number of open event subscriptions.
func (e *Engine) Streams() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.streams)
}

// enter begins a call: hook, lost connection, context. On success the lock is held.
func (e *Engine) enter(ctx context.Context, op, object string) error {
	e.mu.Lock()
	hook := e.before
	if c, err := e.find(object); err == nil {
		object = c.Name
	}
	e.calls = append(e.calls, strings.TrimSpace(op+" "+object))
	e.mu.Unlock()
	if hook != nil {
		if err := hook(op, object); err != nil {
			return &docker.Error{Op: op, Object: object, Err: err}
		}
	}
	if err := ctx.Err(); err != nil {
		return &docker.Error{Op: op, Object: object, Err: err}
	}
	e.mu.Lock()
	if e.down != nil {
		e.mu.Unlock()
		return e.down
	}
	return nil
}

func (e *Engine) find(id string) (*container, error) {
	if c, ok := e.containers[id]; ok {
		return c, nil
	}
	for full, c := range e.containers {
		if c.Name == id || (len(id) >= 12 && strings.HasPrefix(full, id)) {
			return c, nil
		}
	}
	return nil, &docker.Error{Op: "find container", Object: id, Kind: docker.ErrNotFound, Err: fmt.Errorf("there is no container %s", id)}
}

// tick returns the next instant of the engine's own clock.
func (e *Engine) tick() time.Time {
	e.clock = e.clock.Add(time.Millisecond)
	return e.clock
}

// Ping implements docker.Client.
func (e *Engine) Ping(ctx context.Context) (docker.Engine, error) {
	if err := e.enter(ctx, "ping", ""); err != nil {
		return docker.Engine{}, err
	}
	defer e.mu.Unlock()
	return docker.Engine{Host: "fake", APIVersion: "1.41", Version: "20.10.24", OS: "linux"}, nil
}

// List implements docker.Client.
func (e *Engine) List(ctx context.Context, labels ...string) ([]docker.Summary, error) {
	if err := e.enter(ctx, "list", ""); err != nil {
		return nil, err
	}
	defer e.mu.Unlock()
	var out []docker.Summary
	for _, c := range e.containers {
		if matches(c.Labels, labels) {
			out = append(out, docker.Summary{ID: c.ID, Name: c.Name, Image: c.Image, State: c.State, Labels: c.Labels, Created: c.CreatedAt})
		}
	}
	slices.SortFunc(out, func(a, b docker.Summary) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

func matches(labels map[string]string, wanted []string) bool {
	for _, w := range wanted {
		key, value, hasValue := strings.Cut(w, "=")
		got, ok := labels[key]
		if !ok || (hasValue && got != value) {
			return false
		}
	}
	return true
}

// Inspect implements docker.Client.
func (e *Engine) Inspect(ctx context.Context, id string) (docker.Container, error) {
	if err := e.enter(ctx, "inspect", id); err != nil {
		return docker.Container{}, err
	}
	defer e.mu.Unlock()
	c, err := e.find(id)
	if err != nil {
		return docker.Container{}, err
	}
	e.nextHealth(c)
	return c.Container, nil
}

func (e *Engine) nextHealth(c *container) {
	b := e.behave[c.Image]
	if c.State != docker.StateRunning || len(b.Health) == 0 {
		return
	}
	c.Health = b.Health[0]
	if len(b.Health) > 1 {
		b.Health = b.Health[1:]
		e.behave[c.Image] = b
	}
}

// Create implements docker.Client.
func (e *Engine) Create(ctx context.Context, spec docker.CreateSpec) (string, error) {
	if err := e.enter(ctx, "create", cmp.Or(spec.Name, spec.Image)); err != nil {
		return "", err
	}
	defer e.mu.Unlock()
	if !e.images[spec.Image] {
		return "", &docker.Error{Op: "create container", Object: spec.Name, Kind: docker.ErrNotFound, Err: fmt.Errorf("there is no image %s", spec.Image)}
	}
	if _, err := e.find(spec.Name); spec.Name != "" && err == nil {
		return "", &docker.Error{Op: "create container", Object: spec.Name, Kind: docker.ErrConflict, Err: fmt.Errorf("the name %q is already in use", spec.Name)}
	}
	e.created++
	sum := sha256.Sum256(fmt.Append(nil, "container ", e.created))
	id := hex.EncodeToString(sum[:])
	c := &container{Container: fromSpec(id, spec, e.created, e.tick()), ended: make(chan struct{})}
	close(c.ended)
	e.containers[id] = c
	e.send(docker.ActionCreate, c)
	return id, nil
}

func fromSpec(id string, spec docker.CreateSpec, n int, now time.Time) docker.Container {
	out := docker.Container{
		ID: id, Name: cmp.Or(spec.Name, "unnamed-"+id[:6]), Image: spec.Image,
		Hostname: cmp.Or(spec.Hostname, docker.ShortID(id)), Command: append(slices.Clone(spec.Entrypoint), spec.Command...),
		Labels: spec.Labels, CreatedAt: now, State: docker.StateCreated, Restart: spec.Restart,
		NetworkMode: cmp.Or(spec.NetworkMode, "default"),
		Limits:      docker.Limits{Shares: spec.Shares, CPUs: spec.CPUs, Memory: spec.Memory, Quota: spec.Quota},
	}
	for key, value := range spec.Env {
		out.Env = append(out.Env, key+"="+value)
	}
	slices.Sort(out.Env)
	for i, p := range spec.Ports {
		if p.Host == 0 {
			p.Host = uint16(32768 + 16*n + i)
		}
		out.Ports = append(out.Ports, p)
	}
	if out.NetworkMode != "host" {
		out.Networks = []docker.Network{{Name: "bridge", Gateway: netip.MustParseAddr("172.17.0.1")}}
	}
	return out
}
