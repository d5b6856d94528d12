package cgroup_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/internal/cgroup/cgrouptest"
	"github.com/governor-project/governor/internal/cpuset"
)

func TestCPU(t *testing.T) {
	v1 := cgroup.CPU{
		UsageNS: 584714985, UserNS: 560000000, SystemNS: 10000000,
		Periods: 12, ThrottledPeriods: 10, ThrottledNS: 1413365202,
		StallNS: 711605041 + 712605041, StallSource: cgroup.StallRunDelay,
		PerCPUNS: []uint64{297451880, 287263105}, Have: cgroup.CPUAll,
	}
	v2 := cgroup.CPU{
		UsageNS: 584714000, UserNS: 560000000, SystemNS: 24714000,
		Periods: 12, ThrottledPeriods: 10, ThrottledNS: 1413365000,
		StallNS: 8123456000, StallSource: cgroup.StallPSI, Have: cgroup.CPUAll &^ cgroup.CPUPerCPU,
	}
	v1Missing := v1
	v1Missing.Periods, v1Missing.ThrottledPeriods, v1Missing.ThrottledNS, v1Missing.PerCPUNS = 0, 0, 0, nil
	v1Missing.Have = cgroup.CPUUsage | cgroup.CPUModes | cgroup.CPUStall
	v2Missing := v2
	v2Missing.Periods, v2Missing.ThrottledPeriods, v2Missing.ThrottledNS = 0, 0, 0
	v2Missing.StallNS, v2Missing.StallSource = v1.StallNS, cgroup.StallRunDelay
	v2Missing.Have = cgroup.CPUUsage | cgroup.CPUModes | cgroup.CPUStall
	for tree, want := range map[string]cgroup.CPU{
		cgrouptest.V1: v1, cgrouptest.Hybrid: v1, cgrouptest.V1Missing: v1Missing,
		cgrouptest.V2: v2, cgrouptest.V2Systemd: v2, cgrouptest.V2Nested: v2, cgrouptest.V2Missing: v2Missing,
	} {
		g, _ := group(t, tree)
		s := stats(t, g)
		var got cgroup.CPU
		for range 2 { // the second read goes through kept descriptors
			require.NoError(t, s.CPU(&got), tree)
			assert.Equal(t, want, got, tree)
		}
	}
}

func TestReadCPUOpensOnlyWhatIsWanted(t *testing.T) {
	g, root := group(t, cgrouptest.V1)
	s := stats(t, g)
	before := openFiles(t, root)
	var c cgroup.CPU
	require.NoError(t, s.ReadCPU(&c, cgroup.CPUUsage))
	assert.Equal(t, []string{"cpuacct.usage"}, minus(openFiles(t, root), before))
	assert.Equal(t, cgroup.CPUUsage, c.Have)
	assert.Zero(t, c.Periods)
	require.NoError(t, s.ReadCPU(&c, cgroup.CPUThrottling))
	assert.Equal(t, []string{"cpu.stat", "cpuacct.usage"}, minus(openFiles(t, root), before))
	require.NoError(t, s.Close())
	assert.Empty(t, minus(openFiles(t, root), before), "Close closes every descriptor")
}

// openFiles lists this process's open files below root.
func openFiles(t *testing.T, root string) map[string]bool {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	open := map[string]bool{}
	for _, e := range entries {
		if target, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name())); err == nil {
			if rel, err := filepath.Rel(root, target); err == nil && filepath.IsLocal(rel) {
				open[filepath.Base(rel)] = true
			}
		}
	}
	return open
}

func minus(now, before map[string]bool) []string {
	var names []string
	for _, name := range []string{"cpu.stat", "cpuacct.stat", "cpuacct.usage", "cpuacct.usage_percpu", "tasks", "schedstat"} {
		if now[name] && !before[name] {
			names = append(names, name)
		}
	}
	return names
}

func TestStallDoesNotGoBackwardsWhenTasksExit(t *testing.T) {
	g, root := group(t, cgrouptest.V1)
	s := stats(t, g)
	tasks := "sys/fs/cgroup/cpu,cpuacct" + underDocker + "/tasks"
	schedstat := func(tid int, wait uint64) {
		cgrouptest.Write(t, root, fmt.Sprintf("proc/%d/schedstat", tid), fmt.Sprintf("1 %d 1\n", wait))
	}
	read := func() uint64 {
		var c cgroup.CPU
		require.NoError(t, s.ReadCPU(&c, cgroup.CPUStall))
		return c.StallNS
	}
	schedstat(12803, 100)
	schedstat(12834, 1000)
	assert.Equal(t, uint64(1100), read())
	schedstat(12803, 150)
	cgrouptest.Write(t, root, tasks, "12803\n")
	assert.Equal(t, uint64(1150), read(), "an exited task keeps its part of the sum")
	schedstat(500, 7)
	cgrouptest.Write(t, root, tasks, "12803\n500\n")
	assert.Equal(t, uint64(1157), read(), "a new task counts from its start")
	cgrouptest.Write(t, root, tasks, "12803\n500\n501\n")
	assert.Equal(t, uint64(1157), read(), "a task that exits between list and read is skipped")
	nested := "sys/fs/cgroup/cpu,cpuacct" + underDocker + "/nested/tasks"
	schedstat(600, 20)
	cgrouptest.Write(t, root, nested, "600\n")
	assert.Equal(t, uint64(1177), read(), "nested groups count")
	schedstat(600, 5)
	assert.Equal(t, uint64(1182), read(), "a number that the kernel gave to another task")
	cgrouptest.Write(t, root, tasks, "")
	cgrouptest.Write(t, root, nested, "")
	assert.Equal(t, uint64(1182), read())
}

func TestMemory(t *testing.T) {
	base := func(tree string) cgroup.Memory {
		g, _ := group(t, tree)
		var m cgroup.Memory
		require.NoError(t, stats(t, g).Memory(&m))
		return m
	}
	for _, tree := range []string{cgrouptest.V1, cgrouptest.V2, cgrouptest.V2Systemd, cgrouptest.Hybrid} {
		m := base(tree)
		assert.Equal(t, cgroup.MemoryAll, m.Have, tree)
		assert.Equal(t, []uint64{1048576, 268435456, 2097152, 7}, []uint64{m.UsageBytes, m.LimitBytes, m.PeakBytes, m.Fails}, tree)
		assert.Equal(t, uint64(1048576-8192), m.WorkingSet(), tree)
		for key, want := range map[cgroup.MemoryKey]uint64{
			cgroup.MemActiveAnon: 4096, cgroup.MemInactiveAnon: 647168, cgroup.MemDirty: 1024,
			cgroup.MemWriteback: 2048, cgroup.MemMappedFile: 4096, cgroup.MemRSSHuge: 2097152, cgroup.MemPgmajfault: 3,
		} {
			got, ok := m.Detail.Get(key)
			assert.True(t, ok, tree)
			assert.Equal(t, want, got, tree)
		}
	}
	v1, v2 := base(cgrouptest.V1), base(cgrouptest.V2)
	rss, ok := v1.Detail.Get(cgroup.MemTotalRSS)
	assert.True(t, ok)
	assert.Equal(t, uint64(655361), rss)
	_, ok = v1.Detail.Get(cgroup.MemAnon)
	assert.False(t, ok)
	file, ok := v2.Detail.Get(cgroup.MemFile)
	assert.True(t, ok)
	assert.Equal(t, uint64(16384), file)
	for _, tree := range []string{cgrouptest.V1Missing, cgrouptest.V2Missing} {
		assert.Equal(t, cgroup.Memory{}, base(tree), tree)
	}
}

func TestMemoryWithoutLimit(t *testing.T) {
	for tree, file := range map[string][2]string{
		cgrouptest.V1: {"memory" + underDocker + "/memory.limit_in_bytes", "9223372036854771712\n"},
		cgrouptest.V2: {underDocker + "/memory.max", "max\n"},
	} {
		g, root := group(t, tree)
		cgrouptest.Write(t, root, filepath.Join("sys/fs/cgroup", file[0]), file[1])
		var m cgroup.Memory
		require.NoError(t, stats(t, g).ReadMemory(&m, cgroup.MemoryLimit))
		assert.Equal(t, cgroup.Memory{Have: cgroup.MemoryLimit}, m, tree)
	}
}

func TestBlkio(t *testing.T) {
	bytes := []cgroup.BlkioEntry{{Major: 254, Operation: "read", Value: 4096}, {Major: 254, Operation: "write", Value: 8192}}
	ops := []cgroup.BlkioEntry{{Major: 254, Operation: "read", Value: 1}, {Major: 254, Operation: "write", Value: 2}}
	for _, tree := range []string{cgrouptest.V1, cgrouptest.V2, cgrouptest.Hybrid} {
		g, _ := group(t, tree)
		var b cgroup.Blkio
		require.NoError(t, stats(t, g).Blkio(&b), tree)
		assert.Subset(t, b.Entries[cgroup.BlkioServiceBytes], bytes, tree)
		assert.Subset(t, b.Entries[cgroup.BlkioServiced], ops, tree)
		assert.Empty(t, b.Entries[cgroup.BlkioQueued], tree)
	}
	for _, tree := range []string{cgrouptest.V1Missing, cgrouptest.V2Missing} {
		g, _ := group(t, tree)
		var b cgroup.Blkio
		require.NoError(t, stats(t, g).Blkio(&b), tree)
		assert.Empty(t, b.Entries[cgroup.BlkioServiceBytes], tree)
	}
}

func TestPIDs(t *testing.T) {
	for tree, want := range map[string]cgroup.PIDs{
		cgrouptest.V1: {Current: 5, Have: true}, cgrouptest.V2: {Current: 5, Have: true}, cgrouptest.V1Missing: {},
	} {
		g, root := group(t, tree)
		s := stats(t, g)
		var got cgroup.PIDs
		require.NoError(t, s.PIDs(&got))
		assert.Equal(t, want, got, tree)
		if !want.Have {
			continue
		}
		rel, err := filepath.Rel(root, g.Dir("pids"))
		require.NoError(t, err)
		cgrouptest.Write(t, root, filepath.Join(rel, "pids.max"), "100\n")
		require.NoError(t, s.PIDs(&got))
		assert.Equal(t, uint64(100), got.Limit)
		cgrouptest.Write(t, root, filepath.Join(rel, "pids.current"), "five\n")
		assert.EqualError(t, s.PIDs(&got), filepath.Join(g.Dir("pids"), "pids.current")+`: unexpected content "five\n"`)
	}
}

func TestReadLimits(t *testing.T) {
	all := cgroup.LimitShares | cgroup.LimitQuota | cgroup.LimitCPUs
	for _, tree := range []string{cgrouptest.V1, cgrouptest.V2, cgrouptest.V2Systemd, cgrouptest.Hybrid, cgrouptest.V1Missing} {
		g, root := group(t, tree)
		s := stats(t, g)
		want, err := g.Limits()
		require.NoError(t, err)
		want.CPUs = cpuset.Set{}
		var got cgroup.Limits
		for range 2 {
			have, err := s.ReadLimits(&got, all)
			require.NoError(t, err, tree)
			assert.Equal(t, all, have, tree)
			assert.Equal(t, want, got, tree)
		}
		name := map[bool]string{true: "cpuset.effective_cpus", false: "cpuset.cpus.effective"}[tree == cgrouptest.V1 || tree == cgrouptest.Hybrid || tree == cgrouptest.V1Missing]
		rel, err := filepath.Rel(root, filepath.Join(g.Dir("cpuset"), name))
		require.NoError(t, err)
		cgrouptest.Write(t, root, rel, "1\n")
		have, err := s.ReadLimits(&got, cgroup.LimitCPUs)
		require.NoError(t, err, tree)
		assert.Equal(t, cgroup.LimitCPUs, have)
		assert.Equal(t, cpuset.Of(1), got.EffectiveCPUs, tree)
	}
	g, _ := group(t, cgrouptest.V2Missing)
	var got cgroup.Limits
	have, err := stats(t, g).ReadLimits(&got, all)
	require.NoError(t, err)
	assert.Equal(t, cgroup.LimitCPUs, have, "inherited from the ancestor that has the controller")
	assert.Equal(t, cpuset.Range(0, 3), got.EffectiveCPUs)
}

func TestNetwork(t *testing.T) {
	g, _ := group(t, cgrouptest.V1)
	s := stats(t, g)
	var got []cgroup.Interface
	for range 2 {
		require.NoError(t, s.Network(cgrouptest.PID, &got))
		assert.Equal(t, []cgroup.Interface{{
			Name: "eth0", RxBytes: 486, RxPackets: 5, RxErrors: 1, RxDropped: 2,
			TxBytes: 972, TxPackets: 10, TxErrors: 3, TxDropped: 4,
		}}, got)
	}
	assert.ErrorIs(t, s.Network(99, &got), fs.ErrNotExist)
}

func TestFixtureReadsDoNotAllocate(t *testing.T) {
	for _, tree := range []string{cgrouptest.V1, cgrouptest.V2, cgrouptest.Hybrid} {
		g, _ := group(t, tree)
		s := stats(t, g)
		var (
			c cgroup.CPU
			m cgroup.Memory
			b cgroup.Blkio
			p cgroup.PIDs
			n []cgroup.Interface
		)
		read := func() {
			if s.CPU(&c) != nil || s.Memory(&m) != nil || s.Blkio(&b) != nil || s.PIDs(&p) != nil || s.Network(cgrouptest.PID, &n) != nil {
				t.Error("read failed")
			}
		}
		read()
		assert.Zero(t, testing.AllocsPerRun(50, read), tree)
	}
}

func TestVanishedGroupOfAFixture(t *testing.T) {
	g, root := group(t, cgrouptest.V2)
	s := stats(t, g)
	require.NoError(t, os.RemoveAll(filepath.Join(root, "sys/fs/cgroup", underDocker)))
	var c cgroup.CPU
	require.ErrorIs(t, s.CPU(&c), fs.ErrNotExist)
	_, err := g.Limits()
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = g.OpenStats()
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func BenchmarkStats(b *testing.B) {
	for _, tree := range []string{cgrouptest.V1, cgrouptest.V2} {
		f, err := cgroup.Open(cgrouptest.Tree(b, tree))
		if err != nil {
			b.Fatal(err)
		}
		g, err := f.GroupOf(cgrouptest.PID)
		if err != nil {
			b.Fatal(err)
		}
		s, err := g.OpenStats()
		if err != nil {
			b.Fatal(err)
		}
		b.Run(tree+"/cpu", func(b *testing.B) {
			var c cgroup.CPU
			b.ReportAllocs()
			for b.Loop() {
				if err := s.ReadCPU(&c, cgroup.CPUUsage|cgroup.CPUThrottling|cgroup.CPUStall); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(tree+"/memory", func(b *testing.B) {
			var m cgroup.Memory
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Memory(&m); err != nil {
					b.Fatal(err)
				}
			}
		})
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
