package actuate

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/internal/control"
	"github.com/governor-project/governor/internal/cpuset"
)

func TestOriginalsAreDurableBeforeTheFirstWrite(t *testing.T) {
	b := newBench(t, true)
	b.host.add(7, "/a", someLimits())
	out := b.apply(b.change("a", 7, control.Weight, lowWeight))
	require.Len(t, out, 1)
	assert.Equal(t, Written, out[0].Result)
	assert.Equal(t, []string{"journal original/a/70", "journal originals", "/a shares 2"}, b.host.log)
	assert.JSONEq(t, `{"id":"a","name":"a","pid":7,"start":70,"cgroup":"/a","shares":1024}`, string(b.kv.data["original/a/70"]))

	b.host.log = nil
	b.apply(b.change("a", 7, control.Weight, control.Limits{Shares: 4}))
	assert.Equal(t, []string{"/a shares 4"}, b.host.log, "its original is known")
	b.host.log = nil
	b.apply(b.change("a", 7, control.CPUSet, bothCPUs))
	assert.Equal(t, []string{"journal original/a/70", "/a cpus 0-1"}, b.host.log, "another lever is another original")
	assert.JSONEq(t, `{"id":"a","name":"a","pid":7,"start":70,"cgroup":"/a","shares":1024,"cpus":"0"}`, string(b.kv.data["original/a/70"]))
}

func TestNothingIsWrittenWithoutAJournalEntry(t *testing.T) {
	b := newBench(t, true)
	g := b.host.add(7, "/a", someLimits())
	c := b.change("a", 7, control.Weight, lowWeight)
	b.kv.fails = errors.New("disk full")
	out := b.apply(c)
	assert.Equal(t, Failed, out[0].Result)
	assert.ErrorContains(t, out[0].Err, "nothing is written without a journal entry: journal: original/a/70: disk full")
	assert.EqualValues(t, 1024, g.limits.Shares)
	assert.True(t, b.ensure("a", 7).Blocked.Has(control.Weight))

	b.kv.fails = nil
	b.pass(2 * time.Second)
	assert.Equal(t, Written, b.apply(b.change("a", 7, control.Weight, lowWeight))[0].Result)
}

func TestWidensFirstNarrowsSecond(t *testing.T) {
	b := newBench(t, true)
	wide := someLimits()
	wide.CPUs, wide.Quota.QuotaUS = cpuset.Range(0, 1), 20_000
	b.host.add(7, "/a", wide)
	b.host.add(8, "/b", someLimits())
	changes := []control.Change{
		b.change("a", 7, control.CPUSet, control.Limits{CPUs: cpuset.Of(1)}),
		b.change("b", 8, control.QuotaLimit, halfCPU),
		b.change("b", 8, control.CPUSet, bothCPUs),
		b.change("a", 7, control.QuotaLimit, halfCPU),
		b.change("b", 8, control.Weight, lowWeight),
	}
	b.host.log = nil
	b.apply(changes...)
	var writes []string
	for _, line := range b.host.log {
		if line[0] == '/' {
			writes = append(writes, line)
		}
	}
	assert.Equal(t, []string{"/b shares 2", "/b cpus 0-1", "/a quota 50000/100000", "/a cpus 1", "/b quota 50000/100000"}, writes)
}

func TestEveryWriteIsReadBack(t *testing.T) {
	b := newBench(t, true)
	b.host.add(7, "/a", someLimits()).ignores = true
	out := b.apply(b.change("a", 7, control.CPUSet, bothCPUs))
	assert.Equal(t, Failed, out[0].Result)
	assert.EqualError(t, out[0].Err, "cpuset of a: wrote 0-1, the kernel has 0")
	assert.Equal(t, "0", b.ensure("a", 7).Current.CPUs.String(), "the last known value stays")
}

func TestAFailingWriteBacksOffAndNeverLoops(t *testing.T) {
	b := newBench(t, true)
	g := b.host.add(7, "/a", someLimits())
	g.fails["shares"] = errors.New("device or resource busy")
	writes := 0
	for range 6000 { // ten minutes of ticks
		v := b.ensure("a", 7)
		if !v.Blocked.Has(control.Weight) {
			b.host.log = nil
			out := b.apply(b.change("a", 7, control.Weight, lowWeight))
			require.Equal(t, Failed, out[0].Result)
			writes++
		}
		b.pass(100 * time.Millisecond)
	}
	assert.LessOrEqual(t, writes, 16)
	delete(g.fails, "shares")
	b.pass(time.Minute)
	assert.Equal(t, Written, b.apply(b.change("a", 7, control.Weight, lowWeight))[0].Result)
	assert.Zero(t, b.ensure("a", 7).Blocked)
}

func TestLackOfPermissionEndsEnforcing(t *testing.T) {
	for _, denial := range []error{fs.ErrPermission, syscall.EACCES, syscall.EROFS} {
		b := newBench(t, true)
		b.host.add(7, "/a", someLimits()).fails["shares"] = fmt.Errorf("write cpu.shares: %w", denial)
		g := b.host.add(8, "/b", someLimits())
		require.True(t, b.a.Enforcing())
		b.apply(b.change("a", 7, control.Weight, lowWeight))
		assert.False(t, b.a.Enforcing())
		assert.ErrorIs(t, b.a.Denied(), denial)
		out := b.apply(b.change("b", 8, control.Weight, lowWeight))
		assert.Equal(t, Observed, out[0].Result)
		assert.EqualValues(t, 1024, g.limits.Shares)
	}
}

func TestObservingAssumesItsPlansAndWritesNothing(t *testing.T) {
	b := newBench(t, false)
	g := b.host.add(7, "/a", someLimits())
	out := b.apply(b.change("a", 7, control.Weight, lowWeight))
	assert.Equal(t, Observed, out[0].Result)
	assert.EqualValues(t, 2, b.ensure("a", 7).Current.Shares, "so that the same plan is not made again")
	assert.EqualValues(t, 1024, g.limits.Shares)
	assert.Empty(t, b.host.log)
}

func TestAContainerThatEndedMeanwhile(t *testing.T) {
	b := newBench(t, true)
	g := b.host.add(7, "/a", someLimits())
	c := b.change("a", 7, control.Weight, lowWeight)
	g.gone = true
	assert.Equal(t, Gone, b.apply(c)[0].Result)
	assert.Equal(t, Gone, b.apply(control.Change{ID: "never seen"})[0].Result)
	require.NoError(t, b.a.Release(t.Context(), b.now, "a"))
	assert.Equal(t, map[string][]byte{"originals": []byte("[]")}, b.stored())
}

func TestMissingControllersAreBlocked(t *testing.T) {
	b := newBench(t, true)
	b.host.add(7, "/a", cgroup.Limits{Quota: cgroup.Quota{QuotaUS: -1, PeriodUS: 100_000}})
	v := b.ensure("a", 7)
	for _, r := range resources {
		assert.True(t, v.Blocked.Has(r), r)
	}
}

func TestInheritedCPUsOfV2AreInheritedAgain(t *testing.T) {
	b := newBench(t, true)
	l := someLimits()
	l.CPUs, l.EffectiveCPUs = cpuset.Set{}, cpuset.Range(0, 3)
	g := b.host.add(7, "/a", l)
	g.version = cgroup.V2
	assert.Equal(t, "0-3", b.ensure("a", 7).Original.CPUs.String())
	b.apply(b.change("a", 7, control.CPUSet, bothCPUs))
	require.Equal(t, "0-1", g.limits.CPUs.String())
	require.NoError(t, b.a.RestoreAll(t.Context(), b.now))
	assert.True(t, g.limits.CPUs.IsEmpty())
}

func TestCoarseWeightsOfV2AreTheSameWeight(t *testing.T) {
	b := newBench(t, true)
	g := b.host.add(7, "/a", someLimits())
	g.version = cgroup.V2
	out := b.apply(b.change("a", 7, control.Weight, control.Limits{Shares: 2000}))
	require.Equal(t, Written, out[0].Result)
	g.limits.Shares = cgroup.SharesOfWeight(cgroup.WeightOfShares(2000))
	b.pass(10 * time.Second)
	b.a.CheckDrift(b.now)
	assert.Empty(t, b.reports)
}
