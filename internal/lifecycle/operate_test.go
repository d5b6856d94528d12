package lifecycle

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/docker/dockertest"
	"github.com/governor-project/governor/internal/inventory"
	"github.com/governor-project/governor/internal/lifecycle/plan"
)

func TestOperationsOnAContainer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		_, err := b.Up(t.Context(), parse(t, shop))
		require.NoError(t, err)
		guid := b.named(t, "shop-web").GUID
		do := func(op plan.Operation, want plan.State) {
			t.Helper()
			s, err := b.Operate(t.Context(), op, guid)
			require.NoError(t, err)
			assert.Equal(t, want, s.State)
		}
		refused := func(op plan.Operation) {
			t.Helper()
			_, err := b.Operate(t.Context(), op, guid)
			var notAllowed *plan.NotAllowedError
			assert.ErrorAs(t, err, &notAllowed)
		}
		refused(plan.Start)
		do(plan.Stop, plan.Stopped)
		refused(plan.Stop)
		do(plan.Start, plan.Ready)
		first := b.named(t, "shop-web").StartedAt
		do(plan.Restart, plan.Ready)
		assert.True(t, b.named(t, "shop-web").StartedAt.After(first))
		require.NoError(t, b.engine.Pause(t.Context(), b.named(t, "shop-web").ID))
		synctest.Wait()
		assert.Equal(t, "Stopped paused", b.states()["shop-web"])
		do(plan.Start, plan.Ready)
		do(plan.Remove, plan.Terminated)
		refused(plan.Start)
		s, ok := b.Container(guid)
		require.True(t, ok, "a removed container is remembered")
		assert.False(t, s.Unexpected)
		assert.Len(t, b.App("shop"), 1, "but no part of its app any more")

		_, err = b.Operate(t.Context(), plan.Start, "nobody-1")
		assert.ErrorIs(t, err, ErrNotFound)
	})
}

func TestWhatHappensBehindGovernorsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		_, err := b.Up(t.Context(), parse(t, shop))
		require.NoError(t, err)
		require.NoError(t, b.engine.Remove(t.Context(), "shop-redis", true))
		require.NoError(t, b.engine.Exit("encoder-worker-1", 9))
		require.NoError(t, b.engine.Stop(t.Context(), "encoder-worker-2", 0))
		require.NoError(t, b.engine.Rename("shop-web", "other"))
		synctest.Wait()
		assert.Equal(t, map[string]string{
			"shop-redis": "Terminated removed by someone else", "encoder-worker-1": "Failed ended with exit status 9",
			"encoder-worker-2": "Stopped", "other": "Ready",
		}, b.states())
		assert.Equal(t, []string{"encoder", "shop"}, b.Apps())
		assert.Len(t, b.App("shop"), 2)

		// A lost connection changes no state.
		states := b.states()
		b.engine.GoDown()
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, states, b.states())
		_, err = b.Up(t.Context(), parse(t, shop))
		assert.ErrorIs(t, err, ErrNotSynced)
		_, err = b.Down(t.Context(), "shop")
		assert.ErrorIs(t, err, ErrNotSynced)
		_, err = b.Operate(t.Context(), plan.Stop, b.named(t, "other").GUID)
		assert.ErrorIs(t, err, ErrNotSynced)
	})
}

func TestDownRemovesTheAppAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		_, err := b.Up(t.Context(), parse(t, shop))
		require.NoError(t, err)
		_, err = b.engine.Create(t.Context(), docker.CreateSpec{Name: "users-own", Image: "redis:7", Labels: map[string]string{inventory.LabelApp: "shop"}})
		require.NoError(t, err)
		synctest.Wait()
		removed, err := b.Down(t.Context(), "shop")
		require.NoError(t, err)
		assert.Equal(t, []string{"shop-web", "shop-redis"}, []string{removed[0].Name, removed[1].Name}, "what depends on another goes first")
		left, err := b.engine.List(t.Context())
		require.NoError(t, err)
		var names []string
		for _, s := range left {
			names = append(names, s.Name)
		}
		assert.ElementsMatch(t, []string{"encoder-worker-1", "encoder-worker-2", "users-own"}, names)
		_, err = b.Down(t.Context(), "nobody")
		assert.ErrorIs(t, err, ErrNotFound)
	})
}

func TestDownGoesOnAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		_, err := b.Up(t.Context(), parse(t, shop))
		require.NoError(t, err)
		b.engine.Before(func(op, object string) error {
			if op == "remove" && object == "shop-web" {
				return errors.New("device busy")
			}
			return nil
		})
		removed, err := b.Down(t.Context(), "shop")
		assert.ErrorContains(t, err, "device busy")
		assert.Len(t, removed, 1)
		b.engine.Before(nil)
		removed, err = b.Down(t.Context(), "shop")
		require.NoError(t, err)
		assert.Len(t, removed, 1)
		assert.Empty(t, b.App("shop"))
	})
}

func TestTwoBatchesAtOnceDoNotMix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		var running sync.WaitGroup
		var mu sync.Mutex
		created := 0
		for range 4 {
			running.Go(func() {
				todo, err := b.Up(t.Context(), parse(t, shop))
				assert.NoError(t, err)
				mu.Lock()
				defer mu.Unlock()
				created += len(todo.Only(plan.Create))
			})
		}
		running.Wait()
		assert.Equal(t, 4, created, "one creates, the others find it there")
		guids := map[string]bool{}
		for _, s := range b.Containers() {
			guids[s.GUID] = true
		}
		assert.Len(t, slices.Collect(maps.Keys(guids)), 4)
	})
}

func TestWaitingForAnotherOperationEndsWithTheCaller(t *testing.T) {
	var locks keyedLocks
	unlock, err := locks.lock(t.Context(), "a", "b")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = locks.lock(ctx, "b", "c")
	assert.ErrorContains(t, err, "wait for another operation on b")
	unlock()
	unlock, err = locks.lock(t.Context(), "a", "b", "c")
	require.NoError(t, err)
	unlock()
	assert.Empty(t, locks.locks, "nothing is kept")
}

func TestLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		b.engine.Behave("hotrod:1", dockertest.Behaviour{Log: "hello\n"})
		_, err := b.Up(t.Context(), parse(t, shop))
		require.NoError(t, err)
		guid := b.named(t, "shop-web").GUID
		var out bytes.Buffer
		require.NoError(t, b.Logs(t.Context(), guid, docker.LogOptions{}, &out, &out))
		assert.Equal(t, "hello\n", out.String())
		_, err = b.Operate(t.Context(), plan.Remove, guid)
		require.NoError(t, err)
		var conflict *ConflictError
		assert.ErrorAs(t, b.Logs(t.Context(), guid, docker.LogOptions{}, &out, &out), &conflict)
		assert.ErrorIs(t, b.Logs(t.Context(), "nobody-1", docker.LogOptions{}, &out, &out), ErrNotFound)
	})
}
