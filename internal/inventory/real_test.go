//go:build docker

package inventory

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/docker/dockertest"
)

func TestRealFeedFollowsTenQuickContainers(t *testing.T) {
	client := dockertest.Real(t)
	dockertest.CleanUp(t, client)
	image := dockertest.ProbeImage(t, client)
	store := &Store{}
	stop := start(func(ctx context.Context) { Run(ctx, store, client, FeedOptions{}) })
	defer stop()
	require.Eventually(t, store.Synced, 20*time.Second, 5*time.Millisecond)

	var ids []string
	for range 10 {
		id, err := client.Create(t.Context(), docker.CreateSpec{Image: image, Command: []string{"wait"}, Labels: dockertest.Labels(t)})
		require.NoError(t, err)
		require.NoError(t, client.Start(t.Context(), id))
		ids = append(ids, id)
	}
	for _, id := range ids {
		require.Eventually(t, func() bool {
			c, ok := store.ByID(id)
			return ok && c.Running() && len(c.Networks) == 1 && len(c.Networks[0].Addresses) == 1
		}, 20*time.Second, 5*time.Millisecond)
		c, _ := store.ByID(id)
		found, ok := store.ByAddress(c.Networks[0].Addresses[0])
		require.True(t, ok)
		assert.Equal(t, id, found.ID)
		assert.Equal(t, docker.ShortID(id), c.Hostname)
	}
	for _, id := range ids {
		require.NoError(t, client.Remove(t.Context(), id, true))
	}
	require.Eventually(t, func() bool {
		for _, id := range ids {
			if _, ok := store.ByID(id); ok {
				return false
			}
		}
		return true
	}, 20*time.Second, 5*time.Millisecond)
}
