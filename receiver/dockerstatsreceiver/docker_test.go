//go:build docker

package dockerstatsreceiver

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap/zaptest"

	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/docker/dockertest"
	"github.com/governor-project/governor/internal/inventory"
	"github.com/governor-project/governor/receiver/dockerstatsreceiver/internal/metadata"
)

const burnPackage = "github.com/governor-project/governor/receiver/dockerstatsreceiver/testdata/burn"

// engine is the real engine with an image of the burn program, all of which goes
// with the test.
func engine(t *testing.T) (docker.Client, string) {
	t.Helper()
	c := dockertest.Real(t)
	ref := "governor-test-burn:" + strconv.Itoa(os.Getpid())
	require.NoError(t, docker.ImportBinary(t.Context(), c, ref, dockertest.Program(t, burnPackage), "LABEL "+dockertest.Label+"="+t.Name()))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		assert.NoError(t, c.ImageRemove(ctx, ref, true))
	})
	dockertest.CleanUp(t, c)
	return c, ref
}

func run(t *testing.T, c docker.Client, image string, change func(*docker.CreateSpec)) docker.Container {
	t.Helper()
	spec := docker.CreateSpec{Image: image, Labels: dockertest.Labels(t), Command: []string{"1"}}
	change(&spec)
	id, err := c.Create(t.Context(), spec)
	require.NoError(t, err)
	require.NoError(t, c.Start(t.Context(), id))
	info, err := c.Inspect(t.Context(), id)
	require.NoError(t, err)
	return info
}

// receive runs the receiver until the test ends.
func receive(t *testing.T, host *testHost, change func(*Config)) *consumertest.MetricsSink {
	t.Helper()
	cfg := createDefaultConfig().(*Config)
	cfg.CollectionInterval, cfg.InitialDelay = 100*time.Millisecond, 0
	change(cfg)
	require.NoError(t, cfg.Validate())
	sink := &consumertest.MetricsSink{}
	set := receivertest.NewNopSettings(metadata.Type)
	set.Logger = zaptest.NewLogger(t)
	r, err := NewFactory().CreateMetrics(t.Context(), set, cfg, sink)
	require.NoError(t, err)
	require.NoError(t, r.Start(t.Context(), host))
	t.Cleanup(func() { assert.NoError(t, r.Shutdown(context.Background())) })
	return sink
}

// latest is the newest resource of a container, false when the newest scrape has none.
func latest(sink *consumertest.MetricsSink, id string) (pmetric.Metrics, bool) {
	all := sink.AllMetrics()
	if len(all) == 0 {
		return pmetric.NewMetrics(), false
	}
	for _, rm := range all[len(all)-1].ResourceMetrics().All() {
		if got, _ := rm.Resource().Attributes().Get("container.id"); got.Str() == id {
			out := pmetric.NewMetrics()
			rm.CopyTo(out.ResourceMetrics().AppendEmpty())
			return out, true
		}
	}
	return pmetric.NewMetrics(), false
}

func await(t *testing.T, sink *consumertest.MetricsSink, id string, condition func(pmetric.Metrics) bool) pmetric.Metrics {
	t.Helper()
	var found pmetric.Metrics
	require.Eventually(t, func() bool {
		m, ok := latest(sink, id)
		found = m
		return ok && (condition == nil || condition(m))
	}, 20*time.Second, 20*time.Millisecond)
	return found
}

func usageOfKernel(t *testing.T, pid int) int64 {
	t.Helper()
	groups, err := cgroup.Open("/")
	require.NoError(t, err)
	g, err := groups.GroupOf(pid)
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(g.Dir("cpuacct"), "cpuacct.usage"))
	require.NoError(t, err)
	ns, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	require.NoError(t, err)
	return ns
}

func TestRealContainerUnderQuota(t *testing.T) {
	c, image := engine(t)
	info := run(t, c, image, func(s *docker.CreateSpec) {
		s.Name, s.Hostname, s.Quota, s.CPUs, s.Memory = "governor-test-stats", "stats", 0.3, "0", 64<<20
		s.Command = []string{"2", "write"}
		s.Env = map[string]string{"TIER": "a=b"}
	})
	sink := receive(t, &testHost{}, func(cfg *Config) {
		cfg.EnvVarsToMetricLabels = map[string]string{"TIER": "tier"}
		cfg.Metrics.ContainerPidsCount.Enabled = true
		cfg.Metrics.ContainerRestarts.Enabled = true
	})
	before := await(t, sink, info.ID, nil)
	attributes := before.ResourceMetrics().At(0).Resource().Attributes().AsRaw()
	assert.Equal(t, map[string]any{
		"container.id": info.ID, "container.name": "governor-test-stats", "container.hostname": "stats",
		"container.image.name": image, "container.runtime": "docker", "tier": "a=b",
	}, attributes)

	sendDatagrams(t, info.Networks[0].Addresses[0].String())
	grown := func(m pmetric.Metrics, name string) int64 {
		return first(t, m, name).IntValue() - first(t, before, name).IntValue()
	}
	await(t, sink, info.ID, func(m pmetric.Metrics) bool { // how soon depends on what else the CPU has to do
		return grown(m, "container.cpu.throttling_data.throttled_periods") > 5 &&
			grown(m, "container.cpu.throttling_data.throttled_time") > int64(100*time.Millisecond) &&
			grown(m, "container.cpu.stall.time") > int64(100*time.Millisecond) &&
			grown(m, "container.network.io.usage.rx_bytes") >= 10*1000
	})
	low := usageOfKernel(t, info.PID)
	from := len(sink.AllMetrics())
	require.Eventually(t, func() bool { return len(sink.AllMetrics()) > from+1 }, 5*time.Second, 5*time.Millisecond)
	after, ok := latest(sink, info.ID)
	require.True(t, ok)
	usage := first(t, after, cpuUsage)
	assert.GreaterOrEqual(t, usage.IntValue(), low, "at least what the kernel said before")
	assert.LessOrEqual(t, usage.IntValue(), usageOfKernel(t, info.PID), "at most what it says now")
	assert.WithinDuration(t, info.StartedAt, usage.StartTimestamp().AsTime(), time.Millisecond)

	elapsed := usage.Timestamp().AsTime().Sub(first(t, before, cpuUsage).Timestamp().AsTime())
	assert.Positive(t, grown(after, cpuUsage))
	assert.LessOrEqual(t, grown(after, cpuUsage), int64(elapsed)*3/10+int64(60*time.Millisecond), "a quota of 0.3 CPUs")
	assert.InDelta(t, 0.3, first(t, after, "container.cpu.quota").DoubleValue(), 1e-9)
	assert.Equal(t, int64(1), first(t, after, "container.cpuset.size").IntValue())
	assert.Equal(t, int64(64<<20), first(t, after, "container.memory.usage.limit").IntValue())
	assert.Positive(t, first(t, after, "container.memory.usage.total").IntValue())
	assert.GreaterOrEqual(t, first(t, after, "container.pids.count").IntValue(), int64(3))
	assert.Equal(t, writtenOfKernel(t, info.PID), written(after), "what the kernel counts, which may be nothing on v1")
}

// sendDatagrams makes traffic; nobody needs to listen for it to be counted.
func sendDatagrams(t *testing.T, address string) {
	t.Helper()
	conn, err := net.Dial("udp", net.JoinHostPort(address, "9"))
	require.NoError(t, err)
	defer conn.Close()
	for range 40 {
		_, _ = conn.Write(make([]byte, 1000)) // each refusal of one is reported by another, which is then not sent
	}
}

func written(m pmetric.Metrics) (bytes int64) {
	points, _ := find(m, "container.blockio.io_service_bytes_recursive")
	for _, p := range points.All() {
		if operation, _ := p.Attributes().Get("operation"); operation.Str() == "write" {
			bytes += p.IntValue()
		}
	}
	return bytes
}

func writtenOfKernel(t *testing.T, pid int) (bytes int64) {
	t.Helper()
	groups, err := cgroup.Open("/")
	require.NoError(t, err)
	g, err := groups.GroupOf(pid)
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(g.Dir("blkio"), "blkio.throttle.io_service_bytes_recursive"))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[1] == "Write" {
			n, err := strconv.ParseInt(fields[2], 10, 64)
			require.NoError(t, err)
			bytes += n
		}
	}
	return bytes
}

func TestRealContainerWithoutQuotaStalls(t *testing.T) {
	c, image := engine(t)
	info := run(t, c, image, func(s *docker.CreateSpec) {
		s.CPUs, s.Command, s.NetworkMode = "0", []string{"3"}, "host"
	})
	sink := receive(t, &testHost{}, func(*Config) {})
	before := first(t, await(t, sink, info.ID, nil), "container.cpu.stall.time").IntValue()
	after := await(t, sink, info.ID, func(m pmetric.Metrics) bool {
		return first(t, m, "container.cpu.stall.time").IntValue() > before+int64(300*time.Millisecond)
	})
	_, limited := find(after, "container.cpu.quota")
	assert.False(t, limited)
	_, network := find(after, "container.network.io.usage.rx_bytes")
	assert.False(t, network, "the host's interfaces are not the container's")
}

func TestRealRestartStopAndLateStart(t *testing.T) {
	c, image := engine(t)
	sink := receive(t, &testHost{}, func(*Config) {})
	info := run(t, c, image, func(*docker.CreateSpec) {})
	started := first(t, await(t, sink, info.ID, nil), cpuUsage)

	require.NoError(t, c.Restart(t.Context(), info.ID, 0))
	again, err := c.Inspect(t.Context(), info.ID)
	require.NoError(t, err)
	m := await(t, sink, info.ID, func(m pmetric.Metrics) bool {
		return first(t, m, cpuUsage).StartTimestamp() > started.StartTimestamp()
	})
	assert.WithinDuration(t, again.StartedAt, first(t, m, cpuUsage).StartTimestamp().AsTime(), time.Millisecond)
	assertNoFalseReset(t, sink, info.ID)

	require.NoError(t, c.Stop(t.Context(), info.ID, 0))
	require.Eventually(t, func() bool {
		_, ok := latest(sink, info.ID)
		return !ok
	}, 10*time.Second, 20*time.Millisecond, "a stopped container is not emitted")
}

// assertNoFalseReset: within one start time the usage never falls, and is never zero.
func assertNoFalseReset(t *testing.T, sink *consumertest.MetricsSink, id string) {
	t.Helper()
	last := map[int64]int64{}
	for _, m := range sink.AllMetrics() {
		for _, rm := range m.ResourceMetrics().All() {
			if got, _ := rm.Resource().Attributes().Get("container.id"); got.Str() != id {
				continue
			}
			one := pmetric.NewMetrics()
			rm.CopyTo(one.ResourceMetrics().AppendEmpty())
			point := first(t, one, cpuUsage)
			start := int64(point.StartTimestamp())
			assert.Positive(t, point.IntValue())
			assert.GreaterOrEqual(t, point.IntValue(), last[start])
			last[start] = point.IntValue()
		}
	}
}

// The engine cannot be reached at start; when it answers, names appear.
func TestRealEngineComesLater(t *testing.T) {
	c, image := engine(t)
	created := time.Now()
	info := run(t, c, image, func(s *docker.CreateSpec) { s.Name = "governor-test-later" })
	socket, host := filepath.Join(t.TempDir(), "engine.sock"), &testHost{}
	sink := receive(t, host, func(cfg *Config) { cfg.Endpoint = "unix://" + socket })
	name := func(m pmetric.Metrics) string {
		v, _ := m.ResourceMetrics().At(0).Resource().Attributes().Get("container.name")
		return v.Str()
	}
	early := await(t, sink, info.ID, nil)
	assert.Equal(t, docker.ShortID(info.ID), name(early), "the cgroup tree knows no names")
	const precision = 2 * time.Second // the boot time is known to the second
	assert.WithinRange(t, first(t, early, cpuUsage).StartTimestamp().AsTime(), created.Add(-precision), info.StartedAt.Add(precision))
	assert.Contains(t, host.statuses(), componentstatus.StatusRecoverableError)

	require.NoError(t, os.Symlink(strings.TrimPrefix(docker.DefaultHost, "unix://"), socket))
	late := await(t, sink, info.ID, func(m pmetric.Metrics) bool { return name(m) == "governor-test-later" })
	assert.Greater(t, first(t, late, cpuUsage).IntValue(), first(t, early, cpuUsage).IntValue(), "the counters go on")
	statuses := host.statuses()
	assert.Equal(t, componentstatus.StatusOK, statuses[len(statuses)-1])
}

// scrapeBudget is what a scrape of two containers for the control loop may cost.
const scrapeBudget = 100 * time.Microsecond

func TestRealControlScrapeIsCheap(t *testing.T) {
	c, image := engine(t)
	store := &inventory.Store{}
	for range 2 {
		info := run(t, c, image, func(s *docker.CreateSpec) { s.Quota = 0.05 })
		store.Put(inventory.Container{ID: info.ID, Name: info.Name, PID: info.PID, StartedAt: info.StartedAt, State: inventory.StateRunning})
	}
	cfg := createDefaultConfig().(*Config)
	onlyMetrics(t, cfg, cpuUsage, "container.cpu.throttling_data.periods", "container.cpu.throttling_data.throttled_periods",
		"container.cpu.throttling_data.throttled_time", "container.cpu.stall.time")
	s, err := newContainerScraper(cfg, receivertest.NewNopSettings(metadata.Type))
	require.NoError(t, err)
	defer func() { require.NoError(t, s.shutdown(t.Context())) }()
	s.groups, err = cgroup.Open("/")
	require.NoError(t, err)
	s.names = store
	scrape := func() {
		metrics, err := s.scrape(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, metrics.ResourceMetrics().Len())
	}
	scrape()
	const rounds = 500
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := threadCPU(t)
	for range rounds {
		scrape()
	}
	each := (threadCPU(t) - before) / rounds
	t.Logf("%s of CPU for each scrape of two containers", each)
	assert.Less(t, each, scrapeBudget)
}

func threadCPU(t *testing.T) time.Duration {
	t.Helper()
	const rusageThread = 1
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(rusageThread, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
