package control

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/cpuset"
)

// world is a random host that does whatever it likes: the properties hold
// whatever containers, signals and failed writes do.
type world struct {
	snap  Snapshot
	state State
	stale map[string]bool
}

func drawSet(t *rapid.T, from cpuset.Set, label string) cpuset.Set {
	out := cpuset.Set{}
	for cpu := range from.All() {
		if rapid.Bool().Draw(t, label) {
			out = out.Union(cpuset.Of(cpu))
		}
	}
	return out
}

func drawWorld(t *rapid.T) *world {
	w := &world{stale: map[string]bool{}}
	n := rapid.IntRange(1, 8).Draw(t, "cpus")
	all := cpuset.Range(0, n-1)
	w.snap.Now = time.Unix(1_700_000_000, 0)
	w.snap.Pool = Pool{Online: all, CPUs: drawSet(t, cpuset.Range(0, n), "pool"), Reserved: drawSet(t, all, "reserved")}
	for i := range rapid.IntRange(0, 3).Draw(t, "apps") {
		w.snap.Apps = append(w.snap.Apps, App{Name: fmt.Sprintf("app%d", i), Class: lc, Objective: appspec.Objective{Percentile: 95, Target: 100 * ms, Scope: appspec.ScopeTrace}})
	}
	for i := range rapid.IntRange(1, 6).Draw(t, "containers") {
		original := limits(drawSet(t, all, "cpuset"), rapid.SampledFrom([]float64{0, 0, 0.05, 0.6, 1.5}).Draw(t, "quota"))
		if original.CPUs.IsEmpty() {
			original.CPUs = all
		}
		c := Container{
			ID: fmt.Sprintf("c%d", i), Name: fmt.Sprintf("c%d", i), App: fmt.Sprintf("app%d", rapid.IntRange(0, 3).Draw(t, "app")),
			Class:    rapid.SampledFrom([]appspec.Class{lc, lc, be, be, appspec.Unmanaged}).Draw(t, "class"),
			Original: original, Current: original,
		}
		c.Bounds.Max = rapid.SampledFrom([]float64{0, 0.5, 1, 2, 100}).Draw(t, "max")
		c.Bounds.Min = rapid.SampledFrom([]float64{0, 0.1, 0.5}).Draw(t, "min")
		c.Bounds.Min = min(c.Bounds.Min, max(c.Bounds.Max, original.Quota.CPUs()))
		w.snap.Containers = append(w.snap.Containers, c)
	}
	return w
}

// step lets some time pass, with or without signals, and decides.
func (w *world) step(t *rapid.T) Plan {
	pause := rapid.SampledFrom([]time.Duration{100 * ms, 100 * ms, 100 * ms, time.Second, 7 * time.Second, 40 * time.Second}).Draw(t, "pause")
	w.snap.Now = w.snap.Now.Add(pause)
	for i := range w.snap.Containers {
		c := &w.snap.Containers[i]
		w.stale[c.ID] = w.snap.Now.Sub(c.Usage.At) > freezeAfter
		if rapid.IntRange(0, 3).Draw(t, "silent") > 0 {
			c.Usage.At = w.snap.Now
			c.Usage.UsageNS += uint64(rapid.Float64Range(0, 2).Draw(t, "use") * float64(pause))
			c.Usage.StallNS += uint64(rapid.Float64Range(0, 2).Draw(t, "stall") * float64(pause))
			c.Usage.Periods += 2
			c.Usage.ThrottledPeriods += uint64(rapid.IntRange(0, 2).Draw(t, "throttled"))
			w.stale[c.ID] = false
		}
		c.Blocked = Resources(rapid.SampledFrom([]uint8{0, 0, 0, 1, 2, 4}).Draw(t, "blocked"))
	}
	for i := range w.snap.Apps {
		w.snap.Apps[i].Latency = Latency{}
		if rapid.Bool().Draw(t, "traces") {
			w.snap.Apps[i].Latency = Latency{Count: 30, Value: time.Duration(rapid.IntRange(1, 400).Draw(t, "latency")) * ms}
		}
	}
	plan, state := Decide(w.snap, w.state)
	w.state = state
	return plan
}

func TestSafetyProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		lendable := w.snap.Pool.Lendable()
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			plan := w.step(t)
			seen := map[string]Resources{}
			for _, c := range plan.Changes {
				i := int(c.ID[1] - '0')
				in := &w.snap.Containers[i]
				require.False(t, seen[c.ID].Has(c.Resource), "one change a lever and tick")
				seen[c.ID] = seen[c.ID].With(c.Resource)
				require.NotEqual(t, appspec.Unmanaged, in.Class, "unmanaged is never touched")
				require.False(t, in.Blocked.Has(c.Resource), "blocked levers are left alone")
				require.False(t, c.Before.Same(c.After, c.Resource), "nothing is written that is already there")
				require.NotEmpty(t, c.Reason)
				checkChange(t, w, in, c, lendable)
				if rapid.IntRange(0, 9).Draw(t, "write fails") > 0 {
					in.Current = in.Current.With(c.After, c.Resource)
				}
			}
		}
	})
}

func checkChange(t *rapid.T, w *world, in *Container, c Change, lendable cpuset.Set) {
	switch c.Resource {
	case CPUSet:
		require.False(t, c.After.CPUs.IsEmpty(), "a cpuset is never empty")
		require.True(t, c.After.CPUs.IsSubsetOf(lendable), "%s is not within the lendable %s", c.After.CPUs, lendable)
		require.True(t, in.Original.CPUs.IsSubsetOf(c.After.CPUs), "never less than what its user gave it")
	case QuotaLimit:
		if c.After.Quota.CPUs() == 0 {
			require.Zero(t, in.Original.Quota.CPUs(), "only a container without limit loses one")
			break
		}
		require.GreaterOrEqual(t, c.After.Quota.QuotaUS, int64(MinQuotaUS))
		if in.Class == lc {
			require.LessOrEqual(t, c.After.Quota.CPUs(), max(in.Bounds.Max, in.Original.Quota.CPUs())+1e-9)
			floor := in.Original.Quota.CPUs()
			if in.Bounds.Min > 0 {
				floor = min(floor, in.Bounds.Min)
			}
			require.GreaterOrEqual(t, c.After.Quota.CPUs(), floor-1e-9)
		} else if own := in.Original.Quota.CPUs(); own > 0 {
			require.LessOrEqual(t, c.After.Quota.CPUs(), own+1e-9)
		}
	case Weight:
		require.LessOrEqual(t, c.After.Shares, uint64(maxShares))
		require.GreaterOrEqual(t, c.After.Shares, uint64(BestEffortShares))
	}
	if in.Class == lc && w.stale[c.ID] && c.Resource != Weight {
		require.Equal(t, RuleStaleSafe, c.Rule, "without statistics only the original comes back")
		require.True(t, c.After.Same(in.Original, c.Resource))
	}
	if in.Class == be && w.anyCriticalStale() && c.Resource == CPUSet {
		require.True(t, c.After.CPUs.IsSubsetOf(c.Before.CPUs), "best effort does not grow without statistics")
	}
	if in.Class == be && w.anyCriticalStale() && c.Resource == QuotaLimit {
		before, after := c.Before.Quota.CPUs(), c.After.Quota.CPUs()
		require.True(t, before == 0 || after > 0 && after <= before, "best effort grew from %g to %g (%s) without statistics", before, after, c.Rule)
	}
}

func (w *world) anyCriticalStale() bool {
	for _, c := range w.snap.Containers {
		if c.Class == lc && w.stale[c.ID] {
			return true
		}
	}
	return false
}
