package containerlifecycleextension

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensiontest"

	"github.com/governor-project/governor/internal/api"
	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/docker/dockertest"
)

const shop = `apps:
  shop:
    class: latency_critical
    objective: {percentile: 95, target: 50ms}
    containers:
      web: {image: hotrod:1, ports: ["0:8080"], depends_on: [redis]}
      redis: {image: redis:7}
`

// statusHost is a host that keeps what components report of themselves.
type statusHost struct {
	extensions map[component.ID]component.Component
	mu         sync.Mutex
	events     []*componentstatus.Event
}

func (h *statusHost) GetExtensions() map[component.ID]component.Component { return h.extensions }

func (h *statusHost) Report(event *componentstatus.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, event)
}

func (h *statusHost) last() (componentstatus.Status, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.events) == 0 {
		return componentstatus.StatusNone, nil
	}
	event := h.events[len(h.events)-1]
	return event.Status(), event.Err()
}

// agent is the extension, started, with a client that talks to its socket.
type agent struct {
	*containerLifecycle
	*api.Client
	host      *statusHost
	engine    *dockertest.Engine
	telemetry *componenttest.Telemetry
}

// prepare makes an agent on an engine in memory, not started.
func prepare(t testing.TB, engine docker.Client, change func(*Config)) *agent {
	t.Helper()
	cfg := createDefaultConfig().(*Config)
	cfg.Socket = filepath.Join(t.TempDir(), "s")
	cfg.CgroupRoot = t.TempDir() // no cgroups and no CPUs of this host
	if change != nil {
		change(cfg)
	}
	a := &agent{host: &statusHost{}, telemetry: componenttest.NewTelemetry()}
	t.Cleanup(func() { _ = a.telemetry.Shutdown(context.Background()) })
	set := extension.Settings{ID: component.MustNewID("container_lifecycle"), TelemetrySettings: a.telemetry.NewTelemetrySettings(), BuildInfo: component.BuildInfo{Version: "1.2.3"}}
	open := func(docker.Options) (docker.Client, error) { return engine, nil }
	if engine == nil {
		open = openDocker
	}
	e, err := newLifecycle(set, cfg, open)
	require.NoError(t, err)
	a.containerLifecycle, a.Client = e, api.NewClient(cfg.Socket)
	t.Cleanup(a.Close)
	return a
}

func (a *agent) begin(t testing.TB) {
	t.Helper()
	require.NoError(t, a.Start(t.Context(), a.host))
	t.Cleanup(func() { require.NoError(t, a.Shutdown(context.Background())) })
}

// started is an agent on an engine in memory that is in sync with it.
func started(t testing.TB) *agent {
	t.Helper()
	engine := dockertest.New("hotrod:1", "redis:7")
	a := prepare(t, engine, nil)
	a.engine = engine
	a.begin(t)
	a.awaitDocker(t)
	return a
}

func (a *agent) awaitSynced(t testing.TB) {
	t.Helper()
	require.Eventually(t, a.store.Synced, 20*time.Second, time.Millisecond)
}

func (a *agent) awaitDocker(t testing.TB) {
	t.Helper()
	require.Eventually(t, a.synced, 20*time.Second, time.Millisecond)
}

func status(t testing.TB, err error) int {
	t.Helper()
	var problem *api.Problem
	if err == nil {
		return http.StatusOK
	}
	require.True(t, errors.As(err, &problem), "%v", err)
	return problem.Status
}

func nopSettings() extension.Settings {
	return extensiontest.NewNopSettings(component.MustNewType("container_lifecycle"))
}
