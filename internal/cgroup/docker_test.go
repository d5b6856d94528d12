//go:build docker

package cgroup

import (
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/governor-project/governor/internal/cpuset"
	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/docker/dockertest"
)

func TestRealContainer(t *testing.T) {
	c := dockertest.Real(t)
	dockertest.CleanUp(t, c)
	created := time.Now()
	id, err := c.Create(t.Context(), docker.CreateSpec{
		Image: dockertest.ProbeImage(t, c), Command: []string{"wait"}, Labels: dockertest.Labels(t),
		CPUs: "0", Quota: 0.5, Shares: 512,
	})
	require.NoError(t, err)
	require.NoError(t, c.Start(t.Context(), id))
	info, err := c.Inspect(t.Context(), id)
	require.NoError(t, err)

	f, err := Open("/")
	require.NoError(t, err)
	g, err := f.GroupOf(info.PID)
	require.NoError(t, err)
	assert.Contains(t, g.Path(), id)
	found, err := f.Containers()
	require.NoError(t, err)
	i := slices.IndexFunc(found, func(c Found) bool { return c.ID == id })
	require.GreaterOrEqual(t, i, 0, "found without Docker")
	assert.Equal(t, g.Path(), found[i].Path)
	assert.Equal(t, "docker", found[i].Runtime)
	assert.Contains(t, found[i].PIDs, info.PID)
	start, err := f.ProcessStart(info.PID)
	require.NoError(t, err)
	const precision = 2 * time.Second // the boot time is known to the second
	assert.WithinRange(t, start, created.Add(-precision), info.StartedAt.Add(precision), "its first process starts a little before the container counts as started")
	shared, err := f.SharesHostNetwork(info.PID)
	require.NoError(t, err)
	assert.False(t, shared)

	limits, err := g.Limits()
	require.NoError(t, err)
	assert.Equal(t, Limits{Shares: 512, Quota: Quota{50_000, 100_000}, CPUs: cpuset.Of(0), EffectiveCPUs: cpuset.Of(0)}, limits)
	require.NoError(t, g.SetShares(2))
	require.NoError(t, g.SetQuota(Quota{80_000, 50_000}))
	require.NoError(t, g.SetCPUs(cpuset.Of(0, 1)))
	changed, err := g.Limits()
	require.NoError(t, err)
	assert.Equal(t, Limits{Shares: 2, Quota: Quota{80_000, 50_000}, CPUs: cpuset.Of(0, 1), EffectiveCPUs: cpuset.Of(0, 1)}, changed)

	s, err := g.OpenStats()
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.Close()) }()
	var cpu CPU
	require.NoError(t, s.CPU(&cpu))
	assert.Positive(t, cpu.UsageNS)

	require.NoError(t, c.Stop(t.Context(), id, 0))
	assert.ErrorIs(t, s.CPU(&cpu), fs.ErrNotExist)
	_, err = f.GroupOf(info.PID)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorIs(t, g.SetShares(512), fs.ErrNotExist)
	require.NoError(t, c.Start(t.Context(), id))
	info, err = c.Inspect(t.Context(), id)
	require.NoError(t, err)
	g, err = f.GroupOf(info.PID)
	require.NoError(t, err)
	healed, err := g.Limits()
	require.NoError(t, err)
	assert.Equal(t, limits, healed, "a restart puts the container's own limits back")
}
