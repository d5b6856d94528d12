package dockertest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/governor-project/governor/internal/docker"
)

// Start implements docker.Client.
func (e *Engine) Start(ctx context.Context, id string) error {
	return e.with(ctx, "start", id, e.start)
}

func (e *Engine) start(c *container) error {
	if c.State == docker.StateRunning {
		return nil
	}
	b := e.behave[c.Image]
	if b.StartError != nil {
		return &docker.Error{Op: "start container", Object: c.Name, Err: b.StartError}
	}
	number := slices.Sorted(maps.Keys(e.containers))
	c.State, c.PID, c.StartedAt, c.FinishedAt = docker.StateRunning, 1000+slices.Index(number, c.ID), e.tick(), time.Time{}
	for i := range c.Networks {
		n := c.Networks[i]
		n.Addresses = []netip.Addr{e.freeAddress()}
		c.Networks = slices.Clone(c.Networks)
		c.Networks[i] = n
	}
	c.ended = make(chan struct{})
	e.send(docker.ActionStart, c)
	if b.Exits {
		e.end(c, b.ExitStatus)
	}
	return nil
}

// freeAddress is the lowest address of the bridge that no container has.
func (e *Engine) freeAddress() netip.Addr {
	taken := map[netip.Addr]bool{}
	for _, c := range e.containers {
		for _, n := range c.Networks {
			for _, a := range n.Addresses {
				taken[a] = true
			}
		}
	}
	addr := netip.MustParseAddr("172.17.0.2")
	for taken[addr] {
		addr = addr.Next()
	}
	return addr
}

func (e *Engine) end(c *container, status int) {
	if c.State != docker.StateRunning && c.State != docker.StatePaused {
		return
	}
	c.State, c.PID, c.ExitStatus, c.FinishedAt, c.Health = docker.StateExited, 0, status, e.tick(), docker.HealthNone
	for i, n := range c.Networks {
		c.Networks = slices.Clone(c.Networks)
		c.Networks[i] = docker.Network{Name: n.Name, Gateway: n.Gateway}
	}
	close(c.ended)
	e.send(docker.ActionDie, c)
}

// with runs a change of one container under the lock.
func (e *Engine) with(ctx context.Context, op, id string, change func(*container) error) error {
	if err := e.enter(ctx, op, id); err != nil {
		return err
	}
	defer e.mu.Unlock()
	c, err := e.find(id)
	if err != nil {
		return err
	}
	return change(c)
}

// Stop implements docker.Client; the program ends with status 143 (SIGTERM).
func (e *Engine) Stop(ctx context.Context, id string, _ time.Duration) error {
	return e.with(ctx, "stop", id, func(c *container) error {
		e.end(c, 143)
		return nil
	})
}

// Restart implements docker.Client.
func (e *Engine) Restart(ctx context.Context, id string, _ time.Duration) error {
	return e.with(ctx, "restart", id, func(c *container) error {
		e.end(c, 143)
		return e.start(c)
	})
}

// Kill implements docker.Client; the program ends with status 137.
func (e *Engine) Kill(ctx context.Context, id, _ string) error {
	return e.with(ctx, "kill", id, func(c *container) error {
		if c.State != docker.StateRunning {
			return &docker.Error{Op: "kill container", Object: c.Name, Kind: docker.ErrConflict, Err: fmt.Errorf("container %s is not running", c.ID)}
		}
		e.end(c, 137)
		return nil
	})
}

// Exit lets the program of a container end by itself.
func (e *Engine) Exit(id string, status int) error {
	return e.with(context.Background(), "exit", id, func(c *container) error {
		e.end(c, status)
		return nil
	})
}

// Pause implements docker.Client.
func (e *Engine) Pause(ctx context.Context, id string) error {
	return e.with(ctx, "pause", id, func(c *container) error {
		c.State = docker.StatePaused
		e.send("pause", c)
		return nil
	})
}

// Unpause implements docker.Client.
func (e *Engine) Unpause(ctx context.Context, id string) error {
	return e.with(ctx, "unpause", id, func(c *container) error {
		c.State = docker.StateRunning
		e.send("unpause", c)
		return nil
	})
}

// Remove implements docker.Client.
func (e *Engine) Remove(ctx context.Context, id string, force bool) error {
	return e.with(ctx, "remove", id, func(c *container) error {
		if c.State == docker.StateRunning && !force {
			return &docker.Error{Op: "remove container", Object: c.Name, Kind: docker.ErrConflict, Err: fmt.Errorf("container %s is running", c.ID)}
		}
		e.end(c, 137)
		delete(e.containers, c.ID)
		e.send(docker.ActionDestroy, c)
		return nil
	})
}

// Rename changes a container's name behind everybody's back.
func (e *Engine) Rename(id, name string) error {
	return e.with(context.Background(), "rename", id, func(c *container) error {
		c.Name = name
		e.send("rename", c)
		return nil
	})
}

// UpdateCPU implements docker.Client.
func (e *Engine) UpdateCPU(ctx context.Context, id string, update docker.CPUUpdate) error {
	return e.with(ctx, "updatecpu", id, func(c *container) error {
		if update.Shares != 0 {
			c.Limits.Shares = update.Shares
		}
		if update.QuotaUS != 0 {
			c.Limits.QuotaUS, c.Limits.PeriodUS = update.QuotaUS, max(update.PeriodUS, 1)
		}
		if update.CPUs != "" {
			c.Limits.CPUs = update.CPUs
		}
		e.send("update", c)
		return nil
	})
}

// Wait implements docker.Client.
func (e *Engine) Wait(ctx context.Context, id string) (int, error) {
	var found *container
	var ended chan struct{}
	err := e.with(ctx, "wait", id, func(c *container) error {
		found, ended = c, c.ended
		return nil
	})
	if err != nil {
		return 0, err
	}
	select {
	case <-ended:
		e.mu.Lock()
		defer e.mu.Unlock()
		return found.ExitStatus, nil
	case <-ctx.Done():
		return 0, &docker.Error{Op: "wait for container", Object: id, Err: ctx.Err()}
	}
}

// Logs implements docker.Client.
func (e *Engine) Logs(ctx context.Context, id string, _ docker.LogOptions, stdout, _ io.Writer) error {
	var text string
	err := e.with(ctx, "logs", id, func(c *container) error {
		text = e.behave[c.Image].Log
		return nil
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(stdout, text)
	return err
}

// stream is one subscription. Events are queued without bound, as the real
// engine does in its socket buffers, so that no test deadlocks.
type stream struct {
	out    chan docker.Event
	in     chan docker.Event
	cancel context.CancelFunc
	asked  <-chan struct{} // closed when the end was asked for
	done   chan struct{}   // closed when nothing runs any more
	err    atomic.Pointer[error]
}

// Events implements docker.Client.
func (e *Engine) Events(ctx context.Context, _ time.Time) (docker.EventStream, error) {
	if err := e.enter(ctx, "events", ""); err != nil {
		return nil, err
	}
	defer e.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	s := &stream{out: make(chan docker.Event), in: make(chan docker.Event), cancel: cancel, asked: ctx.Done(), done: make(chan struct{})}
	e.streams[s] = struct{}{}
	go s.run(ctx, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.streams, s)
	})
	return s, nil
}

func (s *stream) run(ctx context.Context, forget func()) {
	defer close(s.done)
	defer s.cancel()
	defer forget()
	defer close(s.out)
	var queue []docker.Event
	for {
		var out chan docker.Event
		var next docker.Event
		if len(queue) > 0 {
			out, next = s.out, queue[0]
		}
		select {
		case event := <-s.in:
			queue = append(queue, event)
		case out <- next:
			queue = queue[1:]
		case <-ctx.Done():
			return
		}
	}
}

func (s *stream) push(event docker.Event) {
	select {
	case s.in <- event:
	case <-s.asked: // not done: run needs the engine's lock to end
	}
}

func (s *stream) lose(err error) {
	s.err.Store(&err)
	s.cancel()
}

func (s *stream) C() <-chan docker.Event { return s.out }

func (s *stream) Err() error {
	if err := s.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (s *stream) Close() {
	s.cancel()
	<-s.done
}

func (e *Engine) send(action string, c *container) {
	event := docker.Event{Action: action, ID: c.ID, Name: c.Name, Labels: c.Labels, ExitCode: fmt.Sprint(c.ExitStatus), Time: e.tick()}
	for s := range e.streams {
		s.push(event)
	}
}
