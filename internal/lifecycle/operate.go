package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/inventory"
	"github.com/governor-project/governor/internal/lifecycle/plan"
)

// Operate runs one operation on the container with this GUID and returns its
// status afterwards. An operation that its state does not allow is a
// *plan.NotAllowedError.
func (e *Executor) Operate(ctx context.Context, op plan.Operation, guid string) (Status, error) {
	s, ok := e.Container(guid)
	if !ok {
		return Status{}, fmt.Errorf("container %s: %w", guid, ErrNotFound)
	}
	unlock, err := e.apps.lock(ctx, s.App)
	if err != nil {
		return Status{}, err
	}
	defer unlock()
	if err := e.available(); err != nil {
		return Status{}, err
	}
	if s, ok = e.Container(guid); !ok { // it may have changed while waiting
		return Status{}, fmt.Errorf("container %s: %w", guid, ErrNotFound)
	}
	if err := e.operate(ctx, op, s); err != nil {
		return Status{}, fmt.Errorf("container %s (%s): %w", s.Name, guid, err)
	}
	s, _ = e.Container(guid)
	return s, nil
}

func (e *Executor) operate(ctx context.Context, op plan.Operation, s Status) error {
	during, _, err := plan.Begin(op, s.State)
	if err != nil {
		return err
	}
	defer e.show(s.GUID, during)()
	switch op {
	case plan.Start:
		return e.start(ctx, s)
	case plan.Stop:
		return e.stop(ctx, s)
	case plan.Restart:
		e.mark(e.stopped, s.ID, false)
		if err := e.client.Restart(ctx, s.ID, e.options.StopGrace); err != nil {
			return err
		}
		return e.awaitReady(ctx, s)
	case plan.Remove:
		return e.remove(ctx, s)
	}
	return fmt.Errorf("operation %q is unknown", op)
}

func (e *Executor) start(ctx context.Context, s Status) error {
	change := e.client.Start
	if s.Container.State == inventory.StatePaused {
		change = e.client.Unpause
	}
	if err := change(ctx, s.ID); err != nil {
		return err
	}
	e.mark(e.stopped, s.ID, false)
	return e.awaitReady(ctx, s)
}

func (e *Executor) awaitReady(ctx context.Context, s Status) error {
	running, err := e.ready(ctx, s.ID)
	if err != nil {
		return err
	}
	e.await(ctx, func(r inventory.Reader) bool {
		c, ok := r.ByID(s.ID)
		return !ok || (c.Running() && c.StartedAt.Equal(running.StartedAt))
	})
	return nil
}

func (e *Executor) stop(ctx context.Context, s Status) error {
	e.mark(e.stopped, s.ID, true) // before, so that its end is never seen as a failure
	if err := e.client.Stop(ctx, s.ID, e.options.StopGrace); err != nil {
		e.mark(e.stopped, s.ID, false)
		return err
	}
	e.await(ctx, func(r inventory.Reader) bool {
		c, ok := r.ByID(s.ID)
		return !ok || !c.Running()
	})
	return nil
}

// remove stops politely first, as a container may have something to write down.
func (e *Executor) remove(ctx context.Context, s Status) error {
	if s.Running() {
		e.mark(e.stopped, s.ID, true)
		if err := e.client.Stop(ctx, s.ID, e.options.StopGrace); err != nil && !errors.Is(err, docker.ErrNotFound) {
			return err
		}
	}
	if err := e.delete(ctx, s.ID); err != nil {
		return err
	}
	e.awaitGone(ctx, s.ID)
	e.look() // not only when Run gets to it: the caller may ask at once
	return nil
}

// Down removes every container of the app that Governor created, newest first,
// and returns them. It goes on after a failure, so that a second call has less
// to do.
func (e *Executor) Down(ctx context.Context, app string) ([]Status, error) {
	unlock, err := e.apps.lock(ctx, app)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := e.available(); err != nil {
		return nil, err
	}
	all := e.App(app)
	if len(all) == 0 {
		return nil, fmt.Errorf("app %s: %w", app, ErrNotFound)
	}
	var removed []Status
	var errs []error
	for _, s := range plan.RemovalOrder(all, func(s Status) int64 { return s.CreatedAt.UnixNano() }) {
		if !own(s.Container) || s.State == plan.Terminated {
			continue
		}
		if err := e.operate(ctx, plan.Remove, s); err != nil {
			errs = append(errs, fmt.Errorf("container %s (%s): %w", s.Name, s.GUID, err))
			continue
		}
		removed = append(removed, terminated(s))
	}
	if len(errs) == 0 {
		e.forgetGone(app)
	}
	return removed, errors.Join(errs...)
}

// Logs copies the container's output.
func (e *Executor) Logs(ctx context.Context, guid string, options docker.LogOptions, stdout, stderr io.Writer) error {
	s, ok := e.Container(guid)
	if !ok {
		return fmt.Errorf("container %s: %w", guid, ErrNotFound)
	}
	if s.State == plan.Terminated {
		return &ConflictError{Reason: fmt.Sprintf("container %s (%s) is removed, and its log with it", s.Name, guid)}
	}
	return e.client.Logs(ctx, s.ID, options, stdout, stderr)
}
