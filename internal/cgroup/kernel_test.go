//go:build docker

// Tests against the running kernel's own cgroups; see kernel_setup_test.go.

package cgroup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/governor-project/governor/internal/cpuset"
)

func TestKernelFindsTheGroupOfAProcess(t *testing.T) {
	f, group := realGroup(t, "")
	pid := startIn(t, f, group, 0)
	g, err := f.GroupOf(pid)
	require.NoError(t, err)
	assert.Equal(t, group, g.Path())
	for _, controller := range realHierarchies {
		procs := kernelSays(t, g, controller, "cgroup.procs")
		assert.Equal(t, strconv.Itoa(pid), procs, controller)
	}
	_, err = f.GroupOf(1 << 22)
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestKernelTakesShares(t *testing.T) {
	f, group := realGroup(t, "")
	g, err := f.GroupAt(group)
	require.NoError(t, err)
	for _, shares := range []uint64{2, 512, 1024, 262144} {
		require.NoError(t, g.SetShares(shares))
		assert.Equal(t, strconv.FormatUint(shares, 10), kernelSays(t, g, ctrlCPU, "cpu.shares"))
		limits, err := g.Limits()
		require.NoError(t, err)
		assert.Equal(t, shares, limits.Shares)
	}
	assert.ErrorContains(t, g.SetShares(1), "shares 1 of group "+group+" are not allowed; between 2 and 262144")
}

func TestKernelTakesQuotas(t *testing.T) {
	f, group := realGroup(t, "")
	g, err := f.GroupAt(group)
	require.NoError(t, err)
	for _, q := range []Quota{
		{50_000, 100_000}, {1_000, 1_000_000}, {1_000, 1_000}, {800_000, 1_000_000},
		{NoQuota, 100_000}, {NoQuota, 50_000}, {150_000, 100_000},
	} {
		require.NoError(t, g.SetQuota(q), q)
		assert.Equal(t, strconv.FormatInt(q.QuotaUS, 10), kernelSays(t, g, ctrlCPU, "cpu.cfs_quota_us"))
		assert.Equal(t, strconv.FormatUint(q.PeriodUS, 10), kernelSays(t, g, ctrlCPU, "cpu.cfs_period_us"))
		limits, err := g.Limits()
		require.NoError(t, err)
		assert.Equal(t, q, limits.Quota)
	}
}

// The kernel accepts only one of the two write orders, depending on the parent's limit.
func TestKernelQuotaWithinALimitedParent(t *testing.T) {
	f, parent := realGroup(t, "")
	child := filepath.Join(parent, "child")
	makeGroup(t, f, child)
	pg, err := f.GroupAt(parent)
	require.NoError(t, err)
	cg, err := f.GroupAt(child)
	require.NoError(t, err)
	require.NoError(t, pg.SetQuota(Quota{100_000, 100_000}))
	for _, q := range []Quota{{50_000, 50_000}, {100_000, 100_000}, {25_000, 25_000}, {1_000, 1_000}, {1_000_000, 1_000_000}} {
		require.NoError(t, cg.SetQuota(q), q)
		assert.Equal(t, strconv.FormatInt(q.QuotaUS, 10), kernelSays(t, cg, ctrlCPU, "cpu.cfs_quota_us"))
		assert.Equal(t, strconv.FormatUint(q.PeriodUS, 10), kernelSays(t, cg, ctrlCPU, "cpu.cfs_period_us"))
	}
	require.NoError(t, cg.SetQuota(Quota{60_000, 100_000}))

	err = cg.SetQuota(Quota{200_000, 100_000})
	require.ErrorIs(t, err, syscall.EINVAL)
	file := filepath.Join(cg.Dir(ctrlCPU), "cpu.cfs_quota_us")
	assert.ErrorContains(t, err, `write "200000" to `+file+`: invalid argument`)
	assert.ErrorContains(t, err, "the group above "+child+" is limited to 100000/100000 µs (1 CPUs)")

	err = pg.SetQuota(Quota{50_000, 100_000})
	require.ErrorIs(t, err, syscall.EINVAL)
	assert.ErrorContains(t, err, "the nested group "+child+" has a limit of 60000/100000 µs (0.6 CPUs)")
	for g, want := range map[*Group]Quota{pg: {100_000, 100_000}, cg: {60_000, 100_000}} {
		limits, err := g.Limits()
		require.NoError(t, err)
		assert.Equal(t, want, limits.Quota, "a refused quota leaves what was there")
	}
}

func TestKernelQuotaBelowItsBurst(t *testing.T) {
	f, group := realGroup(t, "")
	g, err := f.GroupAt(group)
	require.NoError(t, err)
	require.NoError(t, g.SetQuota(Quota{50_000, 100_000}))
	if err := g.put(ctrlCPU, "cpu.cfs_burst_us", "30000"); errors.Is(err, ErrNoController) {
		t.Log("this kernel has no burst")
		return
	}
	err = g.SetQuota(Quota{20_000, 100_000})
	require.ErrorIs(t, err, syscall.EINVAL)
	assert.ErrorContains(t, err, "the group's burst (cpu.cfs_burst_us) is 30000 µs, above that quota")
	assert.Equal(t, "50000", kernelSays(t, g, ctrlCPU, "cpu.cfs_quota_us"))
	require.NoError(t, g.SetQuota(Quota{40_000, 100_000}))
	assert.Equal(t, "30000", kernelSays(t, g, ctrlCPU, "cpu.cfs_burst_us"))
}

func TestKernelNarrowsAndWidensNestedCpusets(t *testing.T) {
	f, group := realGroup(t, "")
	online, err := os.ReadFile("/sys/devices/system/cpu/online")
	require.NoError(t, err)
	all, err := cpuset.Parse(string(online))
	require.NoError(t, err)
	require.GreaterOrEqual(t, all.Len(), 2, "this test needs two CPUs")
	one, two := all.Take(1), all.Take(2)
	outer, follower, pinned := group, filepath.Join(group, "follower"), filepath.Join(group, "pinned")
	groups := map[string]*Group{}
	for _, path := range []string{outer, follower, pinned} {
		makeGroup(t, f, path)
		groups[path], err = f.GroupAt(path)
		require.NoError(t, err)
	}
	require.NoError(t, groups[outer].SetCPUs(two))
	require.NoError(t, groups[pinned].SetCPUs(two.Difference(one)))
	startIn(t, f, follower, 1)
	startIn(t, f, pinned, 1)
	mems := kernelSays(t, groups[outer], ctrlCPUSet, "cpuset.mems")

	direct := groups[outer].put(ctrlCPUSet, "cpuset.cpus", one.String())
	require.ErrorIs(t, direct, syscall.EBUSY, "the trap that SetCPUs avoids")

	require.NoError(t, groups[outer].SetCPUs(one))
	for path, g := range groups {
		assert.Equal(t, one.String(), kernelSays(t, g, ctrlCPUSet, "cpuset.cpus"), path)
	}
	require.NoError(t, groups[outer].SetCPUs(two))
	assert.Equal(t, two.String(), kernelSays(t, groups[outer], ctrlCPUSet, "cpuset.cpus"))
	assert.Equal(t, two.String(), kernelSays(t, groups[follower], ctrlCPUSet, "cpuset.cpus"))
	limits, err := groups[outer].Limits()
	require.NoError(t, err)
	assert.Equal(t, two, limits.CPUs)
	assert.Equal(t, two, limits.EffectiveCPUs)
	assert.Equal(t, mems, kernelSays(t, groups[outer], ctrlCPUSet, "cpuset.mems"), "memory nodes are never touched")
	assert.ErrorContains(t, groups[outer].SetCPUs(cpuset.Set{}), "the empty set is not allowed")
	assert.Error(t, groups[outer].SetCPUs(cpuset.Of(cpuset.MaxCPU)), "an offline CPU")
}

func TestKernelCountsUsageStallAndThrottling(t *testing.T) {
	f, group := realGroup(t, "")
	g, err := f.GroupAt(group)
	require.NoError(t, err)
	limits, err := g.Limits()
	require.NoError(t, err)
	require.NoError(t, g.SetCPUs(limits.EffectiveCPUs.Take(1)))
	require.NoError(t, g.SetQuota(Quota{20_000, 100_000}))
	require.NoError(t, g.SetShares(MaxShares)) // other work on this CPU shall not hide the throttling
	startIn(t, f, group, 2)
	s, err := g.OpenStats()
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.Close()) }()

	var before, after CPU
	time.Sleep(200 * time.Millisecond)
	low := kernelUsage(t, g)
	require.NoError(t, s.CPU(&before))
	high := kernelUsage(t, g)
	assert.GreaterOrEqual(t, before.UsageNS, low)
	assert.LessOrEqual(t, before.UsageNS, high)
	start := time.Now()
	require.Eventually(t, func() bool { // how soon depends on what else the CPU has to do
		return s.CPU(&after) == nil && after.ThrottledPeriods-before.ThrottledPeriods >= 5 &&
			after.ThrottledNS-before.ThrottledNS > 300e6 && after.StallNS-before.StallNS > 300e6
	}, 30*time.Second, 50*time.Millisecond, "two threads on one CPU under a quota wait for each other and are throttled")
	assert.Equal(t, CPUAll, after.Have)
	assert.Equal(t, StallRunDelay, after.StallSource)
	assert.GreaterOrEqual(t, after.Periods, after.ThrottledPeriods)
	used := time.Duration(after.UsageNS - before.UsageNS)
	assert.Positive(t, used)
	assert.LessOrEqual(t, used, time.Since(start)/5+60*time.Millisecond, "a quota of a fifth of a CPU")
	assert.InDelta(t, float64(after.UsageNS), float64(after.UserNS+after.SystemNS), 0.1e9)
	var perCPU uint64
	for _, ns := range after.PerCPUNS {
		perCPU += ns
	}
	assert.InDelta(t, float64(after.UsageNS), float64(perCPU), 0.1e9)
}

func kernelUsage(t *testing.T, g *Group) uint64 {
	t.Helper()
	v, err := strconv.ParseUint(kernelSays(t, g, ctrlCPUAcct, "cpuacct.usage"), 10, 64)
	require.NoError(t, err)
	return v
}

// Tasks come and go; the sum of their waits must not go backwards.
func TestKernelStallIsMonotonicOverExitsAndNestedGroups(t *testing.T) {
	f, group := realGroup(t, "")
	nested := filepath.Join(group, "nested")
	makeGroup(t, f, nested)
	g, err := f.GroupAt(group)
	require.NoError(t, err)
	s, err := g.OpenStats()
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.Close()) }()
	limits, err := g.Limits()
	require.NoError(t, err)
	require.NoError(t, g.SetCPUs(limits.EffectiveCPUs.Take(1)))
	startIn(t, f, nested, 1)

	var c CPU
	var last uint64
	for range 4 {
		pid := startIn(t, f, group, 2)
		for range 10 {
			time.Sleep(10 * time.Millisecond)
			require.NoError(t, s.ReadCPU(&c, CPUStall))
			assert.GreaterOrEqual(t, c.StallNS, last)
			last = c.StallNS
		}
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	}
	assert.Positive(t, last)
	assert.Eventually(t, func() bool {
		return s.ReadCPU(&c, CPUStall) == nil && c.StallNS >= last && len(s.delay.tasks) < 12
	}, 2*time.Second, 20*time.Millisecond, "descriptors of exited tasks are closed")
}

func TestKernelReadsDoNotAllocate(t *testing.T) {
	f, group := realGroup(t, "")
	pid := startIn(t, f, group, 2)
	g, err := f.GroupOf(pid)
	require.NoError(t, err)
	s, err := g.OpenStats()
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.Close()) }()
	var (
		c CPU
		m Memory
		b Blkio
		p PIDs
		n []Interface
	)
	read := func() {
		require.NoError(t, errors.Join(s.CPU(&c), s.Memory(&m), s.Blkio(&b), s.PIDs(&p), s.Network(pid, &n)))
	}
	for range 3 {
		read()
		time.Sleep(50 * time.Millisecond)
	}
	assert.Zero(t, testing.AllocsPerRun(20, func() {
		if s.CPU(&c) != nil || s.Memory(&m) != nil || s.Blkio(&b) != nil || s.PIDs(&p) != nil || s.Network(pid, &n) != nil {
			t.Error("read failed")
		}
	}))
	assert.Equal(t, kernelSays(t, g, ctrlPIDs, "pids.current"), strconv.FormatUint(p.Current, 10))
	assert.Equal(t, MemoryAll, m.Have)
	assert.Positive(t, m.UsageBytes)
}

func TestKernelVanishedGroup(t *testing.T) {
	f, group := realGroup(t, "")
	g, err := f.GroupAt(group)
	require.NoError(t, err)
	s, err := g.OpenStats()
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.Close()) }()
	var c CPU
	require.NoError(t, s.CPU(&c))
	for _, controller := range realHierarchies {
		require.NoError(t, os.Remove(g.Dir(controller)))
	}
	for _, want := range []CPUFields{CPUUsage, CPUModes, CPUThrottling, CPUStall, CPUPerCPU} {
		assert.ErrorIs(t, s.ReadCPU(&c, want), fs.ErrNotExist, want)
	}
	var m Memory
	assert.ErrorIs(t, s.Memory(&m), fs.ErrNotExist, "a file that was never open")
	_, err = g.Limits()
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorIs(t, g.SetShares(512), fs.ErrNotExist)
	assert.ErrorIs(t, g.SetQuota(Quota{50_000, 100_000}), fs.ErrNotExist)
	assert.ErrorIs(t, g.SetCPUs(cpuset.Of(0)), fs.ErrNotExist)
	_, err = g.OpenStats()
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestKernelContainersByPath(t *testing.T) {
	f, parent := realGroup(t, "")
	id := strings.Repeat("0123456789abcdef", 4)
	scope := filepath.Join(parent, "docker-"+id+".scope")
	makeGroup(t, f, scope)
	inner := filepath.Join(scope, "init")
	makeGroup(t, f, inner)
	pid := startIn(t, f, inner, 0)
	found, err := f.Containers()
	require.NoError(t, err)
	for _, c := range found {
		if c.ID != id {
			continue
		}
		assert.Equal(t, "docker", c.Runtime)
		assert.Equal(t, scope, c.Path)
		assert.Equal(t, []int{pid}, c.PIDs)
		assert.Equal(t, scope, c.Group.Path(), "not the group that the container made for itself")
		start, err := f.ProcessStart(pid)
		require.NoError(t, err)
		assert.WithinDuration(t, time.Now(), start, 5*time.Second)
		return
	}
	t.Fatalf("container %s was not found among %v", id, found)
}

func BenchmarkKernelCPU(b *testing.B) {
	f, err := Open("/")
	if err != nil {
		b.Fatal(err)
	}
	g, err := f.GroupOf(os.Getpid())
	if err != nil {
		b.Fatal(err)
	}
	for name, want := range map[string]CPUFields{"usage": CPUUsage, "throttling": CPUThrottling, "modes": CPUModes} {
		b.Run(name, func(b *testing.B) {
			s, err := g.OpenStats()
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			var c CPU
			b.ReportAllocs()
			for b.Loop() {
				if err := s.ReadCPU(&c, want); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
