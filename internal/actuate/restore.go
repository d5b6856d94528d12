package actuate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/governor-project/governor/internal/control"
)

// Recover takes what an earlier run left in the journal. Entries of containers
// that ended or were restarted are dropped: their limits are their own. The
// others are restored at once when nothing will be enforced; else they wait to
// be adopted by Ensure, and RestoreAdoptees puts back those that are not.
func (a *Actuator) Recover(ctx context.Context, now time.Time, entries []Entry) error {
	var errs []error
	for _, e := range entries {
		it, err := a.find(e)
		switch {
		case isGone(err):
			errs = append(errs, a.journal.Remove(ctx, e))
		case err != nil:
			errs = append(errs, err)
		case a.enforce:
			a.adoptees[e.ID] = e
		default:
			errs = append(errs, a.restore(ctx, now, it))
		}
	}
	return errors.Join(errs...)
}

// RestoreAdoptees restores what an earlier run had changed and this one has not
// taken over.
func (a *Actuator) RestoreAdoptees(ctx context.Context, now time.Time) error {
	var errs []error
	for id, e := range a.adoptees {
		it, err := a.find(e)
		switch {
		case isGone(err):
			err = a.journal.Remove(ctx, e)
		case err == nil:
			err = a.restore(ctx, now, it)
		}
		if err == nil {
			delete(a.adoptees, id)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// find opens the very container that the entry is about; the error wraps
// fs.ErrNotExist when it is gone or was restarted.
func (a *Actuator) find(e Entry) (*item, error) {
	it, err := a.open(Ref{ID: e.ID, Name: e.Name, App: e.App, PID: e.PID})
	if err != nil {
		return nil, err
	}
	if it.start != e.Start || it.group.Path() != e.Path {
		return nil, errGone(e)
	}
	it.original, it.touched = e.originals(it.original)
	return it, nil
}

// Release ends control of a container: its originals come back, unless it has
// ended, when there is nothing to put back.
func (a *Actuator) Release(ctx context.Context, now time.Time, id string) error {
	it, ok := a.items[id]
	if !ok {
		return nil
	}
	if err := a.restore(ctx, now, it); err != nil {
		return err
	}
	delete(a.items, id)
	return nil
}

// RestoreAll gives every container its originals back. What fails stays in the
// journal, for the next start.
func (a *Actuator) RestoreAll(ctx context.Context, now time.Time) error {
	var errs []error
	for id := range a.items {
		if ctx.Err() != nil {
			return errors.Join(append(errs, fmt.Errorf("%d containers keep their limits until the next start: %w", len(a.items), ctx.Err()))...)
		}
		errs = append(errs, a.Release(ctx, now, id))
	}
	return errors.Join(append(errs, a.RestoreAdoptees(ctx, now))...)
}

// restore writes the original of every touched lever, quota and cpuset first,
// so that nothing is squeezed while its weight already is its own again, and
// removes the journal entry.
func (a *Actuator) restore(ctx context.Context, now time.Time, it *item) error {
	if it.touched == 0 {
		return nil
	}
	// A group of the same path may belong to the container's next life.
	start, err := a.host.StartTime(it.pid)
	if isGone(err) || err == nil && start != it.start {
		return a.journal.Remove(ctx, it.entry(0))
	}
	if err != nil {
		return fmt.Errorf("restoring %s: %w", it.ref.Name, err)
	}
	got, err := it.group.Limits()
	if isGone(err) {
		return a.journal.Remove(ctx, it.entry(0))
	}
	if err != nil {
		return fmt.Errorf("restoring %s: %w", it.ref.Name, err)
	}
	var errs []error
	before, original := toControl(got), toControl(it.original)
	for _, r := range [...]control.Resource{control.QuotaLimit, control.CPUSet, control.Weight} {
		if !it.touched.Has(r) || it.same(before, original, r) {
			continue
		}
		out := restoreOutcome(it.ref, now, before, original, r)
		if out.Err = it.write(original, r); out.Err != nil {
			out.Result = Failed
			if isGone(out.Err) {
				return a.journal.Remove(ctx, it.entry(0))
			}
			errs = append(errs, fmt.Errorf("restoring %w", out.Err))
		}
		a.report(out)
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	it.current = original
	err = a.journal.Remove(ctx, it.entry(0))
	if err == nil {
		it.touched = 0
	}
	return err
}
