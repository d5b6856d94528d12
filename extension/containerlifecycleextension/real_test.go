//go:build docker

package containerlifecycleextension

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/governor-project/governor/internal/api"
	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/docker/dockertest"
	"github.com/governor-project/governor/internal/inventory"
)

// realAgent is the extension on the engine of this host, and the probe's image.
// Every app of the test carries the test's name as a tag, and is removed by it.
func realAgent(t *testing.T) (*agent, docker.Client, string) {
	t.Helper()
	engine := dockertest.Real(t)
	label := inventory.LabelTagPrefix + dockertest.Label + "=" + t.Name()
	dockertest.RemoveByLabel(t, engine, label)
	image := dockertest.ProbeImage(t, engine)
	t.Cleanup(func() { dockertest.RemoveByLabel(t, engine, label) })
	a := prepare(t, nil, nil)
	a.begin(t)
	a.awaitDocker(t)
	return a, engine, image
}

func appFile(t *testing.T, containers string) []byte {
	return fmt.Appendf(nil, "apps:\n  govtest:\n    class: best_effort\n    tags: {%s: %s}\n    containers:\n%s", dockertest.Label, t.Name(), containers)
}

func left(t *testing.T, engine docker.Client) []docker.Summary {
	t.Helper()
	found, err := engine.List(t.Context(), inventory.LabelTagPrefix+dockertest.Label+"="+t.Name())
	require.NoError(t, err)
	return found
}

func TestRealAppFromUpToDown(t *testing.T) {
	a, engine, image := realAgent(t)
	ctx := t.Context()
	result, err := a.Up(ctx, "app.yaml", appFile(t, fmt.Sprintf(`
      web: {image: %q, command: [listen, "8080"], ports: ["0:8080"], depends_on: [db], env: {KEY: value}, cpu: {cpuset: "0", quota: 0.5}, memory: 32MiB}
      db: {image: %q, command: [wait]}
`, image, image)))
	require.NoError(t, err)
	app := result.Apps["govtest"]
	require.Len(t, app.Containers, 2)
	assert.Equal(t, "Ready", app.State)
	web := app.Containers[1]

	// The engine has what the file says, and the GUID in label and environment.
	raw, err := engine.Inspect(ctx, "govtest-web")
	require.NoError(t, err)
	assert.Equal(t, web.GUID, raw.Labels[inventory.LabelGUID])
	env := raw.EnvMap()
	gateway, err := engine.BridgeGateway(ctx)
	require.NoError(t, err)
	assert.Equal(t, web.GUID, env["GOVERNOR_GUID"])
	assert.Equal(t, web.GUID, env["SUPB_GUID"])
	assert.Equal(t, gateway, env["HOST_IP"])
	assert.Equal(t, "value", env["KEY"])
	assert.InDelta(t, 0.5, raw.Limits.Quota, 1e-9)
	assert.Equal(t, "0", raw.Limits.CPUs)
	assert.EqualValues(t, 32<<20, raw.Limits.Memory)

	// The program sees the same, and is reached where the answer says.
	var log strings.Builder
	require.NoError(t, a.Logs(ctx, web.GUID, false, 0, &log))
	assert.Contains(t, log.String(), "GOVERNOR_GUID="+web.GUID+"\n")
	assert.Contains(t, log.String(), "probe started\n", "standard error too")
	require.Len(t, web.Ports, 2, "on IPv4 and IPv6")
	response, err := http.Get(web.Ports[0].URL)
	if err == nil { // the probe says hello without speaking HTTP
		_ = response.Body.Close()
	}
	assert.NotContains(t, fmt.Sprint(err), "connection refused")

	for _, step := range []struct{ op, want string }{{"stop", "Stopped"}, {"start", "Ready"}, {"restart", "Ready"}} {
		c, err := a.Operate(ctx, step.op, web.GUID)
		require.NoError(t, err)
		assert.Equal(t, step.want, c.State)
		raw, err := engine.Inspect(ctx, web.ID)
		require.NoError(t, err)
		assert.Equal(t, step.want == "Ready", raw.State == docker.StateRunning)
	}

	_, err = a.Down(ctx, "govtest")
	require.NoError(t, err)
	assert.Empty(t, left(t, engine))
}

func TestRealFailureRollsBack(t *testing.T) {
	a, engine, image := realAgent(t)
	for name, second := range map[string]string{
		"ends at once":     `{image: %q, command: [exit, "3"], depends_on: [a]}`,
		"crashes for ever": `{image: %q, command: [exit, "3"], restart: always, depends_on: [a]}`,
		"no such argument": `{image: %q, command: [exit, "three"], depends_on: [a]}`,
	} {
		_, err := a.Up(t.Context(), "", appFile(t, fmt.Sprintf("      a: {image: %q, command: [wait]}\n      b: "+second+"\n", image, image)))
		var problem *api.Problem
		require.ErrorAs(t, err, &problem, name)
		require.NotNil(t, problem.RolledBack, name)
		assert.Equal(t, []string{"govtest-b", "govtest-a"}, problem.RolledBack.Removed, name)
		assert.Empty(t, left(t, engine), name)
	}
}

func TestRealTakenPortRollsBack(t *testing.T) {
	a, engine, image := realAgent(t)
	file := func(port string) []byte {
		return appFile(t, fmt.Sprintf("      a: {image: %q, command: [wait], ports: [%q]}\n      b: {image: %q, command: [wait], ports: [%q], depends_on: [a]}\n", image, "127.0.0.1:0:80", image, port))
	}
	result, err := a.Up(t.Context(), "", file("127.0.0.1:0:80"))
	require.NoError(t, err)
	taken := result.Apps["govtest"].Containers[0].Ports[0].Host
	other := strings.Replace(string(file(fmt.Sprintf("127.0.0.1:%d:80", taken))), "govtest:", "govtest2:", 1)
	_, err = a.Up(t.Context(), "", []byte(other))
	require.ErrorContains(t, err, "port is already allocated")
	assert.Len(t, left(t, engine), 2, "the first app goes on")
}

func TestRealContainersChangedBehindItsBack(t *testing.T) {
	a, engine, image := realAgent(t)
	ctx := t.Context()
	result, err := a.Up(ctx, "", appFile(t, fmt.Sprintf("      a: {image: %q, command: [wait]}\n      b: {image: %q, command: [wait]}\n      c: {image: %q, command: [wait]}\n", image, image, image)))
	require.NoError(t, err)
	all := result.Apps["govtest"].Containers
	require.NoError(t, engine.Remove(ctx, all[0].ID, true))
	require.NoError(t, engine.Kill(ctx, all[1].ID, "SIGKILL"))
	require.NoError(t, engine.Stop(ctx, all[2].ID, 5*time.Second))
	for i, want := range []string{"Terminated", "Failed", "Stopped"} {
		require.Eventually(t, func() bool {
			c, err := a.Container(ctx, all[i].GUID)
			return err == nil && c.State == want
		}, 20*time.Second, 10*time.Millisecond, want)
	}
	c, err := a.Container(ctx, all[0].GUID)
	require.NoError(t, err)
	assert.Equal(t, "removed by someone else", c.Reason)
	_, err = a.Down(ctx, "govtest")
	require.NoError(t, err)
	assert.Empty(t, left(t, engine))
}

func TestRealAgentFindsItsContainersAgain(t *testing.T) {
	a, _, image := realAgent(t)
	result, err := a.Up(t.Context(), "", appFile(t, fmt.Sprintf("      a: {image: %q, command: [wait]}\n", image)))
	require.NoError(t, err)
	want := result.Apps["govtest"].Containers[0]

	second := prepare(t, nil, nil)
	second.begin(t)
	second.awaitDocker(t)
	got, err := second.Container(t.Context(), want.GUID)
	require.NoError(t, err)
	assert.Equal(t, want, got)
	again, err := second.Up(t.Context(), "", appFile(t, fmt.Sprintf("      a: {image: %q, command: [wait]}\n", image)))
	require.NoError(t, err)
	assert.Equal(t, 0, again.Created, "it is the same specification")
}

func TestRealLogIsFollowed(t *testing.T) {
	a, engine, image := realAgent(t)
	result, err := a.Up(t.Context(), "", appFile(t, fmt.Sprintf("      a: {image: %q, command: [wait]}\n", image)))
	require.NoError(t, err)
	c := result.Apps["govtest"].Containers[0]
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := a.Logs(t.Context(), c.GUID, true, 0, writer)
		_ = writer.CloseWithError(err)
		done <- err
	}()
	first := make([]byte, 1)
	_, err = io.ReadFull(reader, first)
	require.NoError(t, err, "what is there comes at once")
	go func() { _, _ = io.Copy(io.Discard, reader) }()
	require.NoError(t, engine.Stop(t.Context(), c.ID, 5*time.Second))
	select {
	case err := <-done:
		require.NoError(t, err, "the end of the container is the end of its log")
	case <-time.After(20 * time.Second):
		t.Fatal("the log does not end")
	}
}
