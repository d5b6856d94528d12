//go:build docker

package docker_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/docker/dockertest"
)

// create makes a container of the probe's image with this test's label.
func create(t *testing.T, c docker.Client, image string, change func(*docker.CreateSpec)) string {
	t.Helper()
	spec := docker.CreateSpec{Image: image, Command: []string{"wait"}, Labels: dockertest.Labels(t)}
	if change != nil {
		change(&spec)
	}
	id, err := c.Create(t.Context(), spec)
	require.NoError(t, err)
	return id
}

func TestRealPing(t *testing.T) {
	engine, err := dockertest.Real(t).Ping(t.Context())
	require.NoError(t, err)
	assert.NotEmpty(t, engine.Version)
	assert.NotEmpty(t, engine.APIVersion)
	assert.Equal(t, "linux", engine.OS)
}

func TestRealLifeOfAContainer(t *testing.T) {
	c := dockertest.Real(t)
	dockertest.CleanUp(t, c)
	image := dockertest.ProbeImage(t, c)
	ctx := t.Context()
	id := create(t, c, image, func(s *docker.CreateSpec) {
		s.Name, s.Hostname = "governor-test-life", "life"
		s.Env = map[string]string{"COLOUR": "green", "EMPTY": ""}
		s.CPUs, s.Quota, s.Shares, s.Memory = "0", 0.5, 512, 64<<20
		s.Ports = []docker.Port{{Container: 9090}}
		s.Command, s.Restart = []string{"listen", "9090"}, "on-failure:3"
	})
	require.Len(t, id, 64)

	before, err := c.Inspect(ctx, id)
	require.NoError(t, err)
	assert.Equal(t, docker.StateCreated, before.State)
	assert.True(t, before.StartedAt.IsZero())

	require.NoError(t, c.Start(ctx, id))
	got, err := c.Inspect(ctx, "governor-test-life")
	require.NoError(t, err)
	assert.Equal(t, id, got.ID)
	assert.Equal(t, docker.StateRunning, got.State)
	assert.True(t, got.Ready())
	assert.Positive(t, got.PID)
	assert.Equal(t, "life", got.Hostname)
	assert.Equal(t, "on-failure", got.Restart)
	assert.Equal(t, "green", got.EnvMap()["COLOUR"])
	assert.Equal(t, "", got.EnvMap()["EMPTY"])
	assert.Equal(t, t.Name(), got.Labels[dockertest.Label])
	assert.Equal(t, docker.Limits{Shares: 512, QuotaUS: 50000, PeriodUS: 100000, CPUs: "0", Memory: 64 << 20, Swap: got.Limits.Swap, Quota: 0.5}, got.Limits)
	require.Len(t, got.Networks, 1)
	assert.Equal(t, "bridge", got.Networks[0].Name)
	require.Len(t, got.Networks[0].Addresses, 1)
	gateway, err := c.BridgeGateway(ctx)
	require.NoError(t, err)
	assert.Equal(t, gateway, got.Networks[0].Gateway.String())
	require.NotEmpty(t, got.Ports)
	assert.EqualValues(t, 9090, got.Ports[0].Container)
	assert.Positive(t, got.Ports[0].Host)
	assert.Equal(t, "hello\n", dial(t, "127.0.0.1:"+strconv.Itoa(int(got.Ports[0].Host))))

	list, err := c.List(ctx, dockertest.Label+"="+t.Name())
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, "governor-test-life", list[0].Name)

	require.NoError(t, c.Pause(ctx, id))
	got, err = c.Inspect(ctx, id)
	require.NoError(t, err)
	assert.Equal(t, docker.StatePaused, got.State)
	require.NoError(t, c.Unpause(ctx, id))

	require.NoError(t, c.Stop(ctx, id, 5*time.Second))
	require.NoError(t, c.Stop(ctx, id, 5*time.Second), "stopping twice is no error")
	got, err = c.Inspect(ctx, id)
	require.NoError(t, err)
	assert.Equal(t, docker.StateExited, got.State)
	assert.Zero(t, got.PID)

	require.NoError(t, c.Restart(ctx, id, time.Second))
	require.NoError(t, c.Kill(ctx, id, "SIGKILL"))
	status, err := c.Wait(ctx, id)
	require.NoError(t, err)
	assert.Equal(t, 137, status)

	require.NoError(t, c.Remove(ctx, id, true))
	_, err = c.Inspect(ctx, id)
	assert.ErrorIs(t, err, docker.ErrNotFound)
}

func dial(t *testing.T, address string) string {
	t.Helper()
	var text []byte
	require.Eventually(t, func() bool {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return false
		}
		defer conn.Close()
		text, err = io.ReadAll(conn)
		return err == nil && len(text) > 0
	}, 10*time.Second, 20*time.Millisecond)
	return string(text)
}

func TestRealLogsAreTakenApart(t *testing.T) {
	c := dockertest.Real(t)
	dockertest.CleanUp(t, c)
	image := dockertest.ProbeImage(t, c)
	id := create(t, c, image, func(s *docker.CreateSpec) {
		s.Command, s.Env = []string{"exit", "7"}, map[string]string{"MARK": "here"}
	})
	require.NoError(t, c.Start(t.Context(), id))
	status, err := c.Wait(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, 7, status)
	for _, follow := range []bool{false, true} {
		var stdout, stderr bytes.Buffer
		require.NoError(t, c.Logs(t.Context(), id, docker.LogOptions{Follow: follow}, &stdout, &stderr))
		assert.Contains(t, stdout.String(), "MARK=here\n")
		assert.Equal(t, "probe started\n", stderr.String())
	}
}

func TestRealLogsOfARunningContainerEndWithTheCaller(t *testing.T) {
	c := dockertest.Real(t)
	dockertest.CleanUp(t, c)
	image := dockertest.ProbeImage(t, c)
	id := create(t, c, image, nil)
	require.NoError(t, c.Start(t.Context(), id))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := c.Logs(ctx, id, docker.LogOptions{Follow: true}, io.Discard, io.Discard)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.NotErrorIs(t, err, docker.ErrTimeout, "the caller gave up, not this room")
}

func TestRealErrorsSayWhatKindTheyAre(t *testing.T) {
	c := dockertest.Real(t)
	dockertest.CleanUp(t, c)
	image := dockertest.ProbeImage(t, c)
	ctx := t.Context()
	id := create(t, c, image, func(s *docker.CreateSpec) { s.Name = "governor-test-errors" })

	err := c.Start(ctx, "governor-test-nobody")
	assert.ErrorIs(t, err, docker.ErrNotFound)
	assert.ErrorContains(t, err, "docker: start container governor-test-nobody: No such container")

	_, err = c.Create(ctx, docker.CreateSpec{Name: "governor-test-errors", Image: image})
	assert.ErrorIs(t, err, docker.ErrConflict)
	assert.ErrorContains(t, err, "docker: create container governor-test-errors: ")

	_, err = c.Create(ctx, docker.CreateSpec{Image: "governor-test-missing:1"})
	assert.ErrorIs(t, err, docker.ErrNotFound)

	_, err = c.Create(ctx, docker.CreateSpec{Image: image, CPUs: "900"})
	assert.ErrorIs(t, err, docker.ErrInvalid)

	assert.ErrorIs(t, c.Kill(ctx, id, ""), docker.ErrConflict, "a container that does not run cannot be killed")

	exists, err := c.ImageExists(ctx, "governor-test-missing:1")
	require.NoError(t, err)
	assert.False(t, exists)
	exists, err = c.ImageExists(ctx, image)
	require.NoError(t, err)
	assert.True(t, exists)

	assert.ErrorContains(t, c.ImageImport(ctx, "governor-test-bad:1", strings.NewReader("not a tar file at all")), "import image governor-test-bad:1")
}

func TestRealUpdateCPU(t *testing.T) {
	c := dockertest.Real(t)
	dockertest.CleanUp(t, c)
	image := dockertest.ProbeImage(t, c)
	ctx := t.Context()
	id := create(t, c, image, func(s *docker.CreateSpec) { s.Quota = 1 })
	require.NoError(t, c.Start(ctx, id))
	require.NoError(t, c.UpdateCPU(ctx, id, docker.CPUUpdate{Shares: 256, QuotaUS: 30000, PeriodUS: 100000, CPUs: "0"}))
	got, err := c.Inspect(ctx, id)
	require.NoError(t, err)
	assert.EqualValues(t, 256, got.Limits.Shares)
	assert.InDelta(t, 0.3, got.Limits.Quota, 1e-9)
	assert.Equal(t, "0", got.Limits.CPUs)
	require.NoError(t, c.UpdateCPU(ctx, id, docker.CPUUpdate{QuotaUS: -1}))
	got, err = c.Inspect(ctx, id)
	require.NoError(t, err)
	assert.Zero(t, got.Limits.Quota)
	assert.EqualValues(t, 256, got.Limits.Shares, "what was not named stays")
}

func TestRealEvents(t *testing.T) {
	c := dockertest.Real(t)
	dockertest.CleanUp(t, c)
	image := dockertest.ProbeImage(t, c)
	stream, err := c.Events(t.Context(), time.Now().Add(-time.Second))
	require.NoError(t, err)
	id := create(t, c, image, nil)
	require.NoError(t, c.Start(t.Context(), id))
	require.NoError(t, c.Remove(t.Context(), id, true))
	var actions []string
	deadline := time.After(20 * time.Second)
	for len(actions) == 0 || actions[len(actions)-1] != docker.ActionDestroy {
		select {
		case event := <-stream.C():
			if event.ID == id {
				actions = append(actions, event.Action)
				if event.Name != "" { // events of networks name the container's ID only
					assert.Equal(t, t.Name(), event.Labels[dockertest.Label])
				}
			}
		case <-deadline:
			t.Fatalf("only %v", actions)
		}
	}
	assert.Subset(t, actions, []string{docker.ActionCreate, "connect", docker.ActionStart, docker.ActionDie, "disconnect", docker.ActionDestroy})
	stream.Close()
	_, open := <-stream.C()
	assert.False(t, open)
	assert.NoError(t, stream.Err(), "an end that was asked for is no error")
}

func TestRealSocketWithoutPermission(t *testing.T) {
	if os.Getenv("GOVERNOR_TEST_AS_NOBODY") != "" {
		c, err := docker.New(docker.Options{})
		require.NoError(t, err)
		_, err = c.Ping(t.Context())
		require.ErrorIs(t, err, docker.ErrPermission)
		assert.EqualError(t, err, "docker: ping: the Docker socket /var/run/docker.sock: permission denied; run as root or join the group docker")
		return
	}
	// A copy where any user may read and execute it.
	dir, err := os.MkdirTemp("", "governor-nobody")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	require.NoError(t, os.Chmod(dir, 0o755))
	self, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(dir+"/self", self, 0o755))
	again := exec.CommandContext(t.Context(), dir+"/self", "-test.run=^TestRealSocketWithoutPermission$")
	again.Dir, again.Env = dir, append(os.Environ(), "GOVERNOR_TEST_AS_NOBODY=1")
	again.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := again.CombinedOutput()
	assert.NoError(t, err, string(out))
}
