package cpucontrolexporter

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.uber.org/zap"

	"github.com/governor-project/governor/exporter/cpucontrolexporter/internal/metadata"
	"github.com/governor-project/governor/internal/api"
	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/inventory"
)

func TestANewContainerIsWeightedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c := f.controller(modeEnforce)
		require.NoError(t, c.start(t.Context(), f.host))
		time.Sleep(50 * time.Millisecond) // between two ticks
		began := time.Now()
		g := f.add(7, "batch", batch)
		synctest.Wait()
		assert.EqualValues(t, 2, g.limits.Shares)
		assert.Zero(t, time.Since(began), "not at the next tick")

		other := f.add(8, "", appspec.Policy{})
		synctest.Wait()
		assert.EqualValues(t, 1024, other.limits.Shares, "unmanaged")
		assert.Zero(t, other.writes)

		f.store.Put(inventory.Container{ID: id(7), Name: "c7", State: inventory.StateRunning, PID: 7})
		synctest.Wait()
		assert.EqualValues(t, 1024, g.limits.Shares, "not managed any more")

		paused := inventory.Container{ID: id(7), Name: "c7", App: "batch", Policy: batch, State: inventory.StateRunning, PID: 7}
		f.store.Put(paused)
		synctest.Wait()
		assert.EqualValues(t, 2, g.limits.Shares)
		paused.State = inventory.StatePaused
		f.store.Put(paused)
		synctest.Wait()
		assert.EqualValues(t, 1024, g.limits.Shares, "paused, and its original is not lost")
		require.NoError(t, c.shutdown(t.Context()))
		assert.Equal(t, 1, f.closed)
		assert.Zero(t, f.memory.open)
	})
}

// A collector that cannot start has touched no container.
func TestNothingIsTouchedBeforeTheInitialDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		g := f.add(7, "batch", batch)
		c := f.controller(modeEnforce)
		c.cfg.InitialDelay = time.Second
		require.NoError(t, c.start(t.Context(), f.host))
		time.Sleep(999 * time.Millisecond)
		f.store.Remove(id(99)) // a change of the inventory is no reason either
		synctest.Wait()
		assert.Empty(t, decisionsOf(c))
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		assert.EqualValues(t, 2, g.limits.Shares)
		require.NoError(t, c.shutdown(t.Context()))
	})
}

func TestTheLoopEndToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		g := f.add(7, "shop", shop)
		noise := f.add(8, "batch", batch)
		c := f.controller(modeEnforce)
		require.NoError(t, c.start(t.Context(), f.host))
		f.does(c, 8, 200*time.Millisecond, 0.5, 0)
		f.does(c, 7, 400*time.Millisecond, 1, 0.8)
		assert.Equal(t, "0-1", g.limits.CPUs.String())
		assert.Equal(t, "0-1", noise.limits.CPUs.String())
		require.NoError(t, c.consumeTraces(t.Context(), spans("shop", stamped(80))))
		f.does(c, 7, 2*time.Second, 0.9, 0.2)

		var decisions api.Decisions
		f.get("GET /v1/decisions", "?limit=2", &decisions)
		require.Len(t, decisions.Decisions, 2)
		assert.EqualValues(t, 3, decisions.LastSeq)
		assert.EqualValues(t, 1, decisions.Decisions[0].Seq)
		f.get("GET /v1/decisions", "?after=2", &decisions)
		require.Len(t, decisions.Decisions, 1)
		d := decisions.Decisions[0]
		d.Time, d.Reason = time.Time{}, ""
		assert.Equal(t, api.Decision{
			Seq: 3, Pool: "0-1", ContainerID: id(8), Container: "c8", App: "batch", Class: "best_effort",
			Resource: "cpuset", Before: "0", After: "0-1", Rule: "follow", Mode: "enforce", Result: "written",
		}, d)
		var latency api.Latencies
		f.get("GET /v1/latency", "", &latency)
		require.Len(t, latency.Apps, 2)
		assert.Equal(t, "shop", latency.Apps[1].App)
		assert.Equal(t, "p95 ≤ 50ms (trace)", latency.Apps[1].Objective)
		assert.Equal(t, 1, latency.Apps[1].Count)
		assert.InEpsilon(t, 80, latency.Apps[1].LatencyMS, 0.07)
		assert.Equal(t, "violating", latency.Apps[1].State)
		assert.Greater(t, latency.Apps[1].ViolationSeconds, 0.9)

		require.NoError(t, c.shutdown(t.Context()))
		assert.Equal(t, "0", g.limits.CPUs.String())
		assert.EqualValues(t, 1024, noise.limits.Shares)
		assert.Empty(t, f.mux.handlers, "unmounted")
	})
}

func TestBadQueries(t *testing.T) {
	c, _ := newTestController(t, testConfig(modeObserve), noHost)
	for query, message := range map[string]string{
		"?after=x":         `{"error":"after: \"x\" is not a number from 0 on"}`,
		"?limit=0":         `{"error":"limit: 0 is not allowed; it lies between 1 and 100000"}`,
		"?after=-1&limit=": `{"error":"after: \"-1\" is not a number from 0 on"}`,
	} {
		w := httptest.NewRecorder()
		c.serveDecisions(w, httptest.NewRequest(http.MethodGet, "/v1/decisions"+query, nil))
		assert.Equal(t, http.StatusBadRequest, w.Code)
		assert.JSONEq(t, message, w.Body.String())
	}
}

func TestHistoryKeepsTheNewest(t *testing.T) {
	h := newHistory(3)
	all, last := h.since(0, 10)
	assert.Empty(t, all)
	assert.Zero(t, last)
	for i := range 8 {
		h.add(api.Decision{App: fmt.Sprint(i)})
	}
	all, last = h.since(0, 10)
	assert.EqualValues(t, 8, last)
	require.Len(t, all, 3)
	assert.EqualValues(t, 6, all[0].Seq)
	assert.Equal(t, "5", all[0].App)
	all, _ = h.since(7, 10)
	require.Len(t, all, 1)
	all, _ = h.since(99, 10)
	assert.Empty(t, all)
}

func TestWithoutPermissionItObservesAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		g := f.add(7, "batch", batch)
		g.fails = fmt.Errorf("open cpu.shares: %w", fs.ErrPermission)
		c := f.controller(modeEnforce)
		require.NoError(t, c.start(t.Context(), f.host))
		time.Sleep(2 * time.Second)
		events := f.host.reported()
		require.Len(t, events, 1, "said once")
		assert.Equal(t, componentstatus.StatusRecoverableError, events[0].Status())
		assert.ErrorIs(t, events[0].Err(), fs.ErrPermission)
		assert.Equal(t, 1, g.writes, "no loop of writes")
		assert.Equal(t, modeObserve, c.status.Load().mode())
		f.add(8, "batch", batch)
		synctest.Wait()
		all := decisionsOf(c)
		assert.Equal(t, "failed", all[0].Result)
		assert.Equal(t, "observed", all[len(all)-1].Result)
		assert.Equal(t, modeObserve, all[len(all)-1].Mode)
		require.NoError(t, c.shutdown(t.Context()))
	})
}

func TestWithoutCgroupsItStartsAndSaysSo(t *testing.T) {
	f := newFake(t)
	c := f.controller(modeEnforce)
	c.open = func(component.Host, *Config, *zap.Logger) (edges, error) {
		return edges{reader: f.store, closeFeed: func() { f.closed++ }}, nil
	}
	require.NoError(t, c.start(t.Context(), f.host))
	require.Len(t, f.host.reported(), 1)
	require.NoError(t, c.shutdown(t.Context()))
	assert.Equal(t, 1, f.closed)
}

func TestStartFailsCleanly(t *testing.T) {
	for name, c := range map[string]struct {
		break_  func(*fake, *controller)
		message string
	}{
		"no such extension": {func(f *fake, _ *controller) { delete(f.host.extensions, storageID) },
			`storage: extension "file_storage/state" is not running; configure it and list it under service::extensions`},
		"not a storage": {func(f *fake, _ *controller) { f.host.extensions[storageID] = f.mux },
			`storage: extension "file_storage/state" stores nothing; file_storage does`},
		"unreadable journal": {func(f *fake, _ *controller) { f.memory.fails = errors.New("corrupt") },
			"journal: originals: corrupt"},
		"offline CPU": {func(_ *fake, c *controller) { c.cfg.Pool.CPUs = "5" },
			`pool.cpus "5": CPU 5 is offline; online are 0-1`},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			e := f.controller(modeEnforce)
			c.break_(f, e)
			assert.EqualError(t, e.start(t.Context(), f.host), c.message)
			assert.Zero(t, f.memory.open)
			assert.Empty(t, f.mux.handlers)
			assert.NoError(t, e.shutdown(t.Context()))
		})
	}
}

func TestBothSignalsShareOneController(t *testing.T) {
	f := newFake(t)
	s := &controllers{open: f.open, byConfig: map[*Config]*controller{}}
	cfg := testConfig(modeObserve)
	cfg.CgroupRoot = hostWith(t, "0-1")
	set := exportertest.NewNopSettings(metadata.Type)
	for range 2 { // a collector that reloads its configuration
		traces, err := s.createTraces(t.Context(), set, cfg)
		require.NoError(t, err)
		metrics, err := s.createMetrics(t.Context(), set, cfg)
		require.NoError(t, err)
		assert.Len(t, s.byConfig, 1)
		require.NoError(t, metrics.Start(t.Context(), f.host))
		require.NoError(t, traces.Start(t.Context(), f.host))
		assert.Equal(t, 1, f.memory.open)
		require.NoError(t, traces.Shutdown(t.Context()))
		require.NoError(t, metrics.Shutdown(t.Context()))
		assert.Empty(t, s.byConfig)
		assert.Zero(t, f.memory.open)
	}
}

func TestTelemetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tel := componenttest.NewTelemetry()
		f := newFake(t)
		f.add(7, "shop", shop)
		f.add(8, "batch", batch)
		set := exportertest.NewNopSettings(metadata.Type)
		set.TelemetrySettings = tel.NewTelemetrySettings()
		cfg := testConfig(modeEnforce)
		cfg.CgroupRoot = hostWith(t, "0-1")
		c, err := newController(set, cfg, f.open)
		require.NoError(t, err)
		require.NoError(t, c.start(t.Context(), f.host))
		f.does(c, 7, 200*time.Millisecond, 0.2, 0)
		require.NoError(t, c.consumeTraces(t.Context(), spans("shop", stamped(25))))
		f.does(c, 7, time.Second, 0.2, 0)
		for _, name := range []string{"decisions", "enforcing", "journal_containers", "latency_samples", "slack", "stale_containers", "suppressed_cpus", "tick_duration", "usage_samples", "violation_seconds"} {
			_, err := tel.GetMetric("otelcol_exporter_cpu_control_" + name)
			assert.NoError(t, err, name)
		}
		require.NoError(t, c.shutdown(t.Context()))
		require.NoError(t, tel.Shutdown(t.Context()))
	})
}

func BenchmarkTick2(b *testing.B) {
	f := newFake(b)
	f.add(7, "shop", shop)
	f.add(8, "batch", batch)
	c := f.controller(modeEnforce)
	require.NoError(b, c.start(b.Context(), f.host))
	c.cancel()
	<-c.done // the benchmark owns the loop from here on
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(100 * time.Millisecond)
		for _, pid := range []int{7, 8} {
			u := f.usage[id(pid)]
			u.At, u.UsageNS = now, u.UsageNS+3e7
			f.usage[id(pid)] = u
			c.signals.mu.Lock()
			c.signals.addUsage(id(pid), u)
			c.signals.mu.Unlock()
		}
		c.loop.tick(b.Context(), now)
	}
	require.NoError(b, c.shutdown(b.Context()))
}

func TestAContainerThatCannotBeOpenedIsNotTriedEveryTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.add(7, "batch", batch)
		f.kernel.broken = errors.New("cgroup: malformed")
		cfg := testConfig(modeEnforce)
		cfg.CgroupRoot = hostWith(t, "0-1")
		c, logs := newTestController(t, cfg, f.open)
		require.NoError(t, c.start(t.Context(), f.host))
		time.Sleep(11 * time.Second)
		f.kernel.mu.Lock()
		assert.Equal(t, 3, f.kernel.opened)
		f.kernel.mu.Unlock()
		assert.Equal(t, 1, logs.FilterMessage("container cannot be controlled").Len())
		require.NoError(t, c.shutdown(t.Context()))
	})
}
