package inventory

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"

	"github.com/governor-project/governor/internal/cgroup"
)

func TestTreeFeedReadsTheEnvironment(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "proc/42"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "proc/42/environ"), []byte("HOSTNAME=web\x00SUPB_GUID=hotrod-1\x00ODD\x00"), 0o600))
	synctest.Test(t, func(t *testing.T) {
		finder := &tree{found: []cgroup.Found{{ID: idOf(1), PIDs: []int{43, 42}, Path: "/docker/x"}, {ID: idOf(2), PIDs: []int{99}}}}
		store := &Store{}
		var status statuses
		stop := start(func(ctx context.Context) {
			RunTree(ctx, store, finder, FeedOptions{ProcRoot: root, Status: status.add})
		})
		defer stop()
		synctest.Wait()
		c, ok := store.ByGUID("hotrod-1")
		require.True(t, ok)
		assert.Equal(t, idOf(1), c.ID)
		assert.Equal(t, "web", c.Hostname)
		assert.Equal(t, "/docker/x", c.CgroupPath)
		assert.Len(t, store.Containers(), 2, "a process that is gone costs its environment only")

		finder.set(nil, errors.New("injected"))
		time.Sleep(2 * treePoll)
		synctest.Wait()
		assert.False(t, store.Synced())
		assert.EqualError(t, status.last(), "injected")

		finder.set(nil, nil)
		time.Sleep(2 * treePoll)
		synctest.Wait()
		assert.True(t, store.Synced())
		assert.Empty(t, store.Containers())
	})
}

type provider struct {
	component.StartFunc
	component.ShutdownFunc
	store *Store
}

func (p *provider) Inventory() Reader { return p.store }

type hostWith map[component.ID]component.Component

func (h hostWith) GetExtensions() map[component.ID]component.Component { return h }

func TestOpenPrefersTheExtension(t *testing.T) {
	shared := &Store{}
	host := hostWith{component.MustNewID("other"): nil, component.MustNewID("container_lifecycle"): &provider{store: shared}}
	reader, closeFeed, err := Open(host, OpenOptions{})
	require.NoError(t, err)
	defer closeFeed()
	assert.Same(t, shared, reader)

	_, ok := Find(componenttest.NewNopHost())
	assert.False(t, ok)
	_, ok = Find(nil)
	assert.False(t, ok)
}

func TestOpenWithoutAnEngineIsUnsyncedAndEnds(t *testing.T) {
	opts := OpenOptions{}
	opts.Docker.Host = "unix://" + filepath.Join(t.TempDir(), "nobody.sock")
	reader, closeFeed, err := Open(componenttest.NewNopHost(), opts)
	require.NoError(t, err)
	assert.False(t, reader.Synced())
	closeFeed()

	opts.Docker.Host = "nonsense"
	_, closeFeed, err = Open(componenttest.NewNopHost(), opts)
	assert.ErrorContains(t, err, `host "nonsense" is not allowed`)
	closeFeed()

	_, _, err = Open(componenttest.NewNopHost(), OpenOptions{WithoutDocker: true})
	assert.Error(t, err)
	reader, closeFeed, err = Open(componenttest.NewNopHost(), OpenOptions{WithoutDocker: true, Feed: FeedOptions{Fallback: &tree{}}})
	require.NoError(t, err)
	assert.Eventually(t, reader.Synced, 10*time.Second, time.Millisecond)
	closeFeed()
}
