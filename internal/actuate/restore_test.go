package actuate

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/internal/control"
	"github.com/governor-project/governor/internal/cpuset"
)

// moveAll moves every lever of container a.
func (b *bench) moveAll() {
	b.apply(b.change("a", 7, control.Weight, lowWeight), b.change("a", 7, control.CPUSet, bothCPUs), b.change("a", 7, control.QuotaLimit, halfCPU))
}

func TestRestoreAllPutsEverythingBack(t *testing.T) {
	b := newBench(t, true)
	g := b.host.add(7, "/a", someLimits())
	b.moveAll()
	require.NotEqual(t, someLimits(), g.limits)
	require.NoError(t, b.a.RestoreAll(t.Context(), b.now))
	assert.Equal(t, someLimits(), g.limits)
	assert.Equal(t, map[string][]byte{"originals": []byte("[]")}, b.stored())
	assert.Len(t, b.reports, 3)
}

func TestWhatWasNeverTouchedIsNotRestored(t *testing.T) {
	b := newBench(t, true)
	g := b.host.add(7, "/a", someLimits())
	b.apply(b.change("a", 7, control.Weight, lowWeight))
	g.limits.Quota.QuotaUS = 70_000 // its user's doing
	b.pass(6 * time.Second)
	b.a.CheckDrift(b.now)
	assert.Equal(t, 0.7, b.ensure("a", 7).Original.Quota.CPUs(), "is its original now")
	require.NoError(t, b.a.RestoreAll(t.Context(), b.now))
	assert.EqualValues(t, 70_000, g.limits.Quota.QuotaUS)
	assert.EqualValues(t, 1024, g.limits.Shares)
}

func TestAFailedRestoreStaysInTheJournal(t *testing.T) {
	b := newBench(t, true)
	g := b.host.add(7, "/a", someLimits())
	b.moveAll()
	g.fails["cpus"] = errors.New("device or resource busy")
	require.ErrorContains(t, b.a.RestoreAll(t.Context(), b.now), "restoring cpuset of a to 0: device or resource busy")
	require.Contains(t, b.stored(), "original/a/70")
	delete(g.fails, "cpus")
	b.start(false)
	assert.Equal(t, someLimits(), g.limits)
}

func TestRestoreStopsWithItsContext(t *testing.T) {
	b := newBench(t, true)
	b.host.add(7, "/a", someLimits())
	b.moveAll()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorContains(t, b.a.RestoreAll(ctx, b.now), "1 containers keep their limits until the next start")
	assert.Contains(t, b.stored(), "original/a/70")
}

func TestAfterACrash(t *testing.T) {
	for name, c := range map[string]struct {
		enforce bool
		between func(*bench)
		restore bool // its limits are restored by the start
		entry   bool // its entry is still in the journal after the start
	}{
		"observing restores":                   {restore: true},
		"enforcing takes over":                 {enforce: true, entry: true},
		"a container that ended":               {between: func(b *bench) { delete(b.host.starts, 7); delete(b.host.groups, 7) }},
		"another process with the same number": {between: func(b *bench) { b.host.starts[7] = 99999 }},
		"the process is in another cgroup":     {between: func(b *bench) { b.host.groups[7].path = "/other" }},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, true)
			g := b.host.add(7, "/a", someLimits())
			b.moveAll()
			moved := g.limits
			if c.between != nil {
				c.between(b)
			}
			b.start(c.enforce)
			if c.restore {
				assert.Equal(t, someLimits(), g.limits)
			} else {
				assert.Equal(t, moved, g.limits)
			}
			_, entry := b.stored()["original/a/70"]
			assert.Equal(t, c.entry, entry)
		})
	}
}

func TestTakingOverKeepsTheTrueOriginals(t *testing.T) {
	b := newBench(t, true)
	g := b.host.add(7, "/a", someLimits())
	b.moveAll()
	b.start(true)
	v := b.ensure("a", 7)
	assert.EqualValues(t, 2, v.Current.Shares)
	assert.EqualValues(t, 1024, v.Original.Shares)
	assert.Equal(t, "0", v.Original.CPUs.String())
	assert.Equal(t, 1, b.a.Touched())
	require.NoError(t, b.a.RestoreAdoptees(t.Context(), b.now))
	assert.EqualValues(t, 2, g.limits.Shares, "it has been taken over")
	require.NoError(t, b.a.RestoreAll(t.Context(), b.now))
	assert.Equal(t, someLimits(), g.limits)
}

func TestWhatIsNotTakenOverIsRestored(t *testing.T) {
	b := newBench(t, true)
	g := b.host.add(7, "/a", someLimits())
	b.moveAll()
	b.start(true)
	require.NoError(t, b.a.RestoreAdoptees(t.Context(), b.now))
	assert.Equal(t, someLimits(), g.limits)
	assert.Equal(t, map[string][]byte{"originals": []byte("[]")}, b.stored())
}

func TestARestartedContainerIsAnotherOne(t *testing.T) {
	b := newBench(t, true)
	b.host.add(7, "/a", someLimits())
	b.moveAll()
	fresh := someLimits()
	fresh.Shares = 512
	delete(b.host.groups, 7)
	delete(b.host.starts, 7)
	b.host.add(9, "/a", fresh)
	v := b.ensure("a", 9)
	assert.EqualValues(t, 512, v.Original.Shares)
	assert.Equal(t, map[string][]byte{"originals": []byte("[]")}, b.stored())

	// The same between two runs: the new process was not in the journal.
	b.apply(b.change("a", 9, control.Weight, lowWeight))
	b.start(true)
	delete(b.host.groups, 9)
	delete(b.host.starts, 9)
	b.host.add(11, "/a", fresh)
	assert.EqualValues(t, 512, b.ensure("a", 11).Original.Shares)
	assert.Equal(t, map[string][]byte{"originals": []byte("[]")}, b.stored())
}

func TestAReleasedContainersNextLifeIsLeftAlone(t *testing.T) {
	b := newBench(t, true)
	b.host.add(7, "/a", someLimits())
	b.moveAll()
	delete(b.host.starts, 7)
	b.host.log = nil
	next := b.host.groups[7] // the path is the same, the group is another one
	next.limits.Shares = 77
	require.NoError(t, b.a.Release(t.Context(), b.now, "a"))
	assert.EqualValues(t, 77, next.limits.Shares)
	assert.Equal(t, map[string][]byte{"originals": []byte("[]")}, b.stored())
}

func TestDriftIsReassertedAndAfterThreeTimesGivenUp(t *testing.T) {
	b := newBench(t, true)
	g := b.host.add(7, "/a", someLimits())
	b.apply(b.change("a", 7, control.Weight, lowWeight))
	for i := range 3 {
		g.limits.Shares = 500
		b.pass(4 * time.Second)
		b.a.CheckDrift(b.now)
		b.pass(2 * time.Second)
		b.a.CheckDrift(b.now)
		require.Len(t, b.reports, i+1, "every five seconds")
		assert.Equal(t, control.RuleDriftReassert, b.reports[i].Rule)
		assert.EqualValues(t, 500, b.reports[i].Before.Shares)
	}
	assert.Equal(t, []Result{Written, Written, GivenUp}, []Result{b.reports[0].Result, b.reports[1].Result, b.reports[2].Result})
	assert.EqualError(t, b.reports[2].Err, "weight of a was changed from outside 3 times in 1m0s: Governor only observes this container now")
	v := b.ensure("a", 7)
	assert.True(t, v.ObserveOnly)
	assert.True(t, v.Blocked.Has(control.CPUSet))
	assert.EqualValues(t, 500, g.limits.Shares)
	assert.Equal(t, GivenUp, b.apply(b.change("a", 7, control.Weight, lowWeight))[0].Result)
}

func TestSeldomDriftIsAlwaysReasserted(t *testing.T) {
	b := newBench(t, true)
	g := b.host.add(7, "/a", someLimits())
	b.apply(b.change("a", 7, control.Weight, lowWeight))
	for range 10 {
		g.limits.Shares = 500
		b.pass(31 * time.Second)
		b.a.CheckDrift(b.now)
		assert.EqualValues(t, 2, g.limits.Shares)
	}
	assert.False(t, b.ensure("a", 7).ObserveOnly)
}

func TestJournalRefusesWhatItCannotRead(t *testing.T) {
	kv := &fakeKV{data: map[string][]byte{"originals": []byte("{")}, log: new([]string)}
	_, _, err := OpenJournal(t.Context(), kv)
	assert.ErrorContains(t, err, "journal: originals: ")

	good := Entry{ID: "a", PID: 7, Start: 70, Path: "/a"}
	kv.data = map[string][]byte{}
	j, left, err := OpenJournal(t.Context(), kv)
	require.NoError(t, err)
	assert.Empty(t, left)
	require.NoError(t, j.Record(t.Context(), []Entry{good, {ID: "b", PID: 8, Start: 80, Path: "/b"}}))
	kv.data["original/b/80"] = []byte(`{"id":"c"}`)
	j, left, err = OpenJournal(t.Context(), kv)
	assert.EqualError(t, err, `journal: original/b/80: the entry names container "c", process 0, cgroup ""`)
	require.NotNil(t, j)
	assert.Equal(t, []Entry{good}, left)
}

// Whatever is done in whatever order, with crashes in between: in the end every
// container that lived on has what it had.
func TestOriginalsAlwaysComeBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(t, true)
		type kept struct {
			group    *fakeGroup
			original cgroup.Limits
		}
		alive := map[int]kept{}
		next := 1
		boot := func() {
			l := someLimits()
			l.Shares = uint64(rapid.IntRange(2, 5000).Draw(rt, "shares"))
			l.CPUs = cpuset.Of(rapid.IntRange(0, 3).Draw(rt, "cpu"))
			g := b.host.add(next, fmt.Sprintf("/c%d", next), l)
			alive[next] = kept{group: g, original: l}
			next++
		}
		boot()
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			pid := rapid.IntRange(1, next-1).Draw(rt, "pid")
			k, lives := alive[pid]
			switch rapid.IntRange(0, 5).Draw(rt, "what") {
			case 0:
				boot()
			case 1:
				b.start(rapid.Bool().Draw(rt, "enforce"))
			case 2:
				if lives {
					k.group.gone = true
					delete(b.host.starts, pid)
					delete(alive, pid)
				}
			default:
				if lives {
					id := fmt.Sprintf("c%d", pid)
					r := rapid.SampledFrom(resources[:]).Draw(rt, "lever")
					to := control.Limits{Shares: 2, CPUs: cpuset.Range(0, 3), Quota: halfCPU.Quota}
					b.apply(b.change(id, pid, r, to))
				}
			}
			b.pass(time.Second)
		}
		if rapid.Bool().Draw(rt, "crash") {
			b.start(false)
		}
		require.NoError(t, b.a.RestoreAll(t.Context(), b.now))
		for pid, k := range alive {
			require.Equal(t, k.original, k.group.limits, "container %d", pid)
		}
		require.Equal(t, 0, b.a.Touched())
	})
}
