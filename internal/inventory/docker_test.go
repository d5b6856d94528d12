package inventory

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/docker/dockertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const image = "hotrod:1"

// statuses collects what a feed reports.
type statuses struct {
	mu  sync.Mutex
	all []error
}

func (s *statuses) add(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, err)
}

func (s *statuses) last() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[len(s.all)-1]
}

// following runs a feed in the bubble of a synctest until the test's end.
func following(t *testing.T, engine docker.Client, opts FeedOptions) *Store {
	t.Helper()
	store := &Store{}
	stop := start(func(ctx context.Context) { Run(ctx, store, engine, opts) })
	t.Cleanup(stop)
	synctest.Wait()
	return store
}

func run(t *testing.T, engine *dockertest.Engine, name string, change func(*docker.CreateSpec)) string {
	t.Helper()
	spec := docker.CreateSpec{Name: name, Image: image}
	if change != nil {
		change(&spec)
	}
	id, err := engine.Create(t.Context(), spec)
	require.NoError(t, err)
	require.NoError(t, engine.Start(t.Context(), id))
	return id
}

func TestFeedListsThenFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := dockertest.New(image)
		before := run(t, engine, "before", func(s *docker.CreateSpec) {
			s.Labels = Labels(Identity{GUID: "hotrod-1", App: "shop"}, appspec.Policy{Class: appspec.BestEffort})
			s.Env = map[string]string{"A": "b"}
			s.Command = []string{"all", "the", "rest"}
		})
		var status statuses
		store := following(t, engine, FeedOptions{Status: status.add})
		require.True(t, store.Synced())
		require.NoError(t, status.last())

		c, ok := store.ByID(before)
		require.True(t, ok)
		assert.Equal(t, "before", c.Name)
		assert.Equal(t, "hotrod-1", c.GUID)
		assert.Equal(t, "shop", c.App)
		assert.Equal(t, appspec.BestEffort, c.Class())
		assert.Equal(t, "b", c.Env["A"])
		assert.Equal(t, "all the rest", c.Command)
		assert.Equal(t, "docker", c.Runtime)
		assert.True(t, c.Running())
		assert.False(t, c.StartedAt.IsZero())

		later := run(t, engine, "later", nil)
		synctest.Wait()
		c, ok = store.ByAddress(netip.MustParseAddr("172.17.0.3"))
		require.True(t, ok)
		assert.Equal(t, later, c.ID)

		require.NoError(t, engine.Exit(later, 3))
		synctest.Wait()
		c, _ = store.ByID(later)
		assert.Equal(t, StateExited, c.State)
		assert.Zero(t, c.PID)
		_, ok = store.ByAddress(netip.MustParseAddr("172.17.0.3"))
		assert.False(t, ok, "an ended container has no address")

		require.NoError(t, engine.Rename(before, "other"))
		require.NoError(t, engine.Remove(t.Context(), later, true))
		synctest.Wait()
		require.Len(t, store.Containers(), 1)
		assert.Equal(t, "other", store.Containers()[0].Name)
	})
}

func TestFeedSubscribesBeforeItLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := dockertest.New(image)
		var once sync.Once
		var during string
		engine.Before(func(op, _ string) error {
			if op == "list" {
				// After the list was asked for, so that only the events can tell.
				once.Do(func() { during = run(t, engine, "during", nil) })
			}
			return nil
		})
		store := following(t, engine, FeedOptions{})
		_, ok := store.ByID(during)
		assert.True(t, ok)
		calls := engine.Calls()
		assert.Less(t, slices.Index(calls, "events"), slices.Index(calls, "list"))
	})
}

func TestFeedResyncsAfterALostConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := dockertest.New(image)
		stays, goes := run(t, engine, "stays", nil), run(t, engine, "goes", nil)
		var status statuses
		store := following(t, engine, FeedOptions{Status: status.add})
		require.True(t, store.Synced())

		engine.GoDown()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		assert.False(t, store.Synced())
		assert.Len(t, store.Containers(), 2, "what was known stays")
		assert.ErrorIs(t, status.last(), docker.ErrUnreachable)
		attempts := len(status.all)
		assert.Less(t, attempts, 25, "attempts are backed off")

		engine.ComeBack()
		require.NoError(t, engine.Remove(t.Context(), goes, true))
		time.Sleep(lastRetry + time.Second)
		synctest.Wait()
		assert.True(t, store.Synced())
		require.NoError(t, status.last())
		require.Len(t, store.Containers(), 1)
		assert.Equal(t, stays, store.Containers()[0].ID)
		assert.Equal(t, 1, engine.Streams(), "the lost subscription is gone")
	})
}

func TestFeedSurvivesInspectFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := dockertest.New(image)
		id := run(t, engine, "one", nil)
		failures := 3
		engine.Before(func(op, _ string) error {
			if op == "inspect" && failures > 0 {
				failures--
				return errors.New("injected")
			}
			return nil
		})
		store := following(t, engine, FeedOptions{})
		assert.False(t, store.Synced())
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.True(t, store.Synced())
		_, ok := store.ByID(id)
		assert.True(t, ok)
	})
}

func TestBadLabelsLeaveTheContainerUnmanagedAndAreLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.WarnLevel)
		engine := dockertest.New(image)
		store := following(t, engine, FeedOptions{Logger: zap.New(core)})
		id := run(t, engine, "odd", func(s *docker.CreateSpec) {
			s.Labels = map[string]string{LabelApp: "shop", LabelClass: "latency_critical", LabelObjectivePercentile: "0", LabelObjectiveTarget: "50ms"}
		})
		require.NoError(t, engine.Pause(t.Context(), id))
		synctest.Wait()
		c, ok := store.ByID(id)
		require.True(t, ok)
		assert.Equal(t, appspec.Unmanaged, c.Class())
		assert.Equal(t, "shop", c.App)
		require.Equal(t, 1, logs.Len())
		assert.Contains(t, logs.All()[0].ContextMap()["error"], "percentile: 0 is not allowed")
	})
}

func TestGUIDComesFromTheLabelElseTheEnvironment(t *testing.T) {
	raw := docker.Container{Env: []string{"SUPB_GUID=old-1", "MY_GUID=mine-1"}, Labels: map[string]string{}}
	for _, c := range []struct {
		names []string
		label string
		want  string
	}{
		{DefaultGUIDEnv(), "", "old-1"},
		{[]string{"MY_GUID", "SUPB_GUID"}, "", "mine-1"},
		{[]string{"NONE"}, "", ""},
		{DefaultGUIDEnv(), "label-1", "label-1"},
	} {
		raw.Labels[LabelGUID] = c.label
		got, err := fromDocker(raw, c.names)
		require.NoError(t, err)
		assert.Equal(t, c.want, got.GUID)
	}
}

func TestFrequentEventsThatChangeNothingAreIgnored(t *testing.T) {
	for _, action := range []string{"exec_create: /bin/check", "exec_start: x", "exec_die", "top", "attach", "resize"} {
		assert.False(t, changesInventory(action), action)
	}
	for _, action := range []string{"create", "start", "die", "rename", "update", "health_status: healthy", "pause", "connect", "disconnect", "oom"} {
		assert.True(t, changesInventory(action), action)
	}
}

type tree struct {
	mu    sync.Mutex
	found []cgroup.Found
	err   error
}

func (f *tree) set(found []cgroup.Found, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.found, f.err = found, err
}

func (f *tree) Containers() ([]cgroup.Found, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.found, f.err
}

func TestTheTreeStandsInUntilTheEngineAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := dockertest.New(image)
		engine.GoDown()
		finder := &tree{found: []cgroup.Found{{ID: idOf(7), Runtime: "docker", Path: "/docker/" + idOf(7), PIDs: []int{42}}}}
		store := following(t, engine, FeedOptions{Fallback: finder, ProcRoot: t.TempDir()})
		require.True(t, store.Synced())
		c, ok := store.ByID(idOf(7)[:12])
		require.True(t, ok)
		assert.True(t, c.Running())
		assert.Equal(t, idOf(7)[:12], c.Hostname)
		assert.Equal(t, appspec.Unmanaged, c.Class())
		time.Sleep(10 * time.Second)
		generation := store.Generation()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		assert.Equal(t, generation, store.Generation(), "nothing changed, so nothing is announced")

		engine.ComeBack()
		id := run(t, engine, "real", nil)
		time.Sleep(lastRetry + time.Second)
		synctest.Wait()
		require.Len(t, store.Containers(), 1)
		assert.Equal(t, id, store.Containers()[0].ID)

		engine.GoDown()
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.False(t, store.Synced(), "the tree does not replace an engine that has answered")
		assert.Len(t, store.Containers(), 1)
	})
}
