package containerlifecycleextension

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/xextension/storage"

	"github.com/governor-project/governor/internal/api"
	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/docker/dockertest"
	"github.com/governor-project/governor/internal/inventory"
)

func TestWithoutDockerTheAPISaysWhy(t *testing.T) {
	engine := dockertest.New("hotrod:1", "redis:7")
	engine.GoDown()
	a := prepare(t, engine, nil)
	a.begin(t)
	require.Eventually(t, func() bool { s, _ := a.host.last(); return s == componentstatus.StatusRecoverableError }, 20*time.Second, time.Millisecond)
	_, reason := a.host.last()
	assert.ErrorIs(t, reason, docker.ErrUnreachable)
	_, err := a.Up(t.Context(), "", []byte(shop))
	assert.Equal(t, 503, status(t, err))
	assert.EqualError(t, err, "the inventory is not in sync with Docker: docker: call: no Docker engine answers on fake")
	_, err = a.Down(t.Context(), "shop")
	assert.Equal(t, 503, status(t, err))
	beat, err := a.Heartbeat(t.Context())
	require.NoError(t, err)
	assert.False(t, beat.Inventory.Synced)
	assert.Contains(t, beat.Engine.Problem, "no Docker engine answers")

	engine.ComeBack()
	a.awaitDocker(t)
	require.Eventually(t, func() bool { s, _ := a.host.last(); return s == componentstatus.StatusOK }, 20*time.Second, time.Millisecond)
	_, err = a.Up(t.Context(), "", []byte(shop))
	require.NoError(t, err)
}

func TestTheCgroupTreeIsNoReplacementForDocker(t *testing.T) {
	engine := dockertest.New()
	engine.GoDown()
	a := prepare(t, engine, func(c *Config) { c.CgroupRoot = "/" })
	a.begin(t)
	a.awaitSynced(t) // from the tree
	_, err := a.Down(t.Context(), "shop")
	assert.Equal(t, 503, status(t, err))
	assert.ErrorContains(t, err, "the inventory is not in sync with Docker: docker: call: no Docker engine answers on fake")
	beat, err := a.Heartbeat(t.Context())
	require.NoError(t, err)
	assert.False(t, beat.Inventory.Synced)
}

func TestARealClientWithoutEngineStartsAndEnds(t *testing.T) {
	a := prepare(t, nil, func(c *Config) { c.Endpoint = "unix://" + filepath.Join(t.TempDir(), "nobody.sock") })
	a.begin(t)
	require.Eventually(t, func() bool { s, _ := a.host.last(); return s == componentstatus.StatusRecoverableError }, 20*time.Second, time.Millisecond)
	_, reason := a.host.last()
	assert.ErrorContains(t, reason, "no Docker engine answers on unix://")
}

func TestTheSocketIsMadeAndRemoved(t *testing.T) {
	a := prepare(t, dockertest.New(), nil)
	require.NoError(t, a.Start(t.Context(), a.host))
	info, err := os.Lstat(a.cfg.Socket)
	require.NoError(t, err)
	assert.Equal(t, os.ModeSocket|0o600, info.Mode())

	second := prepare(t, dockertest.New(), func(c *Config) { c.Socket = a.cfg.Socket })
	err = second.Start(t.Context(), second.host)
	assert.ErrorContains(t, err, "socket: another agent answers on "+a.cfg.Socket)
	require.NoError(t, second.Shutdown(t.Context()))
	require.FileExists(t, a.cfg.Socket)

	require.NoError(t, a.Shutdown(t.Context()))
	assert.NoFileExists(t, a.cfg.Socket)
}

// A request that is under way when the agent is told to end leaves nothing behind.
func TestShutdownRollsBackABatch(t *testing.T) {
	engine := dockertest.New("hotrod:1", "redis:7")
	engine.Behave("hotrod:1", dockertest.Behaviour{Health: []docker.Health{docker.HealthStarting}}) // never ready
	a := prepare(t, engine, nil)
	require.NoError(t, a.Start(t.Context(), a.host))
	a.awaitDocker(t)
	done := make(chan error, 1)
	go func() {
		_, err := a.Up(context.Background(), "", []byte(shop))
		done <- err
	}()
	require.Eventually(t, func() bool { return len(a.exec.App("shop")) == 2 }, 20*time.Second, time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // no patience at all
	require.NoError(t, a.Shutdown(ctx))
	assert.Error(t, <-done)
	left, err := engine.List(t.Context())
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestShutdownEndsThoseWhoFollowALog(t *testing.T) {
	a := prepare(t, dockertest.New("hotrod:1", "redis:7"), nil)
	require.NoError(t, a.Start(t.Context(), a.host))
	began := time.Now()
	require.NoError(t, a.Shutdown(t.Context()))
	assert.Less(t, time.Since(began), drainTime)
	require.Error(t, a.streaming.Err())
}

func TestLogs(t *testing.T) {
	a := started(t)
	a.engine.Behave("hotrod:1", dockertest.Behaviour{Log: "one\ntwo\n"})
	result, err := a.Up(t.Context(), "", []byte(shop))
	require.NoError(t, err)
	var text strings.Builder
	require.NoError(t, a.Logs(t.Context(), result.Apps["shop"].Containers[1].GUID, true, 5, &text))
	assert.Equal(t, "one\ntwo\n", text.String())
	text.Reset()
	require.NoError(t, a.Logs(t.Context(), result.Apps["shop"].Containers[0].GUID, false, 0, &text), "an empty log is no error")
	assert.Empty(t, text.String())
}

func TestMount(t *testing.T) {
	a := started(t)
	unmount, err := a.Mount("GET /v1/decisions", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"last_seq": 7}`)
	}))
	require.NoError(t, err)
	got, err := a.Decisions(t.Context(), 0, 1)
	require.NoError(t, err)
	assert.EqualValues(t, 7, got.LastSeq)

	for _, pattern := range []string{"GET /v1/decisions", "GET /v1/containers/{id}", "no pattern", "", "GET /v1/{"} {
		_, err = a.Mount(pattern, http.NotFoundHandler())
		assert.Error(t, err, pattern)
	}
	_, err = a.Apps(t.Context())
	require.NoError(t, err, "a refused pattern harms nothing")

	unmount()
	unmount()
	_, err = a.Decisions(t.Context(), 0, 1)
	assert.Equal(t, 404, status(t, err))

	found, ok := api.FindMounter(&statusHost{extensions: map[component.ID]component.Component{component.MustNewID("x"): a.containerLifecycle}})
	require.True(t, ok)
	assert.Same(t, a.containerLifecycle, found)
	reader, ok := inventory.Find(&statusHost{extensions: map[component.ID]component.Component{component.MustNewID("x"): a.containerLifecycle}})
	require.True(t, ok)
	assert.Same(t, a.store, reader)
}

func TestTelemetry(t *testing.T) {
	a := started(t)
	_, err := a.Up(t.Context(), "", []byte(shop))
	require.NoError(t, err)
	_, err = a.Operate(t.Context(), "start", "nobody-1")
	require.Error(t, err)
	operations, err := a.telemetry.GetMetric("otelcol_extension_container_lifecycle_operations")
	require.NoError(t, err)
	text := fmt.Sprintf("%+v", operations.Data)
	assert.Contains(t, text, "up")
	assert.Contains(t, text, "refused")
	for _, name := range []string{"containers", "synced", "requests"} {
		_, err := a.telemetry.GetMetric("otelcol_extension_container_lifecycle_" + name)
		assert.NoError(t, err, name)
	}
}

// keeper is a storage extension in memory.
type keeper struct {
	component.StartFunc
	component.ShutdownFunc
	kept map[string][]byte
	storage.Client
}

func (k *keeper) GetClient(context.Context, component.Kind, component.ID, string) (storage.Client, error) {
	return k, nil
}
func (k *keeper) Get(_ context.Context, key string) ([]byte, error) { return k.kept[key], nil }
func (k *keeper) Close(context.Context) error                       { return nil }
func (k *keeper) Set(_ context.Context, key string, value []byte) error {
	k.kept[key] = value
	return nil
}

func TestTheAgentsIdentityIsKept(t *testing.T) {
	id := component.MustNewID("file_storage")
	k := &keeper{kept: map[string][]byte{}}
	seen := map[string]bool{}
	for range 2 {
		a := prepare(t, dockertest.New(), func(c *Config) { c.Storage = &id })
		assert.Equal(t, []component.ID{id}, a.Dependencies())
		a.host.extensions = map[component.ID]component.Component{id: k}
		a.begin(t)
		seen[a.agentID] = true
	}
	assert.Len(t, seen, 1)

	a := prepare(t, dockertest.New(), func(c *Config) { c.Storage = &id })
	assert.EqualError(t, a.Start(t.Context(), a.host), `storage: extension "file_storage" is not running; configure it and list it under service::extensions`)
	require.NoError(t, a.Shutdown(t.Context()))
	a.host.extensions = map[component.ID]component.Component{id: componentOnly{}}
	assert.EqualError(t, a.Start(t.Context(), a.host), `storage: extension "file_storage" stores nothing; file_storage does`)
}

type componentOnly struct {
	component.StartFunc
	component.ShutdownFunc
}

func TestFactoryMakesTheExtension(t *testing.T) {
	e, err := NewFactory().Create(t.Context(), nopSettings(), createDefaultConfig())
	require.NoError(t, err)
	require.NoError(t, e.Shutdown(t.Context()))
	assert.NoError(t, componenttest.CheckConfigStruct(createDefaultConfig()))
}

func FuzzRequestBody(f *testing.F) {
	f.Add([]byte(shop), "file=shop.yaml")
	f.Add([]byte("apps: {a: {containers: {b: {image: missing}}}}"), "file=%00")
	f.Add([]byte{0xff}, "x=y&&;")
	a := started(f)
	f.Fuzz(func(t *testing.T, body []byte, query string) {
		request, err := http.NewRequest(http.MethodPost, "http://governor/v1/apps:plan", strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		request.URL.RawQuery = query
		w := &recorder{ResponseWriter: discard{header: http.Header{}}}
		a.routes.ServeHTTP(w, request)
		if w.status != 200 && (w.status < 400 || w.status > 499) {
			t.Fatalf("status %d", w.status)
		}
	})
}
