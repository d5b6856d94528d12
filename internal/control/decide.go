package control

import (
	"slices"
	"strings"
	"time"

	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/cpuset"
)

// tick is the working set of one Decide: the snapshot, copies of the states
// aligned with it, and the plan as it grows.
type tick struct {
	snap       *Snapshot
	now        time.Time
	lendable   cpuset.Set
	capacity   float64
	containers []containerState // aligned with snap.Containers
	apps       []appState       // aligned with snap.Apps
	appOf      []int            // of a container: index of its app, or -1
	after      []Limits         // of a container: its limits after the plan so far
	loads      []load           // of an app: what its containers do together
	suppress   suppression
	cpuLoad    map[int]float64 // see loadByCPU
	need       float64         // see criticalNeed
	needKnown  bool
	outer      bool          // the latency is judged in this tick
	outerSpan  time.Duration // time since the last judgement
	plan       Plan
}

// Decide climbs the ladder once. It is pure: the same arguments give the same
// plan, and neither argument is changed.
func Decide(snap Snapshot, old State) (Plan, State) {
	t := newTick(&snap, &old)
	t.judgeApps()
	t.weights()
	t.safeValues()
	t.cpusets()
	t.quotas()
	t.suppression()
	t.describeApps()

	next := State{
		containers: t.containers, apps: t.apps, outerAt: old.outerAt, suppress: t.suppress,
		pool: snap.Pool, lendable: t.lendable, capacity: t.capacity,
	}
	if t.outer {
		next.outerAt = snap.Now
	}
	return t.plan, next
}

func newTick(snap *Snapshot, old *State) *tick {
	t := &tick{
		snap: snap, now: snap.Now, suppress: old.suppress,
		lendable: old.lendable, capacity: old.capacity,
		containers: carryContainers(old.containers, snap.Containers, snap.Now),
		apps:       carryApps(old.apps, snap.Apps),
		appOf:      make([]int, len(snap.Containers)),
		after:      make([]Limits, len(snap.Containers)),
		loads:      make([]load, len(snap.Apps)),
	}
	if old.pool != snap.Pool {
		t.lendable = snap.Pool.Lendable()
		t.capacity = float64(t.lendable.Len())
	}
	for i := range snap.Containers {
		t.after[i] = snap.Containers[i].Current
		t.appOf[i] = findApp(snap.Apps, snap.Containers[i].App)
		if t.appOf[i] >= 0 {
			t.loads[t.appOf[i]].add(&snap.Containers[i], &t.containers[i], snap.Now)
		}
		if t.containers[i].stale(t.now) {
			t.plan.Stale++
		}
	}
	outer := snap.Outer
	if outer <= 0 {
		outer = outerInterval
	}
	t.outerSpan = snap.Now.Sub(old.outerAt)
	if old.outerAt.IsZero() || t.outerSpan < 0 || t.outerSpan > 2*outer+safeAfter {
		t.outerSpan = outer
	}
	// Half an inner tick of tolerance: ticks never arrive exactly on the second.
	t.outer = old.outerAt.IsZero() || snap.Now.Before(old.outerAt) || snap.Now.Sub(old.outerAt) >= outer-needTick/2
	return t
}

func findApp(apps []App, name string) int {
	if name == "" {
		return -1
	}
	i, ok := slices.BinarySearchFunc(apps, name, func(a App, name string) int { return strings.Compare(a.Name, name) })
	if !ok {
		return -1
	}
	return i
}

func (t *tick) critical(i int) bool   { return t.snap.Containers[i].Class == appspec.LatencyCritical }
func (t *tick) bestEffort(i int) bool { return t.snap.Containers[i].Class == appspec.BestEffort }

// app is the state of the container's app, or nil.
func (t *tick) app(i int) *appState {
	if t.appOf[i] < 0 {
		return nil
	}
	return &t.apps[t.appOf[i]]
}

// over reports whether the container's app is over its target because of CPU.
func (t *tick) over(i int) bool {
	a := t.app(i)
	return a != nil && a.state == StateViolating
}

// change adds one change to the plan, unless nothing would change or the lever is blocked.
func (t *tick) change(i int, r Resource, to Limits, rule Rule, reason func() string) bool {
	c := &t.snap.Containers[i]
	after := c.Current.With(to, r)
	if c.Blocked.Has(r) || c.Current.Same(after, r) {
		return false
	}
	t.after[i] = t.after[i].With(to, r)
	t.plan.Changes = append(t.plan.Changes, Change{
		ID: c.ID, Name: c.Name, App: c.App, Class: c.Class, Resource: r,
		Before: c.Current, After: after, Rule: rule, Reason: reason(),
	})
	return true
}
