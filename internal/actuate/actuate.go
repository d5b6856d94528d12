// Package actuate turns a control.Plan into ordered writes, reads every write
// back, notices when somebody else changes a limit, and remembers in a durable
// journal what every container had before its first write, so that it can be
// put back: on shutdown, and after a crash.
//
// It is an edge room: it does I/O through the Host, Group and KV interfaces,
// takes no decision about CPU and has no clock; time is an argument.
package actuate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/internal/control"
	"github.com/governor-project/governor/internal/cpuset"
)

// Group is what is read and written of one container's cgroup. *cgroup.Group is one.
type Group interface {
	Path() string
	Version() cgroup.Version
	Limits() (cgroup.Limits, error)
	SetShares(shares uint64) error
	SetQuota(q cgroup.Quota) error
	SetCPUs(s cpuset.Set) error
}

// Host finds the group of a process and tells processes apart that had the
// same number. Errors wrap fs.ErrNotExist when the process is gone.
type Host interface {
	GroupOf(pid int) (Group, error)
	// StartTime is when the process started, in the kernel's clock ticks since boot.
	StartTime(pid int) (uint64, error)
}

// Result says what became of a change; the set is closed.
type Result string

// The results.
const (
	Written  Result = "written"
	Observed Result = "observed" // not written: observe mode
	Failed   Result = "failed"
	Gone     Result = "gone"     // the container ended meanwhile
	GivenUp  Result = "given_up" // somebody else keeps changing it: only observed from now on
)

// Outcome is what became of one change.
type Outcome struct {
	control.Change
	At     time.Time
	Result Result
	Err    error
}

// Ref names a running container.
type Ref struct {
	ID, Name, App string
	Class         appspec.Class
	PID           int // of its first process
}

// View is a container's limits as the actuator knows them. In observe mode
// Current is what they would be.
type View struct {
	Current, Original control.Limits
	Blocked           control.Resources
	ObserveOnly       bool // given up after repeated drift
}

// Options of an Actuator.
type Options struct {
	Host    Host
	Journal *Journal // nil is allowed while Enforce is false
	Enforce bool
	// Report receives outcomes that no Apply asked for: drift and restoration. May be nil.
	Report func(Outcome)
}

// Actuator writes limits. One goroutine owns it.
type Actuator struct {
	host     Host
	journal  *Journal
	enforce  bool
	denied   error // why writing was given up, nil while it works
	report   func(Outcome)
	items    map[string]*item
	adoptees map[string]Entry // journaled before a crash, not yet seen again
	checked  time.Time
}

// item is one container under control.
type item struct {
	ref      Ref
	pid      int    // with start the identity that the journal knows it by
	start    uint64 // of process pid
	group    Group
	kernel   cgroup.Limits // as last read
	original cgroup.Limits // as first read, or as journaled
	current  control.Limits
	touched  control.Resources // written at least once: in the journal
	missing  control.Resources // levers that this group does not have
	failures [3]failure
	drifts   []time.Time // of the last driftWindow, at most driftLimit
	gaveUp   bool
}

// New returns an actuator without containers.
func New(o Options) (*Actuator, error) {
	if o.Enforce && o.Journal == nil {
		return nil, errors.New("actuate: enforcing needs a journal")
	}
	if o.Report == nil {
		o.Report = func(Outcome) {}
	}
	return &Actuator{
		host: o.Host, journal: o.Journal, enforce: o.Enforce, report: o.Report,
		items: map[string]*item{}, adoptees: map[string]Entry{},
	}, nil
}

// Enforcing reports whether writes happen.
func (a *Actuator) Enforcing() bool { return a.enforce && a.denied == nil }

// Denied is why writing was given up for lack of permission, or nil.
func (a *Actuator) Denied() error { return a.denied }

// Touched is the number of containers whose originals the journal holds.
func (a *Actuator) Touched() int {
	n := len(a.adoptees)
	for _, it := range a.items {
		if it.touched != 0 {
			n++
		}
	}
	return n
}

// Ensure makes the container known: its group is opened and its limits are read
// the first time, and again when it was restarted. The error wraps
// fs.ErrNotExist when it is gone.
func (a *Actuator) Ensure(ctx context.Context, ref Ref, now time.Time) (View, error) {
	it, ok := a.items[ref.ID]
	if ok && it.ref.PID != ref.PID {
		if err := a.forget(ctx, ref.ID); err != nil {
			return View{}, err
		}
		ok = false
	}
	if !ok {
		var err error
		if it, err = a.open(ref); err != nil {
			return View{}, err
		}
		if err := a.adopt(ctx, it); err != nil {
			return View{}, err
		}
		a.items[ref.ID] = it
	}
	it.ref = ref
	return it.view(now), nil
}

func (a *Actuator) open(ref Ref) (*item, error) {
	start, err := a.host.StartTime(ref.PID)
	if err != nil {
		return nil, fmt.Errorf("container %s: %w", ref.Name, err)
	}
	group, err := a.host.GroupOf(ref.PID)
	if err != nil {
		return nil, fmt.Errorf("container %s: %w", ref.Name, err)
	}
	limits, err := group.Limits()
	if err != nil {
		return nil, fmt.Errorf("container %s: %w", ref.Name, err)
	}
	it := &item{ref: ref, pid: ref.PID, start: start, group: group, kernel: limits, original: limits, current: toControl(limits)}
	if limits.Shares == 0 {
		it.missing = it.missing.With(control.Weight).With(control.QuotaLimit)
	}
	if it.current.CPUs.IsEmpty() {
		it.missing = it.missing.With(control.CPUSet)
	}
	return it, nil
}

// adopt takes over what a crashed run had journaled for the same container.
func (a *Actuator) adopt(ctx context.Context, it *item) error {
	e, ok := a.adoptees[it.ref.ID]
	if !ok {
		return nil
	}
	delete(a.adoptees, it.ref.ID)
	start, err := a.host.StartTime(e.PID)
	if err != nil || start != e.Start || e.Path != it.group.Path() { // restarted since: its limits are its own again
		return a.journal.Remove(ctx, e)
	}
	it.original, it.touched = e.originals(it.original)
	it.pid, it.start = e.PID, e.Start
	return nil
}

func (it *item) view(now time.Time) View {
	v := View{Current: it.current, Original: toControl(it.original), Blocked: it.missing, ObserveOnly: it.gaveUp}
	for r := range it.failures {
		if it.gaveUp || now.Before(it.failures[r].until) {
			v.Blocked = v.Blocked.With(control.Resource(r))
		}
	}
	return v
}

// forget drops a container that has ended: nothing is left to put back.
func (a *Actuator) forget(ctx context.Context, id string) error {
	it, ok := a.items[id]
	if !ok {
		return nil
	}
	delete(a.items, id)
	if it.touched == 0 {
		return nil
	}
	return a.journal.Remove(ctx, it.entry(0))
}

// Known yields the IDs of the containers under control.
func (a *Actuator) Known() map[string]struct{} {
	known := make(map[string]struct{}, len(a.items))
	for id := range a.items {
		known[id] = struct{}{}
	}
	return known
}

func toControl(l cgroup.Limits) control.Limits {
	cpus := l.CPUs
	if cpus.IsEmpty() { // v2: inherited
		cpus = l.EffectiveCPUs
	}
	return control.Limits{Shares: l.Shares, Quota: control.Quota{QuotaUS: l.Quota.QuotaUS, PeriodUS: l.Quota.PeriodUS}, CPUs: cpus}
}

func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
