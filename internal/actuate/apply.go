package actuate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"
	"time"

	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/internal/control"
)

// Back-off of a lever whose write failed: no failure may become a loop of writes.
const (
	backoffFirst = time.Second
	backoffMax   = time.Minute
)

type failure struct {
	count int
	until time.Time
}

func (f *failure) failed(now time.Time) {
	pause := backoffMax
	if f.count < 6 {
		pause = min(backoffMax, backoffFirst<<f.count)
	}
	f.count++
	f.until = now.Add(pause)
}

// Apply writes the changes in a safe order, weights first, then what widens,
// then what narrows, and reads each of them back. Originals are in the journal
// before anything is written; without the journal nothing is.
func (a *Actuator) Apply(ctx context.Context, now time.Time, changes []control.Change) []Outcome {
	if len(changes) == 0 {
		return nil
	}
	ordered := slices.Clone(changes)
	slices.SortStableFunc(ordered, func(x, y control.Change) int { return cmp.Compare(stage(x), stage(y)) })
	journalErr := a.journalFirst(ctx, ordered)
	out := make([]Outcome, 0, len(ordered))
	for _, c := range ordered {
		out = append(out, a.applyOne(now, c, journalErr))
	}
	return out
}

// stage orders a swap of cores so that no container is ever without a CPU.
func stage(c control.Change) int {
	switch {
	case c.Resource == control.Weight:
		return 0
	case widens(c):
		return 1
	}
	return 2
}

func widens(c control.Change) bool {
	switch c.Resource {
	case control.CPUSet:
		return c.Before.CPUs.IsSubsetOf(c.After.CPUs)
	case control.QuotaLimit:
		before, after := c.Before.Quota.CPUs(), c.After.Quota.CPUs()
		return after == 0 || before > 0 && after > before
	}
	return false
}

// journalFirst records the originals of every lever that is about to be
// touched for the first time.
func (a *Actuator) journalFirst(ctx context.Context, changes []control.Change) error {
	if !a.Enforcing() {
		return nil
	}
	wanted := map[string]control.Resources{}
	for _, c := range changes {
		if it := a.items[c.ID]; it != nil && !it.touched.Has(c.Resource) {
			wanted[c.ID] = wanted[c.ID].With(c.Resource)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	entries := make([]Entry, 0, len(wanted))
	for id, more := range wanted {
		entries = append(entries, a.items[id].entry(more))
	}
	if err := a.journal.Record(ctx, entries); err != nil {
		return fmt.Errorf("nothing is written without a journal entry: %w", err)
	}
	for id, more := range wanted {
		a.items[id].touched |= more
	}
	return nil
}

func (a *Actuator) applyOne(now time.Time, c control.Change, journalErr error) Outcome {
	out := Outcome{Change: c, At: now}
	it := a.items[c.ID]
	switch {
	case it == nil:
		out.Result, out.Err = Gone, fmt.Errorf("container %s: %w", c.Name, fs.ErrNotExist)
		return out
	case it.gaveUp:
		out.Result = GivenUp
		return out
	case !a.Enforcing():
		it.current = it.current.With(c.After, c.Resource)
		out.Result = Observed
		return out
	}
	if !it.touched.Has(c.Resource) {
		out.Err = journalErr
	} else {
		out.Err = it.write(c.After, c.Resource)
	}
	a.settle(now, it, &out)
	return out
}

// settle notes the success or failure of a write.
func (a *Actuator) settle(now time.Time, it *item, out *Outcome) {
	f := &it.failures[out.Resource]
	switch {
	case out.Err == nil:
		out.Result = Written
		it.current = it.current.With(out.After, out.Resource)
		*f = failure{}
	case isGone(out.Err):
		out.Result = Gone
		f.failed(now)
	default:
		out.Result = Failed
		f.failed(now)
		if isDenied(out.Err) {
			a.denied = out.Err
		}
	}
}

// isDenied: such an error does not go away, and concerns every container.
func isDenied(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// write sets one lever and reads back what the kernel made of it.
func (it *item) write(to control.Limits, r control.Resource) error {
	if err := it.set(to, r); err != nil {
		return fmt.Errorf("%s of %s to %s: %w", r, it.ref.Name, to.Text(r), err)
	}
	got, err := it.group.Limits()
	if err != nil {
		return fmt.Errorf("%s of %s, reading back: %w", r, it.ref.Name, err)
	}
	it.kernel = got
	if !it.same(toControl(got), to, r) {
		return fmt.Errorf("%s of %s: wrote %s, the kernel has %s", r, it.ref.Name, to.Text(r), toControl(got).Text(r))
	}
	return nil
}

func (it *item) set(to control.Limits, r control.Resource) error {
	switch r {
	case control.Weight:
		return it.group.SetShares(to.Shares)
	case control.CPUSet:
		cpus := to.CPUs
		if it.original.CPUs.IsEmpty() && cpus == it.original.EffectiveCPUs {
			cpus = it.original.CPUs // back to inheriting (v2)
		}
		return it.group.SetCPUs(cpus)
	case control.QuotaLimit:
		q := cgroup.Quota{QuotaUS: to.Quota.QuotaUS, PeriodUS: to.Quota.PeriodUS}
		if to.Quota.CPUs() == 0 {
			q.QuotaUS = cgroup.NoQuota
		}
		return it.group.SetQuota(q)
	}
	return fmt.Errorf("resource %d is unknown", r)
}

// same compares one lever; v2 rounds shares to its coarser weights.
func (it *item) same(a, b control.Limits, r control.Resource) bool {
	if r == control.Weight && it.group.Version() != cgroup.V1 {
		return cgroup.WeightOfShares(a.Shares) == cgroup.WeightOfShares(b.Shares)
	}
	return a.Same(b, r)
}
