//go:build docker

package cpucontrolexporter

import (
	"context"
	"fmt"
	"maps"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.uber.org/zap"

	"github.com/governor-project/governor/internal/actuate"
	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/internal/control"
	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/docker/dockertest"
	"github.com/governor-project/governor/internal/inventory"
)

// rig is a real engine with containers of the burner, and an inventory that
// shows those of this test alone.
type rig struct {
	t      *testing.T
	engine docker.Client
	image  string
	fs     *cgroup.FS
	store  *inventory.Store
	memory *memory
	host   *testHost
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, engine: dockertest.Real(t), store: &inventory.Store{}, memory: newMemory()}
	dockertest.CleanUp(t, r.engine)
	r.image = fmt.Sprintf("governor-burner:%d", os.Getpid())
	require.NoError(t, docker.ImportBinary(t.Context(), r.engine, r.image, dockertest.Program(t, "./testdata/burner"), "LABEL "+dockertest.Label+"="+t.Name()))
	t.Cleanup(func() {
		dockertest.RemoveByLabel(t, r.engine, dockertest.Label+"="+t.Name())
		assert.NoError(t, r.engine.ImageRemove(context.Background(), r.image, true))
	})
	var err error
	r.fs, err = cgroup.Open("/")
	require.NoError(t, err)
	r.host = &testHost{extensions: map[component.ID]component.Component{storageID: r.memory}}
	r.store.SetSynced(true)
	return r
}

func (r *rig) open(component.Host, *Config, *zap.Logger) (edges, error) {
	return edges{reader: r.store, closeFeed: func() {}, cgroups: actuate.NewHost(r.fs)}, nil
}

type member struct {
	id    string
	pid   int
	group *cgroup.Group
	stats *cgroup.Stats
}

// run starts a burner of n threads and shows it to the inventory.
func (r *rig) run(threads string, spec docker.CreateSpec, app string, policy appspec.Policy) *member {
	r.t.Helper()
	spec.Image, spec.Command, spec.Labels, spec.NetworkMode = r.image, []string{threads}, dockertest.Labels(r.t), "none"
	id, err := r.engine.Create(r.t.Context(), spec)
	require.NoError(r.t, err)
	require.NoError(r.t, r.engine.Start(r.t.Context(), id))
	seen, err := r.engine.Inspect(r.t.Context(), id)
	require.NoError(r.t, err)
	m := &member{id: id, pid: seen.PID}
	m.group, err = r.fs.GroupOf(seen.PID)
	require.NoError(r.t, err)
	m.stats, err = m.group.OpenStats()
	require.NoError(r.t, err)
	r.t.Cleanup(func() { assert.NoError(r.t, m.stats.Close()) })
	r.store.Put(inventory.Container{ID: id, Name: seen.Name, App: app, Policy: policy, State: inventory.StateRunning, PID: seen.PID})
	return m
}

func (r *rig) limits(m *member) cgroup.Limits {
	r.t.Helper()
	l, err := m.group.Limits()
	require.NoError(r.t, err)
	return l
}

// feed sends the members' statistics to the controller every 100 ms until the test ends.
func (r *rig) feed(c *controller, members ...*member) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-tick.C:
				for _, m := range members {
					var cpu cgroup.CPU
					if m.stats.CPU(&cpu) == nil {
						_ = c.consumeMetrics(ctx, usageMetrics(m.id, control.Usage{At: now, UsageNS: cpu.UsageNS, Periods: cpu.Periods, ThrottledPeriods: cpu.ThrottledPeriods, StallNS: cpu.StallNS}))
					}
				}
			}
		}
	}()
	r.t.Cleanup(func() { cancel(); <-done })
}

func (r *rig) start(cfg *Config) *controller {
	r.t.Helper()
	c, _ := newTestController(r.t, cfg, r.open)
	require.NoError(r.t, c.start(r.t.Context(), r.host))
	return c
}

var (
	critical   = appspec.Policy{Class: appspec.LatencyCritical, Objective: appspec.Objective{Percentile: 95, Target: 50 * time.Millisecond, Scope: appspec.ScopeTrace}}
	bestEffort = appspec.Policy{Class: appspec.BestEffort}
)

func withMax(p appspec.Policy, cpus float64) appspec.Policy {
	p.CPU.Max = cpus
	return p
}

func TestRealLadderAndRestore(t *testing.T) {
	r := newRig(t)
	service := r.run("2", docker.CreateSpec{CPUs: "0", Quota: 0.4}, "shop", withMax(critical, 2))
	noise := r.run("2", docker.CreateSpec{CPUs: "0", Shares: 512}, "batch", bestEffort)
	serviceBefore, noiseBefore := r.limits(service), r.limits(noise)
	require.Equal(t, "0", serviceBefore.CPUs.String())
	require.Equal(t, 0.4, serviceBefore.Quota.CPUs())
	require.EqualValues(t, 512, noiseBefore.Shares)

	began := time.Now()
	c := r.start(testConfig(modeEnforce))
	r.feed(c, service, noise)
	eventually(t, "the lowest weight", func() bool { return r.limits(noise).Shares == 2 })
	weighted := time.Since(began)
	eventually(t, "the quota grows", func() bool { return r.limits(service).Quota.CPUs() > 0.4 })
	raised := time.Since(began)
	eventually(t, "the service spreads", func() bool { return r.limits(service).CPUs.String() == "0-1" })
	eventually(t, "best effort follows", func() bool { return r.limits(noise).CPUs.String() == "0-1" })
	eventually(t, "the quota is out of the way", func() bool { return r.limits(service).Quota.CPUs() >= 0.9 }) // how far beyond depends on what else runs here
	t.Logf("weight after %s, quota raised after %s, all after %s; writes %d", weighted, raised, time.Since(began), len(decisionsOf(c)))
	assert.Less(t, weighted, time.Second)
	for _, d := range decisionsOf(c) {
		t.Logf("%s %s %s → %s %s: %s", d.Container, d.Resource, d.Before, d.After, d.Rule, d.Reason)
		assert.Equal(t, "written", d.Result, d.Error)
	}

	late := r.run("1", docker.CreateSpec{CPUs: "1"}, "batch", bestEffort)
	eventually(t, "a container that starts later", func() bool { return r.limits(late).Shares == 2 })
	require.NotEmpty(t, r.memory.content())

	require.NoError(t, c.shutdown(t.Context()))
	assert.Equal(t, serviceBefore, r.limits(service))
	assert.Equal(t, noiseBefore, r.limits(noise))
	assert.EqualValues(t, 1024, r.limits(late).Shares)
	assert.Equal(t, map[string][]byte{"originals": []byte("[]")}, r.memory.content())
}

// crash ends the controller as kill -9 would: nothing is restored.
func crash(c *controller) {
	c.cancel()
	<-c.done
}

func TestRealCrashThenObserveRestores(t *testing.T) {
	r := newRig(t)
	service := r.run("2", docker.CreateSpec{CPUs: "0", Quota: 0.3}, "shop", withMax(critical, 2))
	noise := r.run("1", docker.CreateSpec{CPUs: "0"}, "batch", bestEffort)
	restarted := r.run("0", docker.CreateSpec{CPUs: "0"}, "batch", bestEffort)
	serviceBefore, noiseBefore := r.limits(service), r.limits(noise)
	first := r.start(testConfig(modeEnforce))
	r.feed(first, service, noise)
	eventually(t, "all levers moved", func() bool {
		return r.limits(noise).Shares == 2 && r.limits(service).CPUs.String() == "0-1" && r.limits(service).Quota.CPUs() > 0.3 && r.limits(restarted).Shares == 2
	})
	crash(first)
	assert.EqualValues(t, 2, r.limits(noise).Shares, "a crash restores nothing")
	require.NoError(t, r.engine.Restart(t.Context(), restarted.id, 0))
	require.NoError(t, r.engine.UpdateCPU(t.Context(), restarted.id, docker.CPUUpdate{Shares: 77}))

	began := time.Now()
	second := r.start(testConfig(modeObserve))
	t.Logf("restored within %s", time.Since(began))
	assert.Equal(t, serviceBefore, r.limits(service))
	assert.Equal(t, noiseBefore, r.limits(noise))
	assert.Equal(t, map[string][]byte{"originals": []byte("[]")}, r.memory.content())
	again, err := r.engine.Inspect(t.Context(), restarted.id)
	require.NoError(t, err)
	group, err := r.fs.GroupOf(again.PID)
	require.NoError(t, err)
	now, err := group.Limits()
	require.NoError(t, err)
	assert.EqualValues(t, 77, now.Shares, "a container that was restarted is another one")
	require.NoError(t, second.shutdown(t.Context()))
}

func TestRealCrashThenEnforceTakesOverAndRestoresTheTrueOriginals(t *testing.T) {
	r := newRig(t)
	service := r.run("2", docker.CreateSpec{CPUs: "0"}, "shop", withMax(critical, 2))
	noise := r.run("1", docker.CreateSpec{CPUs: "0", Shares: 300}, "batch", bestEffort)
	orphan := r.run("0", docker.CreateSpec{CPUs: "0", Shares: 400}, "batch", bestEffort)
	serviceBefore, noiseBefore := r.limits(service), r.limits(noise)
	first := r.start(testConfig(modeEnforce))
	r.feed(first, service, noise)
	eventually(t, "levers moved", func() bool {
		return r.limits(noise).Shares == 2 && r.limits(service).CPUs.String() == "0-1" && r.limits(orphan).Shares == 2
	})
	crash(first)
	r.store.Remove(orphan.id) // not managed any more

	second := r.start(testConfig(modeEnforce))
	assert.EqualValues(t, 2, r.limits(noise).Shares, "taken over without a gap")
	eventually(t, "what is not taken over is restored", func() bool { return r.limits(orphan).Shares == 400 })
	require.NoError(t, second.shutdown(t.Context()))
	assert.Equal(t, serviceBefore, r.limits(service))
	assert.Equal(t, noiseBefore, r.limits(noise))
	assert.Equal(t, map[string][]byte{"originals": []byte("[]")}, r.memory.content())
}

func TestRealDriftIsReasserted(t *testing.T) {
	r := newRig(t)
	noise := r.run("0", docker.CreateSpec{CPUs: "0"}, "batch", bestEffort)
	c := r.start(testConfig(modeEnforce))
	eventually(t, "weighted", func() bool { return r.limits(noise).Shares == 2 })
	require.NoError(t, noise.group.SetShares(900))
	began := time.Now()
	eventually(t, "written again", func() bool { return r.limits(noise).Shares == 2 })
	assert.Less(t, time.Since(began), 6*time.Second)
	eventually(t, "reported", func() bool {
		all := decisionsOf(c)
		return all[len(all)-1].Rule == string(control.RuleDriftReassert)
	})
	require.NoError(t, c.shutdown(t.Context()))
	assert.EqualValues(t, 1024, r.limits(noise).Shares)
}

func TestRealObserveWritesNothing(t *testing.T) {
	r := newRig(t)
	service := r.run("2", docker.CreateSpec{CPUs: "0", Quota: 0.3}, "shop", withMax(critical, 2))
	noise := r.run("1", docker.CreateSpec{CPUs: "0"}, "batch", bestEffort)
	serviceBefore, noiseBefore := r.limits(service), r.limits(noise)
	c := r.start(testConfig(modeObserve))
	r.feed(c, service, noise)
	time.Sleep(2 * time.Second)
	assert.Equal(t, serviceBefore, r.limits(service))
	assert.Equal(t, noiseBefore, r.limits(noise))
	all := decisionsOf(c)
	require.NotEmpty(t, all)
	assert.Less(t, len(all), 12, "said once, not every tick")
	for _, d := range all {
		assert.Equal(t, "observed", d.Result)
	}
	assert.Empty(t, r.memory.content())
	require.NoError(t, c.shutdown(t.Context()))
}

func (m *memory) content() map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.data)
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	require.Eventually(t, f, 10*time.Second, 20*time.Millisecond, what)
}
