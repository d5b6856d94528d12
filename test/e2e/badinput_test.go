//go:build docker

package e2e

import (
	"net"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/docker/dockertest"
)

// Each mistake: one clear message with its place, exit status 1, nothing touched.
func TestBadConfigurations(t *testing.T) {
	for name, c := range map[string]struct {
		set  []string
		want []string
	}{
		"unknown key": {
			[]string{"receivers.jaeger.colour=red"},
			[]string{`receivers::jaeger: unknown key "colour"`},
		},
		"wrong unit": {
			[]string{"processors.guid_routing.e2e.settle=5 parsecs"},
			[]string{`processors::guid_routing: `, `5 parsecs`},
		},
		"objective without target": {
			[]string{"exporters.cpu_control.apps.shop.class=latency_critical", "exporters.cpu_control.apps.shop.objective.percentile=95"},
			[]string{`exporters::cpu_control: `, `shop`, `target`},
		},
		"percentile outside (0,100)": {
			[]string{"exporters.cpu_control.apps.shop.class=latency_critical", "exporters.cpu_control.apps.shop.objective.percentile=100", "exporters.cpu_control.apps.shop.objective.target=50ms"},
			[]string{`exporters::cpu_control: `, `shop`, `percentile`, `100`},
		},
		"offline CPU": {
			[]string{"exporters.cpu_control.pool.cpus=0-4000"},
			[]string{`pool`, `0-4000`, `offline`},
		},
		"extension that is not configured": {
			[]string{"service.extensions=[nowhere]"},
			[]string{`service::extensions: extension "nowhere" is used and not configured`},
		},
		"unknown mode": {
			[]string{"exporters.cpu_control.mode=enforced"},
			[]string{`exporters::cpu_control: `, `enforced`, `observe`, `enforce`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			state := t.TempDir()
			args := []string{}
			for _, s := range c.set {
				args = append(args, "--set", s)
			}
			out, status := run(t, environment(state), args...)
			assert.Equal(t, 1, status, out)
			for _, text := range c.want {
				assert.Contains(t, out, text)
			}
			left, err := filepath.Glob(state + "/*")
			require.NoError(t, err)
			assert.Empty(t, left, "nothing was touched")
		})
	}
}

func TestSeveralMistakesAreReportedAtOnce(t *testing.T) {
	out, status := run(t, environment(t.TempDir()),
		"--set", "receivers.jaeger.colour=red", "--set", "exporters.cpu_control.mode=enforced", "--set", "service.extensions=[nowhere]")
	assert.Equal(t, 1, status)
	assert.Contains(t, out, `unknown key "colour"`)
	assert.Contains(t, out, `enforced`)
	assert.Contains(t, out, `"nowhere"`)
	assert.Contains(t, out, "3 problem(s)")
}

// An app file is refused whole: every mistake with its line and key, nothing created.
func TestABadAppFile(t *testing.T) {
	engine := dockertest.Real(t)
	a := startSynced(t, t.TempDir())
	file := writeFile(t, "bad.yaml", `apps:
  e2e-bad:
    class: latency_critical
    objective: {percentile: 100}
    colour: red
    containers:
      web: {image: "x:1", cpu: {cpuset: "0-4000"}}
  e2e-worse:
    class: latency_critical
    objective: {percentile: 95, target: 50}
    containers:
      web: {image: "x:1"}
`)
	out, err := a.cli("up", "-f", file)
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, 1, exit.ExitCode())
	for _, place := range []string{
		"bad.yaml:4: apps.e2e-bad.objective.percentile: 100 is not allowed",
		"bad.yaml:4: apps.e2e-bad.objective.target: ",
		"bad.yaml:5: apps.e2e-bad.colour: ",
		"bad.yaml:7: apps.e2e-bad.containers.web.cpu.cpuset: cpuset \"0-4000\": ",
		"bad.yaml:10: apps.e2e-worse.objective.target: ",
	} {
		assert.Contains(t, out, place)
	}
	for _, app := range []string{"e2e-bad", "e2e-worse"} {
		left, err := engine.List(t.Context(), "governor.app="+app)
		require.NoError(t, err)
		assert.Empty(t, left)
	}
}

func TestAPortInUseIsNamed(t *testing.T) {
	for _, c := range []struct{ network, address string }{{"udp", "127.0.0.1:6831"}, {"tcp", "127.0.0.1:4317"}} {
		t.Run(c.network, func(t *testing.T) {
			if c.network == "udp" {
				conn, err := net.ListenPacket(c.network, c.address)
				require.NoError(t, err)
				defer conn.Close()
			} else {
				l, err := net.Listen(c.network, c.address)
				require.NoError(t, err)
				defer l.Close()
			}
			out, status := run(t, environment(t.TempDir()))
			assert.Equal(t, 1, status)
			assert.Contains(t, out, c.address)
			assert.Contains(t, out, "address already in use")
		})
	}
}

// An agent that cannot start for want of a port has not touched a container
// before it found out, not even for a moment.
func TestAnAgentThatCannotStartTouchesNothing(t *testing.T) {
	engine := dockertest.Real(t)
	image := workloadImage(t, engine)
	dockertest.CleanUp(t, engine)
	labels := dockertest.Labels(t)
	labels["governor.app"], labels["governor.class"] = "e2e-untouched", "best_effort"
	id, err := engine.Create(t.Context(), docker.CreateSpec{Image: image, Command: []string{"interference", "--threads=1"}, Labels: labels})
	require.NoError(t, err)
	require.NoError(t, engine.Start(t.Context(), id))
	inspected, err := engine.Inspect(t.Context(), id)
	require.NoError(t, err)

	l, err := net.Listen("tcp", "127.0.0.1:4317")
	require.NoError(t, err)
	defer l.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		out, status := run(t, append(environment(t.TempDir()), "GOVERNOR_MODE=enforce"))
		assert.Equal(t, 1, status)
		assert.Contains(t, out, "127.0.0.1:4317")
	}()
	for {
		require.EqualValues(t, 1024, limits(t, inspected.PID).Shares)
		select {
		case <-ended:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

func environment(state string) []string {
	return []string{"GOVERNOR_STATE_DIR=" + state, "GOVERNOR_SOCKET=" + filepath.Join(state, "run", "governor.sock")}
}
