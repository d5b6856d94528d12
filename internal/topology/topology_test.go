package topology_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/governor-project/governor/internal/cpuset"
	"github.com/governor-project/governor/internal/topology"
)

// tree writes files below a fresh root and returns it.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, "sys/devices/system", name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content+"\n"), 0o600))
	}
	return root
}

// asFiles is the inverse of Read: what the kernel would show for a host.
func asFiles(h topology.Host) map[string]string {
	files := map[string]string{"cpu/online": h.Online.String()}
	for _, c := range h.CPUs {
		dir := "cpu/cpu" + cpuset.Of(c.ID).String() + "/topology/"
		files[dir+"physical_package_id"] = cpuset.Of(c.Package).String()
		files[dir+"core_cpus_list"] = c.Siblings.String()
	}
	for node, cpus := range h.Nodes() {
		files["node/node"+cpuset.Of(node).String()+"/cpulist"] = cpus.String()
	}
	return files
}

func TestReadAgreesWithBuild(t *testing.T) {
	for _, line := range []string{
		"1 core", "2 cores x 2 threads", "2 packages x 4 cores x 2 threads", "2 packages x 2 nodes x 2 cores", "8 nodes x 1 core",
	} {
		want, err := topology.Build(line)
		require.NoError(t, err)
		got, err := topology.Read(tree(t, asFiles(want)))
		require.NoError(t, err)
		assert.Equal(t, want, got, line)
	}
}

func TestBuildNumbersAsLinuxDoes(t *testing.T) {
	h := topology.MustBuild("2 packages x 2 cores x 2 threads")
	assert.Equal(t, "0-7", h.Online.String())
	assert.Equal(t, map[int]cpuset.Set{0: cpuset.Of(0, 1, 4, 5), 1: cpuset.Of(2, 3, 6, 7)}, h.Packages())
	assert.Equal(t, h.Packages(), h.Nodes(), "without nodes in the line each package is one")
	assert.Equal(t, []cpuset.Set{cpuset.Of(0, 4), cpuset.Of(1, 5), cpuset.Of(2, 6), cpuset.Of(3, 7)}, h.Cores())
	c, ok := h.CPU(6)
	assert.True(t, ok)
	assert.Equal(t, topology.CPU{ID: 6, Package: 1, Node: 1, Core: 2, Siblings: cpuset.Of(2, 6)}, c)
	_, ok = h.CPU(8)
	assert.False(t, ok)
}

func TestBuildErrors(t *testing.T) {
	for line, want := range map[string]string{
		"":                          `topology "": "" is not a level; allowed are packages, nodes, cores and threads, each once, in this order`,
		"2 sockets":                 `topology "2 sockets": "2 sockets" is not a level; allowed are packages, nodes, cores and threads, each once, in this order`,
		"2 threads x 2 cores":       `topology "2 threads x 2 cores": "2 cores" is not a level; allowed are packages, nodes, cores and threads, each once, in this order`,
		"0 cores":                   `topology "0 cores": "0" is not a number from 1 to 8192`,
		"100 packages x 8192 cores": `topology "100 packages x 8192 cores": 819200 CPUs are more than 8192`,
		"two packages x 2 cores":    `topology "two packages x 2 cores": "two" is not a number from 1 to 8192`,
		"2 cores x 2 cores":         `topology "2 cores x 2 cores": "2 cores" is not a level; allowed are packages, nodes, cores and threads, each once, in this order`,
	} {
		_, err := topology.Build(line)
		assert.EqualError(t, err, want)
	}
	assert.Panics(t, func() { topology.MustBuild("x") })
}

func TestReadDegradesWithoutTopology(t *testing.T) {
	h, err := topology.Read(tree(t, map[string]string{"cpu/online": "0-1"}))
	require.NoError(t, err)
	assert.Equal(t, topology.Host{Online: cpuset.Of(0, 1), CPUs: []topology.CPU{
		{ID: 0, Core: 0, Siblings: cpuset.Of(0)}, {ID: 1, Core: 1, Siblings: cpuset.Of(1)},
	}}, h)
}

func TestReadOldKernelsAndOddValues(t *testing.T) {
	h, err := topology.Read(tree(t, map[string]string{
		"cpu/cpu0/topology/thread_siblings_list": "0,2",
		"cpu/cpu0/topology/physical_package_id":  "-1",
		"cpu/cpu2/topology/thread_siblings_list": "0,2",
		"cpu/cpu2/topology/physical_package_id":  "x",
		"cpu/cpufreq/none":                       "",
		"node/node1/cpulist":                     "2",
		"node/node3/cpulist":                     "broken",
	}))
	require.NoError(t, err)
	assert.Equal(t, topology.Host{Online: cpuset.Of(0, 2), CPUs: []topology.CPU{
		{ID: 0, Core: 0, Siblings: cpuset.Of(0, 2)}, {ID: 2, Node: 1, Core: 0, Siblings: cpuset.Of(0, 2)},
	}}, h, "a list of online CPUs is made from the directory when the file is missing")
}

func TestReadLeavesOfflineCPUsOut(t *testing.T) {
	files := asFiles(topology.MustBuild("2 cores x 2 threads"))
	files["cpu/online"] = "0-2"
	h, err := topology.Read(tree(t, files))
	require.NoError(t, err)
	assert.Len(t, h.CPUs, 3)
	assert.Equal(t, []cpuset.Set{cpuset.Of(0, 2), cpuset.Of(1)}, h.Cores())
}

func TestReadErrors(t *testing.T) {
	_, err := topology.Read(t.TempDir())
	require.ErrorIs(t, err, fs.ErrNotExist)
	root := tree(t, map[string]string{"cpu/online": "0-"})
	_, err = topology.Read(root)
	assert.ErrorContains(t, err, "online CPUs: "+filepath.Join(root, "sys/devices/system/cpu/online")+`: cpuset "0-"`)
	_, err = topology.Read(tree(t, map[string]string{"cpu/online": ""}))
	assert.ErrorContains(t, err, "lists none")
}

func TestReadThisHost(t *testing.T) {
	h, err := topology.Read("/")
	require.NoError(t, err)
	assert.Equal(t, h.Online.Len(), len(h.CPUs))
	for _, c := range h.CPUs {
		assert.True(t, c.Siblings.Contains(c.ID))
		assert.True(t, c.Siblings.IsSubsetOf(h.Online))
	}
}

// Whatever the shape, cores, nodes and packages each partition the online CPUs.
func TestLevelsPartitionTheHost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := func(label string) string { return cpuset.Of(rapid.IntRange(1, 4).Draw(t, label)).String() }
		h, err := topology.Build(n("p") + " packages x " + n("n") + " nodes x " + n("c") + " cores x " + n("t") + " threads")
		require.NoError(t, err)
		for _, sets := range [][]cpuset.Set{h.Cores(), values(h.Nodes()), values(h.Packages())} {
			var union cpuset.Set
			total := 0
			for _, s := range sets {
				union = union.Union(s)
				total += s.Len()
			}
			assert.Equal(t, h.Online, union)
			assert.Equal(t, h.Online.Len(), total)
		}
	})
}

func values(m map[int]cpuset.Set) []cpuset.Set {
	var out []cpuset.Set
	for _, s := range m {
		out = append(out, s)
	}
	return out
}

func FuzzBuild(f *testing.F) {
	f.Add("2 packages x 4 cores x 2 threads")
	f.Fuzz(func(t *testing.T, line string) {
		h, err := topology.Build(line)
		if err == nil && h.Online.Len() != len(h.CPUs) {
			t.Fatalf("%q: %d CPUs for %s", line, len(h.CPUs), h.Online)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	root := tree(b, asFiles(topology.MustBuild("2 packages x 32 cores x 2 threads")))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := topology.Read(root); err != nil {
			b.Fatal(err)
		}
	}
}
