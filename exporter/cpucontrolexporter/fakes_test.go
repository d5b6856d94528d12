package cpucontrolexporter

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/governor-project/governor/exporter/cpucontrolexporter/internal/metadata"
	"github.com/governor-project/governor/internal/api"
	"github.com/governor-project/governor/internal/control"
)

// testHost is a collector with the extensions that a test gives it.
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

func (h *testHost) reported() []*componentstatus.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.events
}

var storageID = component.MustNewIDWithName("file_storage", "state")

// memory is a storage extension that outlives the components of a test.
type memory struct {
	component.StartFunc
	component.ShutdownFunc
	mu    sync.Mutex
	data  map[string][]byte
	fails error
	open  int
}

func newMemory() *memory { return &memory{data: map[string][]byte{}} }

func (m *memory) GetClient(context.Context, component.Kind, component.ID, string) (storage.Client, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open++
	return m, nil
}

func (m *memory) Get(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.data[key], m.fails
}

func (m *memory) Set(_ context.Context, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fails == nil {
		m.data[key] = value
	}
	return m.fails
}

func (m *memory) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.data, key)
	return m.fails
}

func (m *memory) Batch(context.Context, ...*storage.Operation) error { return nil }

func (m *memory) Close(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open--
	return nil
}

// mux is an extension with an HTTP API.
type mux struct {
	component.StartFunc
	component.ShutdownFunc
	mu       sync.Mutex
	handlers map[string]http.Handler
}

func (m *mux) Mount(pattern string, h http.Handler) (func(), error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.handlers[pattern] = h
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.handlers, pattern)
	}, nil
}

func newTestController(t testing.TB, cfg *Config, open hostOpener) (*controller, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	set := exportertest.NewNopSettings(metadata.Type)
	set.Logger = zap.New(core)
	c, err := newController(set, cfg, open)
	require.NoError(t, err)
	return c, logs
}

func testConfig(mode string) *Config {
	cfg := createDefaultConfig().(*Config)
	cfg.Mode = mode
	cfg.InitialDelay = 0 // TestNothingIsTouchedBeforeTheInitialDelay has it
	id := storageID
	cfg.Storage = &id
	return cfg
}

// usageMetrics is what docker_stats sends for one container.
func usageMetrics(id string, u control.Usage) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("container.id", id)
	metrics := rm.ScopeMetrics().AppendEmpty().Metrics()
	for name, v := range map[string]uint64{metricUsage: u.UsageNS, metricPeriods: u.Periods, metricThrottled: u.ThrottledPeriods, metricStall: u.StallNS} {
		m := metrics.AppendEmpty()
		m.SetName(name)
		dp := m.SetEmptySum().DataPoints().AppendEmpty()
		dp.SetIntValue(int64(v))
		dp.SetTimestamp(pcommon.NewTimestampFromTime(u.At))
	}
	return md
}

func decisionsOf(c *controller) []api.Decision {
	all, _ := c.history.since(0, maxHistory)
	return all
}
