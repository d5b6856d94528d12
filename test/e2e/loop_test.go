//go:build docker

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/governor-project/governor/internal/api"
	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/docker/dockertest"
)

const loopTimeout = 60 * time.Second

// workloadImage imports the workload as an image of this test's own.
func workloadImage(t *testing.T, engine docker.Client) string {
	t.Helper()
	ref := fmt.Sprintf("governor-e2e-%d:1", time.Now().UnixNano())
	require.NoError(t, docker.ImportBinary(t.Context(), engine, ref, binaries.workload))
	t.Cleanup(func() {
		engine, ctx, done := cleaner(t)
		defer done()
		assert.NoError(t, engine.ImageRemove(ctx, ref, true))
	})
	return ref
}

func shopFile(t *testing.T, image string) string {
	t.Helper()
	return writeFile(t, "shop.yaml", fmt.Sprintf(`
apps:
  e2e-shop:
    class: latency_critical
    objective: {percentile: 95, target: 200ms}
    cpu: {max: 1}
    containers:
      frontend:
        image: %q
        pull: never
        command: [service, "--mean=0.2", "--amplitude=0.1", "--cost=2ms", "--base=20s", "--period=10s"]
        cpu: {cpuset: "0", quota: 0.1}
  e2e-batch:
    class: best_effort
    containers:
      hog:
        image: %q
        pull: never
        command: [interference, "--threads=1"]
        cpu: {cpuset: "0"}
`, image, image))
}

// The whole job on one host: containers come up with a GUID, their spans are
// attributed and their traces timed, the best-effort one gets the lowest weight and the throttled
// service its quota; every decision is explained; at the end everything is as it was.
func TestTheClosedLoop(t *testing.T) {
	engine := dockertest.Real(t)
	image := workloadImage(t, engine)
	dir := t.TempDir()
	a := startSynced(t, dir, "GOVERNOR_MODE=enforce")
	a.mustCLI("up", "-f", shopFile(t, image))
	t.Cleanup(func() { removeApps(t) })

	frontend, hog := a.container("e2e-shop"), a.container("e2e-batch")
	assert.Regexp(t, `^governor-e2e-\d+-[0-9a-f]{12}$`, frontend.GUID)
	inspected, err := engine.Inspect(t.Context(), frontend.ID)
	require.NoError(t, err)
	assert.Contains(t, inspected.Env, "GOVERNOR_GUID="+frontend.GUID)
	assert.Contains(t, inspected.Env, "JAEGER_AGENT_HOST="+bridgeAddress(t))

	a.eventually("the best-effort container has the lowest weight", loopTimeout, func() bool { return limits(t, hog.PID).Shares == 2 })
	a.eventually("the throttled service has a higher quota", loopTimeout, func() bool { return limits(t, frontend.PID).Quota.CPUs() > 0.1 })
	assert.LessOrEqual(t, limits(t, frontend.PID).Quota.CPUs(), 1.0, "the app's max")

	var root span
	a.eventually("a timed root span of the service is in the traces file", loopTimeout, func() bool {
		for _, s := range spans(t, filepath.Join(dir, "data", "traces.jsonl")) {
			if s.attributes["governor.e2e.outcome"] != "" {
				root = s
				return true
			}
		}
		return false
	})
	assert.Equal(t, "e2e-shop", root.resource["governor.app"])
	assert.Equal(t, "latency_critical", root.resource["governor.class"])
	assert.Equal(t, frontend.GUID, root.resource["governor.guid"])
	assert.Equal(t, frontend.ID, root.resource["container.id"])
	assert.Equal(t, "guid", root.resource["governor.attribution"])
	assert.Equal(t, "complete", root.attributes["governor.e2e.outcome"])
	assert.NotEmpty(t, root.attributes["governor.e2e.duration_ms"])

	for _, file := range []string{"logs.jsonl", "metrics.jsonl"} {
		a.eventually("the container's "+file+" is attributed", loopTimeout, func() bool {
			text, err := os.ReadFile(filepath.Join(dir, "data", file))
			return err == nil && attributed(string(text), frontend)
		})
	}

	a.eventually("the latency of the app is known", loopTimeout, func() bool {
		var got api.Latencies
		return a.get("/v1/latency", &got) == nil && strings.Contains(fmt.Sprint(got), "e2e-shop")
	})
	assert.Contains(t, a.mustCLI("explain", "e2e-shop"), "quota")
	assert.Contains(t, a.mustCLI("decisions"), "class_weight")

	a.stop()
	assert.EqualValues(t, 1024, limits(t, hog.PID).Shares, "the weight is what it was")
	assert.InDelta(t, 0.1, limits(t, frontend.PID).Quota.CPUs(), 1e-9, "the quota is what it was")

	a = startSynced(t, dir)
	assert.Contains(t, a.mustCLI("ps"), frontend.GUID, "a new agent knows the containers")
	a.mustCLI("down", "e2e-shop", "e2e-batch")
	for _, id := range []string{frontend.ID, hog.ID} {
		_, err := engine.Inspect(t.Context(), id)
		assert.ErrorIs(t, err, docker.ErrNotFound)
	}
}

// What a crash leaves behind, the next start puts right.
func TestKillAndANewStartRestoreTheLimits(t *testing.T) {
	engine := dockertest.Real(t)
	image := workloadImage(t, engine)
	dir := t.TempDir()
	a := startSynced(t, dir, "GOVERNOR_MODE=enforce")
	a.mustCLI("up", "-f", shopFile(t, image))
	t.Cleanup(func() { removeApps(t) })
	frontend, hog := a.container("e2e-shop"), a.container("e2e-batch")
	changed := func() bool {
		return limits(t, hog.PID).Shares == 2 && limits(t, frontend.PID).Quota.CPUs() > 0.1
	}
	restored := func() bool {
		return limits(t, hog.PID).Shares == 1024 && limits(t, frontend.PID).Quota.CPUs() == 0.1
	}

	a.eventually("the limits are changed", loopTimeout, changed)
	a.kill()
	require.True(t, changed(), "a killed agent restores nothing")

	a = startAgent(t, dir, []string{"GOVERNOR_MODE=observe"})
	a.eventually("an agent that observes restores what the crash left", 5*time.Second, restored)
	a.stop()

	a = startSynced(t, dir, "GOVERNOR_MODE=enforce")
	a.eventually("the limits are changed again", loopTimeout, changed)
	a.kill()
	a = startSynced(t, dir, "GOVERNOR_MODE=enforce")
	a.stop()
	assert.True(t, restored(), "an agent that took over from a crash restores the true originals: %+v %+v", limits(t, hog.PID), limits(t, frontend.PID))
}

// Observe, the default, changes nothing and says what it would do.
func TestObserveWritesNothing(t *testing.T) {
	engine := dockertest.Real(t)
	image := workloadImage(t, engine)
	dir := t.TempDir()
	a := startSynced(t, dir)
	a.mustCLI("up", "-f", shopFile(t, image))
	t.Cleanup(func() { removeApps(t) })
	frontend, hog := a.container("e2e-shop"), a.container("e2e-batch")
	a.eventually("the agent would raise the quota", loopTimeout, func() bool {
		out := a.mustCLI("decisions")
		return strings.Contains(out, "throttled") && strings.Contains(out, "observed")
	})
	assert.EqualValues(t, 1024, limits(t, hog.PID).Shares)
	assert.InDelta(t, 0.1, limits(t, frontend.PID).Quota.CPUs(), 1e-9)
}

// attributed reports whether some batch names the container, its GUID and its app together.
func attributed(text string, c api.Container) bool {
	for line := range strings.Lines(text) {
		if strings.Contains(line, c.ID) && strings.Contains(line, c.GUID) && strings.Contains(line, `"governor.app","value":{"stringValue":"`+c.App+`"`) {
			return true
		}
	}
	return false
}

// container is the only container of an app.
func (a *agent) container(app string) api.Container {
	a.t.Helper()
	var got api.App
	require.NoError(a.t, a.get("/v1/apps/"+app, &got))
	require.Len(a.t, got.Containers, 1)
	require.NotZero(a.t, got.Containers[0].PID)
	return got.Containers[0]
}

// limits are what the kernel says, read without the agent.
func limits(t *testing.T, pid int) cgroup.Limits {
	t.Helper()
	host, err := cgroup.Open("/")
	require.NoError(t, err)
	group, err := host.GroupOf(pid)
	require.NoError(t, err)
	got, err := group.Limits()
	require.NoError(t, err)
	return got
}

// cleaner is an engine for clean-ups, which run after the test's context has ended.
func cleaner(t *testing.T) (docker.Client, context.Context, func()) {
	ctx, cancel := context.WithTimeout(context.Background(), loopTimeout)
	engine, err := docker.New(docker.Options{})
	require.NoError(t, err)
	return engine, ctx, func() { cancel(); assert.NoError(t, engine.Close()) }
}

// removeApps removes the containers of this file by label, whatever became of the agent.
func removeApps(t *testing.T) {
	engine, ctx, done := cleaner(t)
	defer done()
	for _, app := range []string{"e2e-shop", "e2e-batch"} {
		left, err := engine.List(ctx, "governor.app="+app)
		assert.NoError(t, err)
		for _, c := range left {
			assert.NoError(t, engine.Remove(ctx, c.ID, true))
		}
	}
}

type span struct{ resource, attributes map[string]string }

type keyValues []struct {
	Key   string         `json:"key"`
	Value map[string]any `json:"value"`
}

func (kvs keyValues) flat() map[string]string {
	out := map[string]string{}
	for _, kv := range kvs {
		for _, v := range kv.Value {
			out[kv.Key] = fmt.Sprint(v)
		}
	}
	return out
}

// spans reads the file exporter's OTLP JSON, one batch a line; a last line that
// is still being written is left out.
func spans(t *testing.T, path string) []span {
	t.Helper()
	file, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	defer file.Close()
	var out []span
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var batch struct {
			ResourceSpans []struct {
				Resource struct {
					Attributes keyValues `json:"attributes"`
				} `json:"resource"`
				ScopeSpans []struct {
					Spans []struct {
						Attributes keyValues `json:"attributes"`
					} `json:"spans"`
				} `json:"scopeSpans"`
			} `json:"resourceSpans"`
		}
		if json.Unmarshal(lines.Bytes(), &batch) != nil {
			continue
		}
		for _, rs := range batch.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					out = append(out, span{resource: rs.Resource.Attributes.flat(), attributes: s.Attributes.flat()})
				}
			}
		}
	}
	return out
}
