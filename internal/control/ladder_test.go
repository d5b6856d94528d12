package control

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/cpuset"
)

var (
	core0 = cpuset.Of(0)
	two   = cpuset.Range(0, 1)
)

const (
	lc = appspec.LatencyCritical
	be = appspec.BestEffort
)

func TestClassWeightsAreSetInTheTickThatSeesAContainer(t *testing.T) {
	l := newTimeline(t, core0)
	l.add("be", be, "batch", limits(core0, 0), appspec.CPUBounds{})
	l.add("lc", lc, "shop", limits(core0, 0), appspec.CPUBounds{Weight: 200})
	assert.Equal(t, []string{"be weight 1024 → 2 class_weight", "lc weight 1024 → 2048 class_weight"}, brief(l.tick(nil).Changes))
	assert.Empty(t, l.tick(nil).Changes, "once is enough")

	l.add("new", be, "batch", limits(core0, 0), appspec.CPUBounds{})
	assert.Equal(t, []string{"new weight 1024 → 2 class_weight"}, brief(l.tick(nil).Changes))
}

func TestAHigherWeightOfTheUserStaysUnlessOneIsDeclared(t *testing.T) {
	l := newTimeline(t, core0)
	high := limits(core0, 0)
	high.Shares = 4096
	l.add("a", lc, "shop", high, appspec.CPUBounds{})
	l.add("b", lc, "shop", high, appspec.CPUBounds{Weight: 50})
	assert.Equal(t, []string{"b weight 4096 → 512 class_weight"}, brief(l.tick(nil).Changes))
}

func TestUnmanagedContainersAreNeverTouched(t *testing.T) {
	l := newTimeline(t, two)
	l.add("x", appspec.Unmanaged, "shop", limits(core0, 0.5), appspec.CPUBounds{Max: 2})
	l.latency(time.Second)
	assert.Empty(t, l.run(10*time.Second, map[string]did{"x": {use: 0.5, stall: 0.9, periods: 1, throttled: 1}}))
}

func TestBlockedLeversAreNotPlanned(t *testing.T) {
	l := newTimeline(t, core0)
	l.add("be", be, "batch", limits(core0, 0), appspec.CPUBounds{})
	l.at("be").Blocked = Resources(0).With(Weight)
	assert.Empty(t, l.tick(nil).Changes)
}

func spread(t *testing.T, bounds appspec.CPUBounds) *timeline {
	l := newTimeline(t, two)
	l.add("be", be, "batch", limits(core0, 0), appspec.CPUBounds{})
	l.add("lc", lc, "shop", limits(core0, 0), bounds)
	l.tick(map[string]did{"be": {}, "lc": {}})
	return l
}

func TestAStarvedContainerIsWidenedBeforeLatencyShowsIt(t *testing.T) {
	l := spread(t, appspec.CPUBounds{Max: 2})
	got := l.tick(map[string]did{"lc": {use: 0.96, stall: 0.8}, "be": {use: 0.03}}).Changes
	assert.Equal(t, []string{"lc cpuset 0 → 0-1 starved", "be cpuset 0 → 0-1 follow"}, brief(got))
	assert.Contains(t, got[0].Reason, "needs 0.96 of 1 CPUs (peak of 1s), stall 0.80, no latency yet; pool has 2, bound 2")
}

func TestSaturationWithoutStallWidensAfterTwoSamples(t *testing.T) {
	l := spread(t, appspec.CPUBounds{Max: 2})
	busyNow := map[string]did{"lc": {use: 0.99}, "be": {use: 0.01}}
	assert.Empty(t, l.tick(busyNow).Changes)
	assert.Equal(t, []string{"lc cpuset 0 → 0-1 saturated", "be cpuset 0 → 0-1 follow"}, brief(l.tick(busyNow).Changes))
}

func TestWithoutDeclaredMaxTheOriginalCpusetIsTheBound(t *testing.T) {
	l := spread(t, appspec.CPUBounds{})
	assert.Empty(t, l.run(5*time.Second, map[string]did{"lc": {use: 1, stall: 0.9}, "be": {use: 0.01}}))
}

func TestReservedCPUsAreNotLent(t *testing.T) {
	l := spread(t, appspec.CPUBounds{Max: 2})
	l.snap.Pool.Reserved = cpuset.Of(1)
	assert.Empty(t, l.run(5*time.Second, map[string]did{"lc": {use: 1, stall: 0.9}, "be": {use: 0.01}}))
}

func TestBestEffortDoesNotFollowWithoutItsLowWeight(t *testing.T) {
	l := spread(t, appspec.CPUBounds{Max: 2})
	l.at("be").Current.Shares = DefaultShares
	l.at("be").Blocked = Resources(0).With(Weight)
	got := l.tick(map[string]did{"lc": {use: 0.96, stall: 0.8}, "be": {use: 0.03}}).Changes
	assert.Equal(t, []string{"lc cpuset 0 → 0-1 starved"}, brief(got))
}

func TestAWidenedCpusetGoesBackWhenTheOriginalSufficesForLong(t *testing.T) {
	l := spread(t, appspec.CPUBounds{Max: 2})
	l.tick(map[string]did{"lc": {use: 0.96, stall: 0.8}, "be": {use: 0.03}})
	l.latency(20 * ms)
	got := l.run(40*time.Second, map[string]did{"lc": {use: 0.3}, "be": {use: 1.6}})
	assert.Equal(t, []string{"lc cpuset 0-1 → 0 shrink", "be cpuset 0-1 → 0 follow_back"}, brief(got))

	// Had it been needed, it comes back and stays for long.
	l.tick(map[string]did{"lc": {use: 0.96, stall: 0.8}, "be": {use: 0.03}})
	assert.Empty(t, l.run(5*time.Minute, map[string]did{"lc": {use: 0.3}, "be": {use: 1.6}}), "locked out")
}

func TestAWideningThatDidNotHelpIsUndone(t *testing.T) {
	l := spread(t, appspec.CPUBounds{Max: 2})
	l.latency(500 * ms)
	got := l.run(20*time.Second, map[string]did{"lc": {use: 0.92, stall: 0.5}, "be": {use: 0.05}})
	require.GreaterOrEqual(t, len(got), 3)
	assert.Equal(t, []string{"lc cpuset 0 → 0-1 starved", "be cpuset 0 → 0-1 follow", "lc cpuset 0-1 → 0 no_help", "be cpuset 0-1 → 0 follow_back"}, brief(got)[:4])
	for _, c := range got[4:] {
		assert.NotEqual(t, CPUSet, c.Resource, "locked out: %v", brief(got))
	}
}

func TestAThrottledContainerIsRaisedAtOnceWithinItsBound(t *testing.T) {
	l := newTimeline(t, two)
	l.add("lc", lc, "shop", limits(core0, 0.6), appspec.CPUBounds{Max: 1})
	held := map[string]did{"lc": {use: 0.6, stall: 0.2, periods: 1, throttled: 1}}
	l.tick(held)
	got := l.run(300*ms, held)
	assert.Equal(t, []string{"lc quota 0.6 → 1 throttled"}, brief(got))
	assert.Empty(t, l.run(time.Second, held), "the bound is reached")
}

func TestQuotaGrowsInStepsTowardsAFarBound(t *testing.T) {
	l := newTimeline(t, cpuset.Range(0, 7))
	l.add("lc", lc, "shop", limits(cpuset.Range(0, 7), 1), appspec.CPUBounds{Max: 8})
	got := l.run(1500*ms, map[string]did{"lc": {use: 1, stall: 0.2, periods: 1, throttled: 1}})
	require.GreaterOrEqual(t, len(got), 4)
	assert.Equal(t, []string{"lc quota 1 → 1.5 throttled", "lc quota 1.5 → 2.25 throttled", "lc quota 2.25 → 3.38 throttled", "lc quota 3.38 → 5.07 throttled"}, brief(got)[:4])
}

func TestWithoutDeclaredMaxTheOriginalQuotaIsTheBound(t *testing.T) {
	l := newTimeline(t, two)
	l.add("lc", lc, "shop", limits(core0, 0.6), appspec.CPUBounds{})
	l.latency(time.Second)
	assert.Empty(t, l.run(10*time.Second, map[string]did{"lc": {use: 0.6, stall: 0.2, periods: 1, throttled: 1}}))
}

func TestQuotaComesDownSlowlyAndNeverBelowTheMargin(t *testing.T) {
	l := newTimeline(t, two)
	l.add("lc", lc, "shop", limits(core0, 1), appspec.CPUBounds{Min: 0.2, Max: 1})
	l.latency(20 * ms)
	calm := map[string]did{"lc": {use: 0.5, periods: 1}}
	got := l.run(5*time.Minute, calm)
	require.NotEmpty(t, got)
	for _, c := range got {
		assert.Equal(t, RuleSlackHigh, c.Rule)
		assert.GreaterOrEqual(t, c.After.Quota.CPUs(), 0.5*growthMargin-0.01)
		assert.GreaterOrEqual(t, c.After.Quota.CPUs(), c.Before.Quota.CPUs()*lowerStep-0.01)
	}
	assert.LessOrEqual(t, len(got), 10)
	assert.InDelta(t, 0.65, l.at("lc").Current.Quota.CPUs(), 0.05)
}

func TestALoweringThatHurtIsUndoneAndLockedOut(t *testing.T) {
	l := newTimeline(t, two)
	l.add("lc", lc, "shop", limits(core0, 1), appspec.CPUBounds{Min: 0.2, Max: 1})
	l.latency(20 * ms)
	for len(l.all) == 0 {
		l.tick(map[string]did{"lc": {use: 0.5, periods: 1}})
	}
	got := l.run(300*ms, map[string]did{"lc": {use: 0.9, periods: 1, throttled: 1}})
	assert.Equal(t, []string{"lc quota 0.9 → 1 lowering_hurt"}, brief(got))
	assert.Empty(t, l.run(9*time.Minute, map[string]did{"lc": {use: 0.5, periods: 1}}), "locked out")
}

func TestOnlyActsWhenCPUIsTheCause(t *testing.T) {
	l := spread(t, appspec.CPUBounds{Max: 2})
	l.latency(time.Second)
	assert.Empty(t, l.run(20*time.Second, map[string]did{"lc": {use: 0.2}, "be": {use: 0.8}}))
	plan := l.tick(map[string]did{"lc": {use: 0.2}, "be": {use: 0.8}})
	require.Len(t, plan.Apps, 1)
	assert.Equal(t, StateNotCPUBound, plan.Apps[0].State)
	assert.InDelta(t, -9, plan.Apps[0].Slack, 0.01)
	assert.InDelta(t, 20, plan.Apps[0].ViolationSeconds, 1.5)
}

func TestAppStates(t *testing.T) {
	for name, c := range map[string]struct {
		latency time.Duration
		does    did
		wait    time.Duration
		want    AppState
	}{
		"ok":            {latency: 50 * ms, does: did{use: 0.5}, want: StateOK},
		"violating":     {latency: 150 * ms, does: did{use: 0.5, stall: 0.2}, want: StateViolating},
		"not cpu bound": {latency: 150 * ms, does: did{use: 0.5}, want: StateNotCPUBound},
		"no signal":     {does: did{use: 0.5}, want: StateNoSignal},
		"idle":          {does: did{use: 0.01}, want: StateIdle},
		"stale":         {latency: 50 * ms, does: did{silent: true}, want: StateStale},
	} {
		t.Run(name, func(t *testing.T) {
			l := newTimeline(t, core0)
			l.add("lc", lc, "shop", limits(core0, 0), appspec.CPUBounds{})
			l.latency(c.latency)
			l.run(2*time.Second, map[string]did{"lc": c.does})
			assert.Equal(t, c.want, l.tick(map[string]did{"lc": c.does}).Apps[0].State)
		})
	}
}

func TestDecideChangesNeitherArgument(t *testing.T) {
	l := spread(t, appspec.CPUBounds{Max: 2})
	l.latency(500 * ms)
	hot := map[string]did{"lc": {use: 0.96, stall: 0.8}, "be": {use: 0.5}}
	l.run(3*time.Second, hot)
	l.snap.Now = l.now.Add(100 * ms)
	first, next := Decide(l.snap, l.state)
	again, nextAgain := Decide(l.snap, l.state)
	assert.Equal(t, first, again)
	assert.Equal(t, next, nextAgain)
}
