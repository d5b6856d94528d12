package cpucontrolexporter

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.uber.org/zap"

	"github.com/governor-project/governor/internal/actuate"
	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/internal/control"
	"github.com/governor-project/governor/internal/cpuset"
	"github.com/governor-project/governor/internal/inventory"
)

// kernel is the cgroups of a host, as fields.
type kernel struct {
	mu     sync.Mutex
	groups map[int]*group
	broken error
	opened int
}

type group struct {
	kernel *kernel
	path   string
	limits cgroup.Limits
	fails  error
	writes int
}

func (k *kernel) GroupOf(pid int) (actuate.Group, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.opened++
	if k.broken != nil {
		return nil, k.broken
	}
	if g, ok := k.groups[pid]; ok {
		return g, nil
	}
	return nil, fs.ErrNotExist
}

func (k *kernel) StartTime(pid int) (uint64, error) { return uint64(pid), nil }

func (g *group) Path() string            { return g.path }
func (g *group) Version() cgroup.Version { return cgroup.V1 }

func (g *group) Limits() (cgroup.Limits, error) {
	g.kernel.mu.Lock()
	defer g.kernel.mu.Unlock()
	return g.limits, nil
}

func (g *group) set(f func()) error {
	g.kernel.mu.Lock()
	defer g.kernel.mu.Unlock()
	g.writes++
	if g.fails == nil {
		f()
	}
	return g.fails
}

func (g *group) SetShares(n uint64) error      { return g.set(func() { g.limits.Shares = n }) }
func (g *group) SetQuota(q cgroup.Quota) error { return g.set(func() { g.limits.Quota = q }) }
func (g *group) SetCPUs(s cpuset.Set) error    { return g.set(func() { g.limits.CPUs = s }) }

// fake is a collector's surroundings without a kernel.
type fake struct {
	t      testing.TB
	kernel *kernel
	store  *inventory.Store
	memory *memory
	mux    *mux
	host   *testHost
	closed int
	usage  map[string]control.Usage
}

func newFake(t testing.TB) *fake {
	f := &fake{t: t, store: &inventory.Store{}, memory: newMemory(), usage: map[string]control.Usage{}}
	f.kernel = &kernel{groups: map[int]*group{}}
	f.mux = &mux{handlers: map[string]http.Handler{}}
	f.host = &testHost{extensions: map[component.ID]component.Component{storageID: f.memory, component.MustNewID("container_lifecycle"): f.mux}}
	f.store.SetSynced(true)
	return f
}

func (f *fake) open(component.Host, *Config, *zap.Logger) (edges, error) {
	return edges{reader: f.store, closeFeed: func() { f.closed++ }, cgroups: f.kernel}, nil
}

func (f *fake) add(pid int, app string, policy appspec.Policy) *group {
	g := &group{kernel: f.kernel, path: fmt.Sprintf("/c%d", pid)}
	g.limits = cgroup.Limits{Shares: 1024, Quota: cgroup.Quota{QuotaUS: -1, PeriodUS: 100_000}, CPUs: cpuset.Of(0), EffectiveCPUs: cpuset.Of(0)}
	f.kernel.mu.Lock()
	f.kernel.groups[pid] = g
	f.kernel.mu.Unlock()
	f.store.Put(inventory.Container{ID: id(pid), Name: fmt.Sprintf("c%d", pid), App: app, Policy: policy, State: inventory.StateRunning, PID: pid})
	return g
}

func id(pid int) string { return fmt.Sprintf("%064d", pid) }

func (f *fake) controller(mode string) *controller {
	cfg := testConfig(mode)
	cfg.CgroupRoot = hostWith(f.t, "0-1")
	c, _ := newTestController(f.t, cfg, f.open)
	return c
}

// does feeds one container's statistics for a while.
func (f *fake) does(c *controller, pid int, d time.Duration, use, stall float64) {
	for range d / (100 * time.Millisecond) {
		time.Sleep(100 * time.Millisecond)
		u := f.usage[id(pid)]
		u.At = time.Now()
		u.UsageNS += uint64(use * 1e8)
		u.StallNS += uint64(stall * 1e8)
		f.usage[id(pid)] = u
		require.NoError(f.t, c.consumeMetrics(f.t.Context(), usageMetrics(id(pid), u)))
	}
	synctest.Wait()
}

var (
	shop  = appspec.Policy{Class: appspec.LatencyCritical, Objective: appspec.Objective{Percentile: 95, Target: 50 * time.Millisecond, Scope: appspec.ScopeTrace}, CPU: appspec.CPUBounds{Max: 2}}
	batch = appspec.Policy{Class: appspec.BestEffort}
)

func (f *fake) get(pattern, query string, into any) {
	f.t.Helper()
	w := httptest.NewRecorder()
	f.mux.handlers[pattern].ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/"+query, nil))
	require.Equal(f.t, http.StatusOK, w.Code)
	require.NoError(f.t, json.Unmarshal(w.Body.Bytes(), into))
}
