package lifecycle

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/docker/dockertest"
	"github.com/governor-project/governor/internal/inventory"
	"github.com/governor-project/governor/internal/lifecycle/plan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const shop = `apps:
  shop:
    class: latency_critical
    objective: {percentile: 95, target: 50ms}
    cpu: {min: 0.5, max: 2}
    tags: {team: shop}
    containers:
      web: {image: hotrod:1, command: [all], env: {KEY: value}, ports: ["0:8080"], depends_on: [redis], cpu: {cpuset: "0", quota: 0.5}, memory: 64MiB}
      redis: {image: redis:7}
  encoder:
    class: best_effort
    containers: {worker: {image: encoder:3, replicas: 2}}
`

func parse(t testing.TB, text string) appspec.File {
	t.Helper()
	file, err := appspec.Parse("shop.yaml", []byte(text), appspec.Options{})
	require.NoError(t, err)
	return file
}

// bench is an Executor on an engine in memory, followed by a real feed.
type bench struct {
	*Executor
	engine *dockertest.Engine
	store  *inventory.Store
}

func start(t *testing.T) *bench {
	t.Helper()
	b := &bench{engine: dockertest.New("hotrod:1", "redis:7", "encoder:3"), store: &inventory.Store{}}
	b.Executor = New(Options{
		Client: b.engine, Inventory: b.store, Random: rand.Reader,
		Surroundings: func(context.Context) (plan.Surroundings, error) {
			return plan.Surroundings{GUIDEnv: inventory.DefaultGUIDEnv(), HostAddress: "172.17.0.1", OTLPPort: 4318, JaegerAgentPort: 6831}, nil
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { inventory.Run(ctx, b.store, b.engine, inventory.FeedOptions{}) })
	running.Go(func() { b.Run(ctx, nil) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	synctest.Wait()
	require.True(t, b.store.Synced())
	return b
}

func (b *bench) states() map[string]string {
	out := map[string]string{}
	for _, s := range b.Containers() {
		out[s.Name] = strings.TrimSpace(string(s.State) + " " + s.Reason)
	}
	return out
}

func (b *bench) named(t *testing.T, name string) Status {
	t.Helper()
	for _, s := range b.Containers() {
		if s.Name == name && s.State != plan.Terminated {
			return s
		}
	}
	t.Fatalf("there is no container %s", name)
	return Status{}
}

func TestUpMakesEverythingReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		todo, err := b.Up(t.Context(), parse(t, shop))
		require.NoError(t, err)
		assert.Len(t, todo.Only(plan.Create), 4)
		assert.Equal(t, map[string]string{"encoder-worker-1": "Ready", "encoder-worker-2": "Ready", "shop-redis": "Ready", "shop-web": "Ready"}, b.states(), "at once, without waiting")
		assert.Equal(t, []string{"encoder", "shop"}, b.Apps())

		web := b.named(t, "shop-web")
		assert.Regexp(t, regexp.MustCompile(`^hotrod-[0-9a-f]{12}$`), web.GUID)
		assert.Equal(t, web.GUID, web.Env["GOVERNOR_GUID"])
		assert.Equal(t, web.GUID, web.Env["SUPB_GUID"])
		assert.Equal(t, "value", web.Env["KEY"])
		assert.Equal(t, "http://172.17.0.1:4318", web.Env["OTEL_EXPORTER_OTLP_ENDPOINT"])
		assert.Equal(t, web.GUID, web.Labels[inventory.LabelGUID])
		assert.Equal(t, "shop", web.App)
		assert.Equal(t, "web", web.Key)
		assert.Equal(t, "shop", web.Labels[inventory.LabelTagPrefix+"team"])
		assert.Equal(t, parse(t, shop).Apps[1].Policy, web.Policy)
		require.Len(t, web.Ports, 1)
		assert.EqualValues(t, 8080, web.Ports[0].Container)
		assert.Positive(t, web.Ports[0].Host)
		raw, err := b.engine.Inspect(t.Context(), web.ID)
		require.NoError(t, err)
		assert.Equal(t, docker.Limits{CPUs: "0", Quota: 0.5, Memory: 64 << 20}, raw.Limits)
		calls := b.engine.Calls()
		assert.Less(t, slices.Index(calls, "start shop-redis"), slices.Index(calls, "create shop-web"), "what it depends on is started first")

		todo, err = b.Up(t.Context(), parse(t, shop))
		require.NoError(t, err)
		assert.Empty(t, todo.Only(plan.Create), "a second time nothing changes")
		assert.Len(t, b.Containers(), 4)
	})
}

func TestUpRefusesWhatDiffersBeforeTouchingAnything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		_, err := b.Up(t.Context(), parse(t, shop))
		require.NoError(t, err)
		id, err := b.engine.Create(t.Context(), docker.CreateSpec{Name: "mall-web", Image: "hotrod:1"})
		require.NoError(t, err)
		synctest.Wait()
		before := len(b.engine.Calls())
		_, err = b.Up(t.Context(), parse(t, strings.Replace(shop, "command: [all]", "command: [some]", 1)+
			"  mall:\n    containers: {web: {image: hotrod:1}}\n"))
		var conflict *ConflictError
		require.ErrorAs(t, err, &conflict)
		assert.Contains(t, err.Error(), "container shop-web of app shop is there and differs from the file")
		assert.Contains(t, err.Error(), "a container named mall-web is there that Governor did not create")
		assert.Len(t, b.engine.Calls(), before)
		_, err = b.engine.Inspect(t.Context(), id)
		require.NoError(t, err)
	})
}

// Whatever call fails, and however late, nothing of the batch is left.
func TestUpRollsBackWhateverFails(t *testing.T) {
	for _, fail := range []string{"create", "start", "inspect"} {
		for nth := 1; nth <= 4; nth++ {
			t.Run(fmt.Sprint(fail, nth), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := start(t)
					before, err := b.engine.Create(t.Context(), docker.CreateSpec{Name: "bystander", Image: "redis:7"})
					require.NoError(t, err)
					synctest.Wait()
					var mu sync.Mutex
					seen, feeding := 0, b.engine.Streams()
					require.Equal(t, 1, feeding)
					b.engine.Before(func(op, object string) error {
						mu.Lock()
						defer mu.Unlock()
						if op != fail || object == "bystander" {
							return nil
						}
						if seen++; seen == nth {
							return errors.New("injected")
						}
						return nil
					})
					_, err = b.Up(t.Context(), parse(t, shop))
					if err == nil {
						return // the failure hit the feed's own inspect, which recovers by itself
					}
					require.ErrorContains(t, err, "injected")
					b.engine.Before(nil)
					left, err := b.engine.List(t.Context())
					require.NoError(t, err)
					require.Len(t, left, 1)
					assert.Equal(t, before, left[0].ID)
				})
			})
		}
	}
}

func TestUpRollsBackAContainerThatEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		b.engine.Behave("hotrod:1", dockertest.Behaviour{Exits: true, ExitStatus: 3})
		_, err := b.Up(t.Context(), parse(t, shop))
		var rolledBack *RolledBackError
		require.ErrorAs(t, err, &rolledBack)
		assert.Equal(t, []string{"shop-web", "shop-redis", "encoder-worker-2", "encoder-worker-1"}, rolledBack.Removed)
		assert.Empty(t, rolledBack.Left)
		assert.EqualError(t, err, "app shop, container web: it did not become ready (Failed): ended with exit status 3; rolled back: 4 containers removed")
		assert.Empty(t, b.App("shop"))
		assert.Empty(t, b.Apps())
	})
}

func TestUpSeesAContainerThatEndsALittleLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		go func() {
			time.Sleep(100 * time.Millisecond)
			_ = b.engine.Exit("shop-redis", 0)
		}()
		_, err := b.Up(t.Context(), parse(t, shop))
		assert.ErrorContains(t, err, "container shop-redis: it did not become ready (Stopped): ended with exit status 0; rolled back: 4")
	})
}

func TestUpWaitsForHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		b.engine.Behave("redis:7", dockertest.Behaviour{Health: []docker.Health{docker.HealthStarting, docker.HealthStarting, docker.HealthStarting, docker.HealthStarting, docker.HealthHealthy}})
		_, err := b.Up(t.Context(), parse(t, shop))
		require.NoError(t, err)
	})
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		b.engine.Behave("redis:7", dockertest.Behaviour{Health: []docker.Health{docker.HealthStarting}})
		began := time.Now()
		_, err := b.Up(t.Context(), parse(t, shop))
		assert.ErrorContains(t, err, "not ready in time (1m0s): it is Pending its health check has not passed yet")
		assert.GreaterOrEqual(t, time.Since(began), DefaultReadyTimeout)
		assert.Empty(t, b.Apps())
	})
}

func TestUpThatIsGivenUpLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		ctx, cancel := context.WithCancel(t.Context())
		b.engine.Before(func(op, object string) error {
			if op == "start" && object == "shop-web" {
				cancel()
			}
			return nil
		})
		_, err := b.Up(ctx, parse(t, shop))
		require.ErrorIs(t, err, context.Canceled)
		left, err := b.engine.List(t.Context())
		require.NoError(t, err)
		assert.Empty(t, left)
	})
}

func TestRollbackSaysWhatItCouldNotRemove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		b.engine.Behave("hotrod:1", dockertest.Behaviour{StartError: errors.New("port is already allocated")})
		b.engine.Before(func(op, object string) error {
			if op == "remove" && object == "shop-redis" {
				return errors.New("device busy")
			}
			return nil
		})
		_, err := b.Up(t.Context(), parse(t, shop))
		var rolledBack *RolledBackError
		require.ErrorAs(t, err, &rolledBack)
		assert.Equal(t, []string{"shop-web", "encoder-worker-2", "encoder-worker-1"}, rolledBack.Removed)
		require.Len(t, rolledBack.Left, 1)
		assert.Contains(t, rolledBack.Left[0], "shop-redis (")
		assert.ErrorContains(t, err, "port is already allocated")
	})
}

func TestAMissingImageTouchesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		file := parse(t, strings.ReplaceAll(shop, "image: hotrod:1", "image: hotrod:2, pull: never"))
		_, err := b.Up(t.Context(), file)
		require.ErrorIs(t, err, docker.ErrNotFound)
		assert.ErrorContains(t, err, "app shop, container web: image hotrod:2 is not on this host, and pull is never")
		for _, call := range b.engine.Calls() {
			assert.False(t, strings.HasPrefix(call, "create"), call)
		}
		file = parse(t, strings.ReplaceAll(shop, "image: hotrod:1", "image: hotrod:2"))
		_, err = b.Up(t.Context(), file)
		require.NoError(t, err)
		assert.Contains(t, b.engine.Calls(), "imagepull hotrod:2")
	})
}
