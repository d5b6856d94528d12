package cgroup_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/internal/cgroup/cgrouptest"
	"github.com/governor-project/governor/internal/cpuset"
)

const underDocker = "/docker/" + cgrouptest.ID

func open(t testing.TB, tree string) (*cgroup.FS, string) {
	t.Helper()
	root := cgrouptest.Tree(t, tree)
	f, err := cgroup.Open(root)
	require.NoError(t, err)
	return f, root
}

func group(t testing.TB, tree string) (*cgroup.Group, string) {
	t.Helper()
	f, root := open(t, tree)
	g, err := f.GroupOf(cgrouptest.PID)
	require.NoError(t, err)
	return g, root
}

func stats(t testing.TB, g *cgroup.Group) *cgroup.Stats {
	t.Helper()
	s, err := g.OpenStats()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestVersions(t *testing.T) {
	for tree, want := range map[string]struct {
		version cgroup.Version
		hybrid  bool
	}{
		cgrouptest.V1: {cgroup.V1, false}, cgrouptest.V1Missing: {cgroup.V1, false}, cgrouptest.Hybrid: {cgroup.V1, true},
		cgrouptest.V2: {cgroup.V2, false}, cgrouptest.V2Systemd: {cgroup.V2, false}, cgrouptest.V2Nested: {cgroup.V2, false},
	} {
		f, _ := open(t, tree)
		assert.Equal(t, want.version, f.Version(), tree)
		assert.Equal(t, want.hybrid, f.Hybrid(), tree)
	}
	assert.Equal(t, "v1", cgroup.V1.String())
}

func TestOpenWithoutCgroups(t *testing.T) {
	root := t.TempDir()
	_, err := cgroup.Open(root)
	require.ErrorIs(t, err, fs.ErrNotExist)
	cgrouptest.Write(t, root, "proc/self/mountinfo", "22 27 0:21 / /proc rw - proc proc rw\n40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n")
	_, err = cgroup.Open(root)
	assert.EqualError(t, err, filepath.Join(root, "proc/self/mountinfo")+": no cgroup file system with a resource controller is mounted")
	cgrouptest.Write(t, root, "proc/self/mountinfo", "garbage\n")
	_, err = cgroup.Open(root)
	assert.ErrorContains(t, err, `mount line "garbage" has no " - " separator`)
}

func TestOpenThroughInit(t *testing.T) {
	root := cgrouptest.Tree(t, cgrouptest.V2)
	require.NoError(t, os.Rename(filepath.Join(root, "proc/self"), filepath.Join(root, "proc/1")))
	f, err := cgroup.Open(root)
	require.NoError(t, err)
	assert.Equal(t, cgroup.V2, f.Version())
}

func TestGroupOf(t *testing.T) {
	for tree, path := range map[string]string{
		cgrouptest.V1: underDocker, cgrouptest.V2: underDocker, cgrouptest.Hybrid: underDocker, cgrouptest.V1Missing: underDocker,
		cgrouptest.V2Systemd: "/system.slice/docker-" + cgrouptest.ID + ".scope",
		cgrouptest.V2Nested:  "/../.." + underDocker,
	} {
		g, root := group(t, tree)
		assert.Equal(t, path, g.Path(), tree)
		dir, err := filepath.Rel(root, g.Dir("cpu"))
		require.NoError(t, err)
		assert.DirExists(t, filepath.Join(root, dir), tree)
	}
}

func TestGroupOfErrors(t *testing.T) {
	f, root := open(t, cgrouptest.V1)
	_, err := f.GroupOf(99)
	require.ErrorIs(t, err, fs.ErrNotExist)
	cgrouptest.Write(t, root, "proc/99/cgroup", "1:cpu:"+underDocker+" (deleted)\n")
	_, err = f.GroupOf(99)
	require.ErrorIs(t, err, fs.ErrNotExist, "the kernel marks removed groups")
	cgrouptest.Write(t, root, "proc/99/cgroup", "nonsense\n")
	_, err = f.GroupOf(99)
	assert.ErrorContains(t, err, `cgroup line "nonsense" is not of the form "id:controllers:/path"`)
	cgrouptest.Write(t, root, "proc/99/cgroup", "9:freezer:/x\n")
	_, err = f.GroupOf(99)
	assert.ErrorContains(t, err, "no mounted hierarchy shows group")
}

// Docker in Docker, and containers that make groups for themselves.
func TestGroupOfStopsAtTheInnermostContainer(t *testing.T) {
	f, root := open(t, cgrouptest.V2)
	inner := "ab" + cgrouptest.ID[2:]
	for cgroupPath, want := range map[string]string{
		underDocker + "/init":                     underDocker,
		underDocker + "/docker/" + inner:          underDocker + "/docker/" + inner,
		underDocker + "/docker/" + inner + "/x/y": underDocker + "/docker/" + inner,
		"/user.slice/session-1.scope":             "/user.slice/session-1.scope",
	} {
		cgrouptest.Write(t, root, "proc/99/cgroup", "0::"+cgroupPath+"\n")
		g, err := f.GroupOf(99)
		require.NoError(t, err)
		assert.Equal(t, want, g.Path(), cgroupPath)
	}
}

func TestContainers(t *testing.T) {
	for tree, runtime := range map[string]string{
		cgrouptest.V1: "docker", cgrouptest.V2: "docker", cgrouptest.V2Systemd: "docker",
		cgrouptest.Hybrid: "docker", cgrouptest.V1Missing: "docker", cgrouptest.V2Nested: "docker",
	} {
		f, _ := open(t, tree)
		found, err := f.Containers()
		require.NoError(t, err, tree)
		require.Len(t, found, 1, tree)
		c := found[0]
		assert.Equal(t, cgrouptest.ID, c.ID, tree)
		assert.Equal(t, runtime, c.Runtime, tree)
		assert.Equal(t, []int{cgrouptest.PID}, c.PIDs, tree)
		assert.Equal(t, c.Path, c.Group.Path(), tree)
	}
}

func TestContainersNestedEmptyAndMonitors(t *testing.T) {
	f, root := open(t, cgrouptest.V2)
	inner, stopped := "aa"+cgrouptest.ID[2:], "bb"+cgrouptest.ID[2:]
	base := "sys/fs/cgroup"
	cgrouptest.Write(t, root, base+underDocker+"/docker/"+inner+"/cgroup.procs", "300\n200\n")
	cgrouptest.Write(t, root, base+underDocker+"/init/cgroup.procs", "150\n")
	cgrouptest.Write(t, root, base+"/docker/"+stopped+"/cgroup.procs", "")
	cgrouptest.Write(t, root, base+"/machine.slice/libpod-conmon-"+stopped+".scope/cgroup.procs", "400\n")
	cgrouptest.Write(t, root, base+"/machine.slice/libpod-"+stopped+".scope/cgroup.procs", "401\n")
	found, err := f.Containers()
	require.NoError(t, err)
	require.Len(t, found, 3)
	assert.Equal(t, []string{cgrouptest.ID, inner, stopped}, []string{found[0].ID, found[1].ID, found[2].ID})
	assert.Equal(t, []int{150, cgrouptest.PID}, found[0].PIDs, "its own and its sub-groups', not the nested container's")
	assert.Equal(t, []int{200, 300}, found[1].PIDs)
	assert.Equal(t, "libpod", found[2].Runtime)
	assert.Equal(t, []int{401}, found[2].PIDs, "the monitor is no container, and the empty group belongs to none that runs")
}

func TestLimits(t *testing.T) {
	full := cgroup.Limits{
		Shares: 1024, Quota: cgroup.Quota{QuotaUS: 50_000, PeriodUS: 100_000},
		CPUs: cpuset.Of(0, 1), EffectiveCPUs: cpuset.Of(0, 1),
	}
	for tree, want := range map[string]cgroup.Limits{
		cgrouptest.V1: full, cgrouptest.V2: full, cgrouptest.V2Systemd: full, cgrouptest.Hybrid: full,
		cgrouptest.V2Missing: {Quota: cgroup.Quota{QuotaUS: cgroup.NoQuota, PeriodUS: 100_000}, EffectiveCPUs: cpuset.Range(0, 3)},
	} {
		g, _ := group(t, tree)
		got, err := g.Limits()
		require.NoError(t, err, tree)
		assert.Equal(t, want, got, tree)
	}
}

func TestLimitsOfAMalformedFile(t *testing.T) {
	g, root := group(t, cgrouptest.V2)
	file := "sys/fs/cgroup" + underDocker + "/cpu.max"
	cgrouptest.Write(t, root, file, "many 100000\n")
	_, err := g.Limits()
	assert.EqualError(t, err, filepath.Join(root, file)+`: quota "many" is neither a number of µs nor max`)
}

func TestHostFigures(t *testing.T) {
	f, root := open(t, cgrouptest.V1)
	total, err := f.MemTotal()
	require.NoError(t, err)
	assert.Equal(t, uint64(24683556<<10), total)
	system, err := f.SystemCPU()
	require.NoError(t, err)
	assert.Equal(t, uint64(100*time.Second), system)
	start, err := f.ProcessStart(cgrouptest.PID)
	require.NoError(t, err)
	assert.Equal(t, time.Unix(1763700000, 0).Add(123450*time.Millisecond), start)
	_, err = f.ProcessStart(99)
	require.ErrorIs(t, err, fs.ErrNotExist)

	require.NoError(t, os.MkdirAll(filepath.Join(root, "proc/1/ns"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "proc/12803/ns"), 0o755))
	require.NoError(t, os.Symlink("net:[1]", filepath.Join(root, "proc/1/ns/net")))
	require.NoError(t, os.Symlink("net:[2]", filepath.Join(root, "proc/12803/ns/net")))
	shared, err := f.SharesHostNetwork(cgrouptest.PID)
	require.NoError(t, err)
	assert.False(t, shared)
	shared, err = f.SharesHostNetwork(1)
	require.NoError(t, err)
	assert.True(t, shared)
}
