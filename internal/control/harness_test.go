package control

import (
	"fmt"
	"testing"
	"time"

	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/cpuset"
)

// timeline drives Decide tick by tick with figures that a test sets.
type timeline struct {
	t     *testing.T
	now   time.Time
	snap  Snapshot
	state State
	all   []Change
}

const ms = time.Millisecond

func newTimeline(t *testing.T, pool cpuset.Set) *timeline {
	l := &timeline{t: t, now: time.Unix(1_700_000_000, 0)}
	l.snap.Pool = Pool{CPUs: pool, Online: pool.Union(cpuset.Range(0, 1))}
	l.snap.Apps = []App{{Name: "shop", Class: appspec.LatencyCritical, Objective: appspec.Objective{Percentile: 95, Target: 100 * ms, Scope: appspec.ScopeTrace}}}
	return l
}

func limits(cpus cpuset.Set, quota float64) Limits {
	l := Limits{Shares: DefaultShares, CPUs: cpus, Quota: Quota{QuotaUS: -1, PeriodUS: DefaultPeriodUS}}
	if quota > 0 {
		l.Quota.QuotaUS = int64(quota * DefaultPeriodUS)
	}
	return l
}

func (l *timeline) add(id string, class appspec.Class, app string, with Limits, bounds appspec.CPUBounds) {
	l.snap.Containers = append(l.snap.Containers, Container{
		ID: id, Name: id, App: app, Class: class, Bounds: bounds, Current: with, Original: with,
	})
}

func (l *timeline) at(id string) *Container {
	for i := range l.snap.Containers {
		if l.snap.Containers[i].ID == id {
			return &l.snap.Containers[i]
		}
	}
	l.t.Fatalf("no container %s", id)
	return nil
}

// did is what a container does in 100 ms.
type did struct {
	use, stall         float64 // CPUs; share of the time
	periods, throttled uint64
	silent             bool // no statistics
}

// latency sets the app's latency from the next tick on; 0: no traces.
func (l *timeline) latency(d time.Duration) {
	l.snap.Apps[0].Latency = Latency{Count: 50, Value: d, Window: time.Second}
	if d == 0 {
		l.snap.Apps[0].Latency = Latency{}
	}
}

// tick lets 100 ms pass, applies the plan and returns it.
func (l *timeline) tick(what map[string]did) Plan {
	l.now = l.now.Add(100 * ms)
	l.snap.Now = l.now
	for id, d := range what {
		if d.silent {
			continue
		}
		u := &l.at(id).Usage
		u.At = l.now
		u.UsageNS += uint64(d.use * 1e8)
		u.StallNS += uint64(d.stall * 1e8)
		u.Periods += d.periods
		u.ThrottledPeriods += d.throttled
	}
	plan, state := Decide(l.snap, l.state)
	l.state = state
	for _, c := range plan.Changes {
		l.at(c.ID).Current = l.at(c.ID).Current.With(c.After, c.Resource)
	}
	l.all = append(l.all, plan.Changes...)
	return plan
}

func (l *timeline) run(d time.Duration, what map[string]did) []Change {
	from := len(l.all)
	for end := l.now.Add(d); l.now.Before(end); {
		l.tick(what)
	}
	return l.all[from:]
}

// brief is "container resource before → after rule" of each change.
func brief(changes []Change) []string {
	out := []string{}
	for _, c := range changes {
		out = append(out, fmt.Sprintf("%s %s %s → %s %s", c.ID, c.Resource, c.Before.Text(c.Resource), c.After.Text(c.Resource), c.Rule))
	}
	return out
}
