package dockerstatsreceiver

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/collector/scraper/scrapererror"

	"github.com/governor-project/governor/internal/cgroup/cgrouptest"
	"github.com/governor-project/governor/internal/inventory"
	"github.com/governor-project/governor/receiver/dockerstatsreceiver/internal/metadata"
)

const cpuUsage = "container.cpu.usage.total"

// setMetrics switches every metric of the configuration by its name.
func setMetrics(t testing.TB, cfg *Config, enabled func(name string) bool) {
	t.Helper()
	switches := map[string]any{}
	fields := reflect.TypeOf(cfg.Metrics)
	for i := range fields.NumField() {
		name := fields.Field(i).Tag.Get("mapstructure")
		switches[name] = map[string]any{"enabled": enabled(name)}
	}
	require.NoError(t, confmap.NewFromStringMap(map[string]any{"metrics": switches}).Unmarshal(cfg))
}

func TestScrapeOfEachLayout(t *testing.T) {
	for _, tree := range []string{cgrouptest.V1, cgrouptest.V2, cgrouptest.Hybrid, cgrouptest.V2Systemd, cgrouptest.V1Missing, cgrouptest.V2Missing} {
		t.Run(tree, func(t *testing.T) {
			f := newFixture(t, tree, func(c *Config) {
				setMetrics(t, c, func(string) bool { return true })
				c.ResourceAttributes.ContainerCommandLine.Enabled = true
				c.ContainerLabelsToMetricLabels = map[string]string{"team": "owner", "absent": "nobody"}
				c.EnvVarsToMetricLabels = map[string]string{"TIER": "tier"}
			})
			f.mustScrape(t)
			f.clock = f.clock.Add(time.Second)
			golden(t, tree, lines(f.mustScrape(t)))
		})
	}
}

func TestDefaultMetrics(t *testing.T) {
	f := newFixture(t, cgrouptest.V1, nil)
	golden(t, "default", lines(f.mustScrape(t)))
}

// A control loop that scrapes ten times a second opens what it needs and nothing else.
func TestOnlyNeededFilesAreOpened(t *testing.T) {
	f := newFixture(t, cgrouptest.V1, func(c *Config) {
		onlyMetrics(t, c, cpuUsage, "container.cpu.throttling_data.throttled_periods")
	})
	before := openFiles(t, f.root)
	f.mustScrape(t)
	assert.ElementsMatch(t, append(before, "cpu.stat", "cpuacct.usage"), openFiles(t, f.root))
	f.store.Remove(cgrouptest.ID)
	f.mustScrape(t)
	assert.ElementsMatch(t, before, openFiles(t, f.root), "a container that is gone costs nothing")
}

// openFiles lists this process's open files below root.
func openFiles(t *testing.T, root string) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	names := []string{}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name()))
		if err == nil && strings.HasPrefix(target, root) {
			names = append(names, filepath.Base(target))
		}
	}
	return names
}

func TestUtilization(t *testing.T) {
	f := newFixture(t, cgrouptest.V2, func(c *Config) { onlyMetrics(t, c, "container.cpu.utilization") })
	metrics := f.mustScrape(t)
	assert.Zero(t, metrics.DataPointCount(), "there is no interval yet")
	f.clock = f.clock.Add(2 * time.Second)
	stat := "sys/fs/cgroup/docker/" + cgrouptest.ID + "/cpu.stat"
	cgrouptest.Write(t, f.root, stat, "usage_usec 3584714\nuser_usec 1\nsystem_usec 1\n")
	assert.InDelta(t, 150, first(t, f.mustScrape(t), "container.cpu.utilization").DoubleValue(), 1e-9, "3 s of CPU in 2 s")
}

func TestStoppedContainersAreNotEmitted(t *testing.T) {
	f := newFixture(t, cgrouptest.V1, nil)
	assert.Equal(t, 1, f.mustScrape(t).ResourceMetrics().Len())
	stopped := fixtureContainer()
	stopped.PID, stopped.State = 0, inventory.StateExited
	f.store.Put(stopped)
	assert.Zero(t, f.mustScrape(t).ResourceMetrics().Len())
}

func TestPausedContainersAreEmitted(t *testing.T) {
	f := newFixture(t, cgrouptest.V1, nil)
	paused := fixtureContainer()
	paused.State = inventory.StatePaused
	f.store.Put(paused)
	assert.Equal(t, 1, f.mustScrape(t).ResourceMetrics().Len())
}

func TestVanishedContainerRaisesNoErrorAndLeavesNoHalfReading(t *testing.T) {
	f := newFixture(t, cgrouptest.V1, nil)
	other := fixtureContainer()
	other.ID, other.Name, other.PID = "ff"+cgrouptest.ID[2:], "other", 99
	copyContainer(t, f.root, other.ID, other.PID)
	f.store.Put(other)
	assert.Equal(t, 2, f.mustScrape(t).ResourceMetrics().Len())
	// The CPU files can still be read when the group's other files are already gone.
	require.NoError(t, os.RemoveAll(filepath.Join(f.root, "sys/fs/cgroup/memory/docker", other.ID)))
	require.NoError(t, f.following[other.ID].stats.Close())
	metrics := f.mustScrape(t)
	require.Equal(t, 1, metrics.ResourceMetrics().Len())
	points, _ := find(metrics, cpuUsage)
	assert.Equal(t, 1, points.Len(), "nothing of the vanished container slips into another's resource")
	assert.NotContains(t, f.following, other.ID)
}

// copyContainer gives the v1 tree a second container with the same figures.
func copyContainer(t testing.TB, root, id string, pid int) {
	t.Helper()
	for _, controller := range []string{"cpu,cpuacct", "cpuset", "memory", "blkio", "pids"} {
		dir := filepath.Join(root, "sys/fs/cgroup", controller, "docker")
		require.NoError(t, os.CopyFS(filepath.Join(dir, id), os.DirFS(filepath.Join(dir, cgrouptest.ID))))
	}
	process := filepath.Join(root, "proc", itoa(pid))
	require.NoError(t, os.CopyFS(process, os.DirFS(filepath.Join(root, "proc", itoa(cgrouptest.PID)))))
	text, err := os.ReadFile(filepath.Join(process, "cgroup"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(process, "cgroup"), []byte(strings.ReplaceAll(string(text), cgrouptest.ID, id)), 0o600))
}

func TestRestartHasANewStartTime(t *testing.T) {
	f := newFixture(t, cgrouptest.V1, nil)
	assert.Equal(t, startedAt, first(t, f.mustScrape(t), cpuUsage).StartTimestamp().AsTime())
	again := fixtureContainer()
	again.StartedAt = startedAt.Add(30 * time.Second)
	f.store.Put(again)
	cgrouptest.Write(t, f.root, "sys/fs/cgroup/cpu,cpuacct/docker/"+cgrouptest.ID+"/cpuacct.usage", "5\n")
	point := first(t, f.mustScrape(t), cpuUsage)
	assert.Equal(t, again.StartedAt, point.StartTimestamp().AsTime())
	assert.Equal(t, int64(5), point.IntValue())
}

func TestRenameKeepsTheRun(t *testing.T) {
	f := newFixture(t, cgrouptest.V1, nil)
	f.mustScrape(t)
	kept := f.following[cgrouptest.ID]
	renamed := fixtureContainer()
	renamed.Name = "renamed"
	f.store.Put(renamed)
	name, _ := f.mustScrape(t).ResourceMetrics().At(0).Resource().Attributes().Get("container.name")
	assert.Equal(t, "renamed", name.Str())
	assert.Same(t, kept, f.following[cgrouptest.ID])
}

func TestHostNetworkHasNoNetworkMetrics(t *testing.T) {
	f := newFixture(t, cgrouptest.V1, nil)
	host := fixtureContainer()
	host.HostNetwork = true
	f.store.Put(host)
	metrics := f.mustScrape(t)
	_, emitted := find(metrics, "container.network.io.usage.rx_bytes")
	assert.False(t, emitted)
	_, emitted = find(metrics, cpuUsage)
	assert.True(t, emitted)
}

// Without Docker's word the network namespace tells.
func TestHostNetworkIsFoundByItsNamespace(t *testing.T) {
	for target, emitted := range map[string]bool{"net:[1]": false, "net:[2]": true} {
		f := newFixture(t, cgrouptest.V1, nil)
		for pid, link := range map[string]string{"1": "net:[1]", itoa(cgrouptest.PID): target} {
			dir := filepath.Join(f.root, "proc", pid, "ns")
			require.NoError(t, os.MkdirAll(dir, 0o755))
			require.NoError(t, os.Symlink(link, filepath.Join(dir, "net")))
		}
		_, got := find(f.mustScrape(t), "container.network.io.usage.rx_bytes")
		assert.Equal(t, emitted, got, target)
	}
}

func TestExcludedImages(t *testing.T) {
	f := newFixture(t, cgrouptest.V1, func(c *Config) { c.ExcludedImages = []string{"shop/*"} })
	assert.Zero(t, f.mustScrape(t).ResourceMetrics().Len())
	assert.Empty(t, f.following)
}

func TestUnlimitedIsAbsent(t *testing.T) {
	f := newFixture(t, cgrouptest.V2, func(c *Config) {
		onlyMetrics(t, c, "container.cpu.quota", "container.cpu.limit", "container.memory.usage.limit", "container.pids.limit", "container.cpuset.size")
	})
	dir := "sys/fs/cgroup/docker/" + cgrouptest.ID + "/"
	cgrouptest.Write(t, f.root, dir+"cpu.max", "max 100000\n")
	cgrouptest.Write(t, f.root, dir+"cpuset.cpus.effective", "0-3\n")
	cgrouptest.Write(t, f.root, dir+"memory.max", "max\n")
	metrics := f.mustScrape(t)
	assert.Equal(t, 2, metrics.DataPointCount())
	assert.Equal(t, int64(24683556<<10), first(t, metrics, "container.memory.usage.limit").IntValue(), "the host's memory, as Docker shows it")
	assert.Equal(t, int64(4), first(t, metrics, "container.cpuset.size").IntValue())
}

func TestABrokenFileIsAPartialError(t *testing.T) {
	f := newFixture(t, cgrouptest.V1, nil)
	file := "sys/fs/cgroup/pids/docker/" + cgrouptest.ID + "/pids.current"
	cgrouptest.Write(t, f.root, file, "many\n")
	f.cfg.Metrics.ContainerPidsCount.Enabled = true
	f.rec.want.pids = true
	metrics, err := f.scrape(t.Context())
	var partial scrapererror.PartialScrapeError
	require.True(t, errors.As(err, &partial))
	assert.ErrorContains(t, err, "container shop-frontend: "+filepath.Join(f.root, file)+`: unexpected content "many\n"`)
	_, emitted := find(metrics, cpuUsage)
	assert.True(t, emitted, "what could be read is emitted")
}

func TestAProcessInNoGroupOfItsOwnIsLeftAlone(t *testing.T) {
	f := newFixture(t, cgrouptest.V1, nil)
	cgrouptest.Write(t, f.root, "proc/12803/cgroup", "1:cpu,cpuacct:/\n")
	assert.Zero(t, f.mustScrape(t).ResourceMetrics().Len())
	assert.Equal(t, map[string]string{cgrouptest.ID: "its process is in no group of its own"}, f.failing)
	f.store.Remove(cgrouptest.ID)
	f.mustScrape(t)
	assert.Empty(t, f.failing)
}

// The whole receiver, with the cgroup tree as the only source of names.
func TestReceiverWithoutDocker(t *testing.T) {
	for _, source := range []string{sourceCgroup, sourceAuto} {
		t.Run(source, func(t *testing.T) {
			cfg := createDefaultConfig().(*Config)
			cfg.RootPath = cgrouptest.Tree(t, cgrouptest.V2Systemd)
			cfg.Source, cfg.Endpoint = source, "unix://"+filepath.Join(t.TempDir(), "absent.sock")
			cfg.InitialDelay, cfg.CollectionInterval = 0, minInterval
			sink, host := &consumertest.MetricsSink{}, &testHost{}
			r, err := NewFactory().CreateMetrics(t.Context(), receivertest.NewNopSettings(metadata.Type), cfg, sink)
			require.NoError(t, err)
			require.NoError(t, r.Start(t.Context(), host), "an absent engine does not stop the receiver")
			defer func() { require.NoError(t, r.Shutdown(t.Context())) }()
			require.Eventually(t, func() bool { return sink.DataPointCount() > 0 }, 5*time.Second, 10*time.Millisecond)
			var attributes map[string]any
			for _, m := range sink.AllMetrics() {
				if m.ResourceMetrics().Len() > 0 {
					attributes = m.ResourceMetrics().At(0).Resource().Attributes().AsRaw()
				}
			}
			assert.Equal(t, map[string]any{
				"container.id": cgrouptest.ID, "container.name": cgrouptest.ID[:12], "container.hostname": cgrouptest.ID[:12],
				"container.runtime": "docker",
			}, attributes)
			if source == sourceAuto {
				assert.Contains(t, host.statuses(), componentstatus.StatusRecoverableError)
			} else {
				assert.NotContains(t, host.statuses(), componentstatus.StatusRecoverableError)
			}
		})
	}
}

func TestReceiverWithoutCgroups(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	cfg.RootPath, cfg.InitialDelay, cfg.CollectionInterval = t.TempDir(), 0, minInterval
	sink, host := &consumertest.MetricsSink{}, &testHost{}
	r, err := NewFactory().CreateMetrics(t.Context(), receivertest.NewNopSettings(metadata.Type), cfg, sink)
	require.NoError(t, err)
	require.NoError(t, r.Start(t.Context(), host), "the rest of the agent goes on")
	time.Sleep(2 * minInterval)
	require.NoError(t, r.Shutdown(t.Context()))
	assert.Equal(t, []componentstatus.Status{componentstatus.StatusRecoverableError}, host.statuses())
	assert.Zero(t, sink.DataPointCount())
}

// providerExtension hosts an inventory, as container_lifecycle does.
type providerExtension struct {
	component.StartFunc
	component.ShutdownFunc
	store *inventory.Store
}

func (p *providerExtension) Inventory() inventory.Reader { return p.store }

func TestReceiverUsesTheExtensionsInventory(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	cfg.RootPath = cgrouptest.Tree(t, cgrouptest.V1)
	cfg.InitialDelay, cfg.CollectionInterval = 0, minInterval
	cfg.Endpoint = "unix://" + filepath.Join(t.TempDir(), "absent.sock")
	extension := &providerExtension{store: &inventory.Store{}}
	extension.store.Replace([]inventory.Container{fixtureContainer()})
	host := &testHost{extensions: map[component.ID]component.Component{component.MustNewID("container_lifecycle"): extension}}
	sink := &consumertest.MetricsSink{}
	r, err := NewFactory().CreateMetrics(t.Context(), receivertest.NewNopSettings(metadata.Type), cfg, sink)
	require.NoError(t, err)
	require.NoError(t, r.Start(t.Context(), host))
	defer func() { require.NoError(t, r.Shutdown(t.Context())) }()
	require.Eventually(t, func() bool { return sink.DataPointCount() > 0 }, 5*time.Second, 10*time.Millisecond)
	name, _ := sink.AllMetrics()[0].ResourceMetrics().At(0).Resource().Attributes().Get("container.name")
	assert.Equal(t, "shop-frontend", name.Str())
	assert.Empty(t, host.statuses(), "the extension speaks for the engine")
}
