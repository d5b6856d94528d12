package dockerstatsreceiver

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/internal/cgroup/cgrouptest"
	"github.com/governor-project/governor/internal/inventory"
	"github.com/governor-project/governor/receiver/dockerstatsreceiver/internal/metadata"
)

// testHost is a collector with the given extensions that keeps what is reported to it.
type testHost struct {
	extensions map[component.ID]component.Component
	mu         sync.Mutex
	events     []*componentstatus.Event
}

func (h *testHost) GetExtensions() map[component.ID]component.Component { return h.extensions }

func (h *testHost) Report(e *componentstatus.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
}

func (h *testHost) statuses() []componentstatus.Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []componentstatus.Status
	for _, e := range h.events {
		out = append(out, e.Status())
	}
	return out
}

var startedAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// fixtureContainer is the container of the fixture trees as Docker would describe it.
func fixtureContainer() inventory.Container {
	return inventory.Container{
		ID: cgrouptest.ID, Name: "shop-frontend", Image: "shop/frontend:1", Hostname: "frontend", Runtime: "docker",
		Labels: map[string]string{"team": "shop"}, Env: map[string]string{"TIER": "a=b"}, Command: "/app serve",
		State: inventory.StateRunning, PID: cgrouptest.PID, StartedAt: startedAt, Restarts: 2,
	}
}

// fixture is a scraper over a fixture tree, with names from a store and a clock of its own.
type fixture struct {
	*containerScraper
	root  string
	store *inventory.Store
	clock time.Time
}

func newFixture(t testing.TB, tree string, configure func(*Config)) *fixture {
	t.Helper()
	root := cgrouptest.Tree(t, tree)
	cgrouptest.Write(t, root, "sys/devices/system/cpu/online", "0-3\n")
	cfg := createDefaultConfig().(*Config)
	cfg.RootPath = root
	if configure != nil {
		configure(cfg)
	}
	require.NoError(t, cfg.Validate())
	s, err := newContainerScraper(cfg, receivertest.NewNopSettings(metadata.Type))
	require.NoError(t, err)
	f := &fixture{containerScraper: s, root: root, store: &inventory.Store{}, clock: startedAt.Add(time.Minute)}
	s.groups, err = cgroup.Open(root)
	require.NoError(t, err)
	s.rec.host.memory, err = s.groups.MemTotal()
	require.NoError(t, err)
	s.names, s.now = f.store, func() time.Time { return f.clock }
	f.store.Replace([]inventory.Container{fixtureContainer()})
	t.Cleanup(func() { require.NoError(t, s.shutdown(t.Context())) })
	return f
}

func (f *fixture) mustScrape(t testing.TB) pmetric.Metrics {
	t.Helper()
	metrics, err := f.scrape(t.Context())
	require.NoError(t, err)
	return metrics
}

// onlyMetrics enables the named metrics and no other.
func onlyMetrics(t testing.TB, cfg *Config, names ...string) {
	t.Helper()
	setMetrics(t, cfg, func(name string) bool { return slices.Contains(names, name) })
}

// lines writes metrics as sorted text, one data point a line.
func lines(metrics pmetric.Metrics) []string {
	var out []string
	for _, rm := range metrics.ResourceMetrics().All() {
		var attributes []string
		for k, v := range rm.Resource().Attributes().All() {
			attributes = append(attributes, k+"="+v.AsString())
		}
		sort.Strings(attributes)
		out = append(out, "resource "+strings.Join(attributes, " "))
		var points []string
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				points = append(points, metricLines(m)...)
			}
		}
		sort.Strings(points)
		out = append(out, points...)
	}
	return out
}

func metricLines(m pmetric.Metric) []string {
	var kind string
	var points pmetric.NumberDataPointSlice
	switch {
	case m.Type() == pmetric.MetricTypeGauge:
		kind, points = "gauge", m.Gauge().DataPoints()
	case m.Sum().IsMonotonic():
		kind, points = "counter", m.Sum().DataPoints()
	default:
		kind, points = "sum", m.Sum().DataPoints()
	}
	var out []string
	for _, p := range points.All() {
		value := fmt.Sprint(p.IntValue())
		if p.ValueType() == pmetric.NumberDataPointValueTypeDouble {
			value = fmt.Sprintf("%.6g", p.DoubleValue())
		}
		var attributes []string
		for k, v := range p.Attributes().All() {
			attributes = append(attributes, k+"="+v.AsString())
		}
		sort.Strings(attributes)
		out = append(out, fmt.Sprintf("%s{%s} %s %s [%s] since %s at %s", m.Name(), strings.Join(attributes, ","), value, m.Unit(), kind,
			p.StartTimestamp().AsTime().Format(time.RFC3339), p.Timestamp().AsTime().Format(time.RFC3339)))
	}
	return out
}

// golden compares with testdata/golden. With GOVERNOR_UPDATE_GOLDEN set the file
// is written anew, and the test fails so that none slips in.
func golden(t *testing.T, name string, got []string) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name+".txt")
	text := strings.Join(got, "\n") + "\n"
	if os.Getenv("GOVERNOR_UPDATE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		t.Fatalf("%s has been written anew: read it, then run the test again", file)
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), text)
}

// find returns the metric's points in the first resource that has it.
func find(metrics pmetric.Metrics, name string) (pmetric.NumberDataPointSlice, bool) {
	for _, rm := range metrics.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				if m.Name() != name {
					continue
				}
				if m.Type() == pmetric.MetricTypeSum {
					return m.Sum().DataPoints(), true
				}
				return m.Gauge().DataPoints(), true
			}
		}
	}
	return pmetric.NewNumberDataPointSlice(), false
}

func first(t testing.TB, metrics pmetric.Metrics, name string) pmetric.NumberDataPoint {
	t.Helper()
	points, ok := find(metrics, name)
	require.True(t, ok, "%s was not emitted", name)
	return points.At(0)
}

func itoa(n int) string { return fmt.Sprint(n) }
