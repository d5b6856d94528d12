package lifecycle

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/lifecycle/plan"
)

// How often a starting container is looked at: often at first, because most
// start within milliseconds.
const (
	firstLook = 20 * time.Millisecond
	lastLook  = 500 * time.Millisecond
)

// ready waits until the container runs and, where it has a health check, is
// healthy, and returns it as it is then.
func (e *Executor) ready(ctx context.Context, id string) (docker.Container, error) {
	ctx, cancel := context.WithTimeout(ctx, e.options.ReadyTimeout)
	defer cancel()
	pause := firstLook
	for {
		c, err := e.client.Inspect(ctx, id)
		if err != nil {
			return c, err
		}
		state, reason := observe(c)
		switch {
		case state == plan.Ready:
			return c, nil
		case state != plan.Pending && state != plan.NotReady:
			return c, unready(c, state, reason)
		}
		select {
		case <-ctx.Done():
			return c, fmt.Errorf("not ready in time (%s): it is %s %s: %w", e.options.ReadyTimeout, state, reason, ctx.Err())
		case <-time.After(pause):
			pause = min(2*pause, lastLook)
		}
	}
}

func observe(c docker.Container) (plan.State, string) {
	return plan.Observe(plan.Observation{
		Engine: string(c.State), Health: string(c.Health), ExitStatus: c.ExitStatus, OOMKilled: c.OOMKilled, Problem: c.Problem,
	})
}

func unready(c docker.Container, state plan.State, reason string) error {
	if reason == "" {
		reason = fmt.Sprintf("ended with exit status %d", c.ExitStatus)
	}
	return fmt.Errorf("it did not become ready (%s): %s", state, reason)
}

// settled looks at every container of the batch once more when the youngest has
// run for a moment: what ended or was restarted meanwhile was never ready.
func (b *batch) settled(ctx context.Context) error {
	youngest := b.created[len(b.created)-1].started
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(b.options.Settle - time.Since(youngest)):
	}
	for _, made := range b.created {
		c, err := b.client.Inspect(ctx, made.id)
		if err != nil {
			return err
		}
		state, reason := observe(c)
		if c.Restarts > 0 {
			return fmt.Errorf("container %s: it did not stay up: restarted %d times, last exit status %d", made.name, c.Restarts, c.ExitStatus)
		}
		if state != plan.Ready {
			return fmt.Errorf("container %s: %w", made.name, unready(c, state, reason))
		}
	}
	return nil
}

func toPort(p appspec.Port) docker.Port {
	out := docker.Port{Container: p.Container, Host: p.Host, Protocol: p.Protocol}
	if addr, err := netip.ParseAddr(p.HostIP); err == nil {
		out.HostIP = addr
	}
	return out
}
