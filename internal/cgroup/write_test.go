package cgroup_test

import (
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/internal/cgroup/cgrouptest"
	"github.com/governor-project/governor/internal/cpuset"
)

// What the kernel itself makes of the writes is tested in kernel_test.go; these
// tests cover the layouts that the kernel at hand does not have.

const (
	v1CPU    = "sys/fs/cgroup/cpu,cpuacct" + underDocker
	v1CPUSet = "sys/fs/cgroup/cpuset" + underDocker
	v2Dir    = "sys/fs/cgroup" + underDocker
)

func TestSetShares(t *testing.T) {
	for tree, want := range map[string][2]string{cgrouptest.V1: {v1CPU + "/cpu.shares", "2048"}, cgrouptest.V2: {v2Dir + "/cpu.weight", "174"}} {
		g, root := group(t, tree)
		require.NoError(t, g.SetShares(2048))
		assert.Equal(t, want[1], cgrouptest.Read(t, root, want[0]), tree)
		assert.Error(t, g.SetShares(1))
		assert.Error(t, g.SetShares(262145))
		assert.Equal(t, want[1], cgrouptest.Read(t, root, want[0]), tree)
	}
}

func TestSetQuota(t *testing.T) {
	g, root := group(t, cgrouptest.V1)
	require.NoError(t, g.SetQuota(cgroup.Quota{QuotaUS: 25_000, PeriodUS: 50_000}))
	assert.Equal(t, "25000", cgrouptest.Read(t, root, v1CPU+"/cpu.cfs_quota_us"))
	assert.Equal(t, "50000", cgrouptest.Read(t, root, v1CPU+"/cpu.cfs_period_us"))
	require.NoError(t, g.SetQuota(cgroup.Quota{QuotaUS: cgroup.NoQuota, PeriodUS: 100_000}))
	assert.Equal(t, "-1", cgrouptest.Read(t, root, v1CPU+"/cpu.cfs_quota_us"))
	assert.Equal(t, "100000", cgrouptest.Read(t, root, v1CPU+"/cpu.cfs_period_us"))

	g, root = group(t, cgrouptest.V2)
	require.NoError(t, g.SetQuota(cgroup.Quota{QuotaUS: 25_000, PeriodUS: 50_000}))
	assert.Equal(t, "25000 50000", cgrouptest.Read(t, root, v2Dir+"/cpu.max"))
	require.NoError(t, g.SetQuota(cgroup.Quota{QuotaUS: cgroup.NoQuota, PeriodUS: 100_000}))
	assert.Equal(t, "max 100000", cgrouptest.Read(t, root, v2Dir+"/cpu.max"))
}

func TestSetQuotaRefusesWhatTheKernelWould(t *testing.T) {
	g, root := group(t, cgrouptest.V2)
	for want, q := range map[string]cgroup.Quota{
		"quota 999 µs is not allowed; at least 1000 µs, or -1 for no limit": {QuotaUS: 999, PeriodUS: 100_000},
		"quota 0 µs is not allowed; at least 1000 µs, or -1 for no limit":   {QuotaUS: 0, PeriodUS: 100_000},
		"period 999 µs is not allowed; between 1000 and 1000000 µs":         {QuotaUS: 1000, PeriodUS: 999},
		"period 1000001 µs is not allowed; between 1000 and 1000000 µs":     {QuotaUS: -1, PeriodUS: 1_000_001},
	} {
		assert.EqualError(t, g.SetQuota(q), "quota of group "+underDocker+": "+want)
	}
	assert.Equal(t, "50000 100000", cgrouptest.Read(t, root, v2Dir+"/cpu.max"))
}

func TestSetQuotaWritesTheBurstAgain(t *testing.T) {
	g, root := group(t, cgrouptest.V2)
	cgrouptest.Write(t, root, v2Dir+"/cpu.max.burst", "20000\n")
	require.NoError(t, g.SetQuota(cgroup.Quota{QuotaUS: 25_000, PeriodUS: 100_000}))
	text := cgrouptest.Read(t, root, v2Dir+"/cpu.max.burst")
	assert.Equal(t, "20000", text)
}

func TestSetCPUs(t *testing.T) {
	g, root := group(t, cgrouptest.V1)
	pinned, follower, unused := v1CPUSet+"/pinned", v1CPUSet+"/follower", v1CPUSet+"/unused"
	cgrouptest.Write(t, root, v1CPUSet+"/cpuset.cpus", "0-3\n")
	cgrouptest.Write(t, root, pinned+"/cpuset.cpus", "1-2\n")
	cgrouptest.Write(t, root, follower+"/cpuset.cpus", "0-3\n")
	cgrouptest.Write(t, root, follower+"/deeper/cpuset.cpus", "3\n")
	cgrouptest.Write(t, root, unused+"/cpuset.cpus", "\n")
	require.NoError(t, g.SetCPUs(cpuset.Of(2, 4)))
	for file, want := range map[string]string{
		v1CPUSet: "2,4", pinned: "2", follower: "2,4", follower + "/deeper": "2,4", unused: "",
	} {
		assert.Equal(t, want, cgrouptest.Read(t, root, file+"/cpuset.cpus"), file)
	}
	assert.Equal(t, "0", cgrouptest.Read(t, root, v1CPUSet+"/cpuset.mems"))
	assert.EqualError(t, g.SetCPUs(cpuset.Set{}), "cpuset of group "+underDocker+": the empty set is not allowed")
}

func TestSetCPUsVerifiesTheGrant(t *testing.T) {
	g, root := group(t, cgrouptest.V2)
	err := g.SetCPUs(cpuset.Of(7))
	var refused *cgroup.NotGrantedError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, cpuset.Of(0, 1), refused.Granted)
	assert.EqualError(t, err, `cpuset "7" of group `+underDocker+`: the kernel grants "0-1" instead`)
	assert.Equal(t, "7", cgrouptest.Read(t, root, v2Dir+"/cpuset.cpus"))
	require.NoError(t, g.SetCPUs(cpuset.Of(0, 1)))
	require.NoError(t, g.SetCPUs(cpuset.Set{}), "the empty set gives the group its parent's CPUs again")
	assert.Empty(t, cgrouptest.Read(t, root, v2Dir+"/cpuset.cpus"))
}

func TestWritesWithoutController(t *testing.T) {
	g, root := group(t, cgrouptest.V2Missing)
	for _, err := range []error{
		g.SetShares(2048), g.SetQuota(cgroup.Quota{QuotaUS: 25_000, PeriodUS: 100_000}), g.SetCPUs(cpuset.Of(0)),
	} {
		require.ErrorIs(t, err, cgroup.ErrNoController)
		assert.NotErrorIs(t, err, fs.ErrNotExist, "the group itself is there")
	}
	assert.NoFileExists(t, filepath.Join(root, v2Dir, "cpu.weight"), "files are never created")
	var refused *cgroup.WriteError
	require.ErrorAs(t, g.SetShares(2048), &refused)
	assert.Equal(t, filepath.Join(root, v2Dir, "cpu.weight"), refused.File)
	assert.Equal(t, "174", refused.Value)
}

func TestTheHostItselfIsNeverWritten(t *testing.T) {
	f, root := open(t, cgrouptest.V1)
	cgrouptest.Write(t, root, "proc/1/cgroup", "1:cpu,cpuacct:/\n2:cpuset:/\n")
	cgrouptest.Write(t, root, "sys/fs/cgroup/cpu,cpuacct/cpu.shares", "1024\n")
	g, err := f.GroupOf(1)
	require.NoError(t, err)
	assert.EqualError(t, g.SetShares(2), `write "2" to cpu.shares: group / is the whole host, which has no limits`)
	assert.Error(t, g.SetCPUs(cpuset.Of(0)))
	assert.Equal(t, "1024", cgrouptest.Read(t, root, "sys/fs/cgroup/cpu,cpuacct/cpu.shares"))
}

func TestWeightOfShares(t *testing.T) {
	for shares, weight := range map[uint64]uint64{0: 1, 2: 1, 1024: 100, 262144: 10000, 1 << 40: 10000, 512: 59, 2048: 174} {
		assert.Equal(t, weight, cgroup.WeightOfShares(shares), shares)
	}
	assert.Equal(t, uint64(1024), cgroup.SharesOfWeight(100), "the defaults of both versions correspond")
	assert.Equal(t, uint64(2), cgroup.SharesOfWeight(0))
}

// An original weight that is read as shares and written back must be itself again.
func TestEveryWeightSurvivesTheRoundTrip(t *testing.T) {
	for weight := uint64(cgroup.MinWeight); weight <= cgroup.MaxWeight; weight++ {
		if got := cgroup.WeightOfShares(cgroup.SharesOfWeight(weight)); got != weight {
			t.Fatalf("weight %d came back as %d", weight, got)
		}
	}
}

func TestWeightGrowsWithShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.Uint64Range(cgroup.MinShares, cgroup.MaxShares).Draw(t, "a")
		b := rapid.Uint64Range(a, cgroup.MaxShares).Draw(t, "b")
		if cgroup.WeightOfShares(a) > cgroup.WeightOfShares(b) {
			t.Fatalf("%d shares weigh more than %d", a, b)
		}
	})
}

func TestQuota(t *testing.T) {
	assert.InDelta(t, 0.5, cgroup.Quota{QuotaUS: 50_000, PeriodUS: 100_000}.CPUs(), 0)
	assert.Zero(t, cgroup.Quota{QuotaUS: -1, PeriodUS: 100_000}.CPUs())
	assert.Zero(t, cgroup.Quota{}.CPUs())
	assert.Equal(t, "none", cgroup.Quota{QuotaUS: -1}.String())
	assert.Equal(t, "1000/2000 µs", cgroup.Quota{QuotaUS: 1000, PeriodUS: 2000}.String())
}
