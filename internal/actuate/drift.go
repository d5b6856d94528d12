package actuate

import (
	"fmt"
	"slices"
	"time"

	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/control"
)

// Drift: the engine's systemd driver puts unit values back on daemon-reload
// (moby 51446), and people change limits by hand.
const (
	driftEvery  = 5 * time.Second
	driftLimit  = 3
	driftWindow = time.Minute
)

var resources = [...]control.Resource{control.Weight, control.CPUSet, control.QuotaLimit}

// CheckDrift reads every container's limits back, at most every five seconds.
// A limit that Governor had written and that somebody changed is written again
// and reported; after three times in a minute the container is only observed.
// One that Governor never touched becomes the container's new original.
func (a *Actuator) CheckDrift(now time.Time) {
	if now.Sub(a.checked) < driftEvery && !now.Before(a.checked) {
		return
	}
	a.checked = now
	for _, it := range a.items {
		got, err := it.group.Limits()
		if err != nil {
			continue // gone, or about to be: the inventory says so
		}
		before := toControl(it.kernel)
		it.kernel = got
		for _, r := range resources {
			switch actual := toControl(got); {
			case it.touched.Has(r) && a.Enforcing():
				if !it.same(actual, it.current, r) && !it.gaveUp {
					a.drifted(now, it, actual, r)
				}
			case !it.same(actual, before, r): // its user's new original
				it.current = it.current.With(actual, r)
				switch r {
				case control.Weight:
					it.original.Shares = got.Shares
				case control.CPUSet:
					it.original.CPUs, it.original.EffectiveCPUs = got.CPUs, got.EffectiveCPUs
				case control.QuotaLimit:
					it.original.Quota = got.Quota
				}
			}
		}
	}
}

func (a *Actuator) drifted(now time.Time, it *item, actual control.Limits, r control.Resource) {
	it.drifts = slices.DeleteFunc(it.drifts, func(at time.Time) bool { return now.Sub(at) >= driftWindow })
	it.drifts = append(it.drifts, now)
	out := Outcome{At: now, Change: control.Change{
		ID: it.ref.ID, Name: it.ref.Name, App: it.ref.App, Class: it.ref.Class, Resource: r,
		Before: actual, After: it.current, Rule: control.RuleDriftReassert,
		Reason: fmt.Sprintf("changed from outside: %s, wanted %s; %d in the last %s", actual.Text(r), it.current.Text(r), len(it.drifts), driftWindow),
	}}
	switch {
	case len(it.drifts) >= driftLimit:
		it.gaveUp = true
		it.current = actual
		out.After = actual
		out.Result = GivenUp
		out.Err = fmt.Errorf("%s of %s was changed from outside %d times in %s: Governor only observes this container now", r, it.ref.Name, len(it.drifts), driftWindow)
	case now.Before(it.failures[r].until): // its write fails: the back-off holds here too
		return
	default:
		out.Err = it.write(it.current, r)
		a.settle(now, it, &out)
	}
	a.report(out)
}

func restoreOutcome(ref Ref, now time.Time, before, after control.Limits, r control.Resource) Outcome {
	class := ref.Class
	if class == "" {
		class = appspec.Unmanaged
	}
	return Outcome{At: now, Result: Written, Change: control.Change{
		ID: ref.ID, Name: ref.Name, App: ref.App, Class: class, Resource: r,
		Before: before, After: after, Rule: control.RuleRestore, Reason: "its original limit",
	}}
}
