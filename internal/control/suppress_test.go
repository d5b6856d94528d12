package control

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/governor-project/governor/internal/appspec"
)

func suppressible(t *testing.T) *timeline {
	l := newTimeline(t, core0)
	l.add("be", be, "batch", limits(core0, 0), appspec.CPUBounds{})
	l.add("lc", lc, "shop", limits(core0, 0), appspec.CPUBounds{})
	l.latency(20 * ms)
	l.run(time.Second, map[string]did{"be": {use: 0.4}, "lc": {use: 0.5}})
	l.all = nil
	return l
}

var fight = map[string]did{"be": {use: 0.4}, "lc": {use: 0.5, stall: 0.6}}

func TestQuotaIsTheLastResort(t *testing.T) {
	l := suppressible(t)
	l.latency(300 * ms)
	assert.Empty(t, l.run(4500*ms, fight), "the rungs below have time to help")
	got := l.run(time.Second, fight)
	require.NotEmpty(t, got)
	assert.Equal(t, QuotaLimit, got[0].Resource)
	assert.Equal(t, "be", got[0].ID)
	assert.Equal(t, RuleSuppress, got[0].Rule)
	assert.LessOrEqual(t, got[0].After.Quota.CPUs(), 0.2)
}

func TestSuppressionThatDoesNotHelpIsUndoneAndLockedOut(t *testing.T) {
	l := suppressible(t)
	l.latency(300 * ms)
	got := l.run(15*time.Second, fight)
	require.NotEmpty(t, got)
	assert.Equal(t, RuleSuppressLift, got[len(got)-1].Rule)
	assert.Zero(t, l.at("be").Current.Quota.CPUs())
	assert.Empty(t, l.run(40*time.Second, fight), "locked out")
}

func TestSuppressionIsLiftedWhenItIsNotNeeded(t *testing.T) {
	l := suppressible(t)
	l.latency(300 * ms)
	l.run(6*time.Second, fight)
	require.Positive(t, l.at("be").Current.Quota.CPUs())
	l.latency(30 * ms)
	l.run(15*time.Second, map[string]did{"be": {use: 0.1}, "lc": {use: 0.4}})
	assert.Zero(t, l.at("be").Current.Quota.CPUs())
	assert.Equal(t, RuleSuppressLift, l.all[len(l.all)-1].Rule)
}

func TestQuotaStandsInForAWeightThatCannotBeWritten(t *testing.T) {
	l := newTimeline(t, core0)
	l.add("be", be, "batch", limits(core0, 0), appspec.CPUBounds{})
	l.add("lc", lc, "shop", limits(core0, 0), appspec.CPUBounds{})
	l.at("be").Blocked = Resources(0).With(Weight)
	l.tick(map[string]did{"be": {}, "lc": {}})
	got := l.tick(map[string]did{"be": {use: 0.5}, "lc": {use: 0.5, stall: 0.5}}).Changes
	require.Len(t, got, 1, "at once")
	assert.Equal(t, RuleSuppress, got[0].Rule)
	assert.LessOrEqual(t, got[0].After.Quota.CPUs(), 0.25)

	l.latency(20 * ms)
	grown := l.run(10*time.Second, map[string]did{"be": {use: 0.2}, "lc": {use: 0.3}})
	require.NotEmpty(t, grown)
	assert.Equal(t, RuleSuppressGrow, grown[0].Rule)
	assert.InDelta(t, 1-0.3-headStart, l.at("be").Current.Quota.CPUs(), 0.11)
	assert.LessOrEqual(t, len(grown), 12, "grows in steps, not every tick")
}

func TestAQuotaThatACrashLeftIsLifted(t *testing.T) {
	l := newTimeline(t, core0)
	l.add("be", be, "batch", limits(core0, 0), appspec.CPUBounds{})
	l.at("be").Current.Quota = Quota{QuotaUS: 2000, PeriodUS: DefaultPeriodUS}
	l.add("lc", lc, "shop", limits(core0, 0), appspec.CPUBounds{})
	l.run(200*ms, map[string]did{"be": {}, "lc": {}})
	assert.Zero(t, l.at("be").Current.Quota.CPUs())
}

func TestStaleStatisticsFreezeThenSafeValues(t *testing.T) {
	l := newTimeline(t, two)
	l.add("be", be, "batch", limits(core0, 0), appspec.CPUBounds{})
	l.add("lc", lc, "shop", limits(core0, 0.6), appspec.CPUBounds{Max: 2})
	held := map[string]did{"be": {use: 0.1}, "lc": {use: 0.58, stall: 0.5, periods: 1, throttled: 1}}
	l.run(time.Second, held)
	require.Greater(t, l.at("lc").Current.Quota.CPUs(), 0.6)
	l.all = nil
	assert.Empty(t, l.run(5*time.Second, nil))
	got := l.run(5*time.Second, nil)
	require.Len(t, got, 1)
	assert.Equal(t, RuleStaleSafe, got[0].Rule)
	assert.Equal(t, 0.6, got[0].After.Quota.CPUs())
}

func TestStatisticsThatNeverComeAreStaleToo(t *testing.T) {
	l := newTimeline(t, two)
	l.add("be", be, "batch", limits(core0, 0), appspec.CPUBounds{})
	l.add("lc", lc, "shop", limits(core0, 0), appspec.CPUBounds{Max: 2})
	l.at("lc").Current.CPUs, l.at("be").Current.CPUs = two, two // taken over after a crash
	l.tick(nil)
	l.all = nil
	assert.Empty(t, l.run(5*time.Second, nil))
	assert.Equal(t, []string{"lc cpuset 0-1 → 0 stale_safe", "be cpuset 0-1 → 0 follow_back"}, brief(l.run(time.Second, nil)))
}
