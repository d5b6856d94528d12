package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/governor-project/governor/internal/api"
)

// fakeAgent answers on a socket with fixed bodies, by "METHOD path", and notes
// what it was asked.
type fakeAgent struct {
	socket  string
	answers map[string]any
	asked   []string
}

func newFakeAgent(t *testing.T, answers map[string]any) *fakeAgent {
	t.Helper()
	a := &fakeAgent{socket: filepath.Join(t.TempDir(), "s"), answers: answers}
	listener, err := net.Listen("unix", a.socket)
	require.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(a.serve)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return a
}

func (a *fakeAgent) serve(w http.ResponseWriter, r *http.Request) {
	key := r.Method + " " + r.URL.Path
	a.asked = append(a.asked, key)
	switch answer := a.answers[key].(type) {
	case nil:
		api.NewProblem(http.StatusNotFound, "there is no %s", r.URL.Path).Write(w)
	case *api.Problem:
		answer.Write(w)
	case string:
		_, _ = io.WriteString(w, answer)
	default:
		_ = json.NewEncoder(w).Encode(answer)
	}
}

// call runs a verb as the command line does and returns its output and error.
func call(t *testing.T, a *fakeAgent, args ...string) (string, error) {
	t.Helper()
	root := &cobra.Command{Use: "governor", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(lifecycleCommands()...)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	if a != nil {
		args = append(args, "--socket", a.socket)
	}
	root.SetArgs(args)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func appFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "shop.yaml")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

func web() api.Container {
	return api.Container{
		GUID: "hotrod-0123456789ab", App: "shop", Name: "shop-web", Image: "hotrod:1", State: "Ready", Class: "latency_critical",
		Ports: []api.Port{{Container: 8080, Host: 32768, Protocol: "tcp", URL: "http://127.0.0.1:32768"}, {Container: 8080, Host: 32768, HostIP: "::", Protocol: "tcp", URL: "http://127.0.0.1:32768"}, {Container: 53, Host: 5353, Protocol: "udp"}},
	}
}

const webRow = "shop  shop-web   hotrod-0123456789ab  hotrod:1  latency_critical  Ready  http://127.0.0.1:32768→8080 5353→53/udp\n"

func TestUp(t *testing.T) {
	a := newFakeAgent(t, map[string]any{"POST /v1/apps": api.UpResult{Created: 1, Apps: map[string]api.App{"shop": {Name: "shop", Containers: []api.Container{web()}}}}})
	out, err := call(t, a, "up", "-f", appFile(t, "apps: {}"))
	require.NoError(t, err)
	assert.Contains(t, out, "Created 1 containers, 0 were there already.\n")
	assert.Contains(t, out, webRow)

	out, err = call(t, a, "up", "-f", appFile(t, "apps: {}"), "--output", "json")
	require.NoError(t, err)
	var got api.UpResult
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	assert.Equal(t, 1, got.Created)

	a.answers["POST /v1/apps"] = api.UpResult{Kept: 1}
	out, err = call(t, a, "up", "-f", appFile(t, "apps: {}"))
	require.NoError(t, err)
	assert.Contains(t, out, "Nothing to change")
}

func TestExitStatuses(t *testing.T) {
	rolledBack := api.NewProblem(500, "start failed; rolled back: 1 containers removed")
	rolledBack.RolledBack = &api.RolledBack{Removed: []string{"shop-web"}}
	invalid := api.NewProblem(422, "the app file is not usable: 2 problems")
	invalid.Errors = []string{"shop.yaml:1: a", "shop.yaml:2: b"}
	for _, c := range []struct {
		name   string
		answer *api.Problem
		args   []string
		status int
		want   string
	}{
		{"rolled back", rolledBack, []string{"up", "-f", "FILE"}, 3, "start failed; rolled back: 1 containers removed"},
		{"invalid", invalid, []string{"up", "-f", "FILE"}, 1, "shop.yaml:1: a\nshop.yaml:2: b"},
		{"no file", nil, []string{"up"}, 2, "an app file is needed: -f FILE (or - for standard input)"},
		{"missing file", nil, []string{"up", "-f", "/nonexistent.yaml"}, 1, "open /nonexistent.yaml: no such file or directory"},
		{"flag", nil, []string{"ps", "--colour"}, 2, "unknown flag: --colour"},
		{"output", nil, []string{"ps", "-o", "xml"}, 2, `--output "xml" is not allowed; allowed are table and json`},
		{"arguments", nil, []string{"ps", "a", "b"}, 2, "accepts at most 1 arg(s), received 2"},
		{"nothing named", nil, []string{"stop"}, 2, "requires at least 1 arg(s), only received 0"},
		{"tail", nil, []string{"logs", "x", "--tail", "-1"}, 2, "--tail -1 is not allowed; a number of lines is needed"},
		{"limit", nil, []string{"decisions", "--limit", "0"}, 2, "--limit 0 is not allowed; at least 1 is needed"},
		{"down what", nil, []string{"down"}, 2, "either names of apps or an app file is needed: down APP... or down -f FILE"},
		{"down both", nil, []string{"down", "shop", "-f", "FILE"}, 2, "either names of apps or an app file is needed: down APP... or down -f FILE"},
		{"verb", nil, []string{"fly"}, 2, `unknown command "fly" for "governor"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newFakeAgent(t, map[string]any{})
			if c.answer != nil {
				a.answers["POST /v1/apps"] = c.answer
			}
			file := appFile(t, "apps: {}")
			for i := range c.args {
				c.args[i] = strings.Replace(c.args[i], "FILE", file, 1)
			}
			_, err := call(t, a, c.args...)
			require.Error(t, err)
			assert.Equal(t, c.want, err.Error())
			assert.Equal(t, c.status, exitStatus(err))
		})
	}
	assert.Zero(t, exitStatus(nil))
}

func TestNoAgent(t *testing.T) {
	_, err := call(t, nil, "ps", "--socket", "/nonexistent/governor.sock")
	assert.EqualError(t, err, "no agent answers on /nonexistent/governor.sock: dial unix /nonexistent/governor.sock: connect: no such file or directory\n"+
		`is the agent running? "governor" starts one`)
	assert.Equal(t, 1, exitStatus(err))
}

func TestDown(t *testing.T) {
	a := newFakeAgent(t, map[string]any{"DELETE /v1/apps/shop": api.DownResult{Removed: []api.Container{web()}}})
	out, err := call(t, a, "down", "shop")
	require.NoError(t, err)
	assert.Contains(t, out, "Removed 1 containers.")
	_, err = call(t, a, "down", "-f", appFile(t, "apps: {shop: {containers: {web: {image: hotrod:1}}}}"))
	require.NoError(t, err)
	assert.Equal(t, []string{"DELETE /v1/apps/shop", "DELETE /v1/apps/shop"}, a.asked)
	out, err = call(t, a, "down", "nobody", "shop")
	assert.ErrorContains(t, err, "there is no /v1/apps/nobody")
	assert.Contains(t, out, "Removed 1 containers.", "it goes on after a failure")
	_, err = call(t, a, "down", "-f", appFile(t, "apps: {}"))
	assert.ErrorContains(t, err, "shop.yaml:1: apps: there is no app in it")
}

func TestPlan(t *testing.T) {
	a := newFakeAgent(t, map[string]any{"POST /v1/apps:plan": api.Plan{Steps: []api.Step{{Action: "create", App: "shop", Name: "shop-web", Image: "hotrod:1"}}}})
	out, err := call(t, a, "plan", "-f", appFile(t, "apps: {}"))
	require.NoError(t, err)
	assert.Equal(t, "ACTION  APP   CONTAINER  IMAGE     GUID\ncreate  shop  shop-web   hotrod:1  -\n", out)
}

func TestPs(t *testing.T) {
	failed := web()
	failed.State, failed.Reason, failed.Ports = "Failed", "ended with exit status 3", nil
	a := newFakeAgent(t, map[string]any{"GET /v1/containers": api.Containers{Containers: []api.Container{web(), failed}}})
	out, err := call(t, a, "ps", "shop", "--state", "Ready")
	require.NoError(t, err)
	assert.Contains(t, out, "Failed (ended with exit status 3)  -\n")
	out, err = call(t, a, "ps", "-o", "json")
	require.NoError(t, err)
	var got api.Containers
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	assert.Equal(t, web(), got.Containers[0])
}

func TestOperationsTakeGUIDsAndNames(t *testing.T) {
	path := "/v1/containers/hotrod-0123456789ab"
	a := newFakeAgent(t, map[string]any{
		"GET /v1/containers":     api.Containers{Containers: []api.Container{web()}},
		"POST " + path + "/stop": web(), "POST " + path + "/start": web(), "POST " + path + "/restart": web(), "DELETE " + path: web(),
		"GET " + path + "/logs": "one\ntwo\n",
	})
	for _, verb := range []string{"stop", "start", "restart", "rm"} {
		out, err := call(t, a, verb, "shop-web", "hotrod-0123456789ab")
		require.NoError(t, err, verb)
		assert.Equal(t, 2, strings.Count(out, "shop-web"), verb)
		_, err = call(t, a, verb, "nobody")
		assert.Error(t, err, verb)
	}
	out, err := call(t, a, "logs", "shop-web", "-f", "--tail", "2")
	require.NoError(t, err)
	assert.Equal(t, "one\ntwo\n", out)
}

func decision(seq uint64, app string) api.Decision {
	return api.Decision{Seq: seq, Time: time.Unix(0, 0), App: app, Container: app + "-web", Resource: "quota", Before: "0.6", After: "0.9", Rule: "raise", Result: "written", Reason: "p95 61 ms > 50 ms"}
}

func TestDecisions(t *testing.T) {
	a := newFakeAgent(t, map[string]any{"GET /v1/decisions": api.Decisions{Decisions: []api.Decision{decision(7, "shop")}, LastSeq: 7}})
	out, err := call(t, a, "decisions")
	require.NoError(t, err)
	assert.Contains(t, out, "0.6     0.9    raise  written  p95 61 ms > 50 ms")
	delete(a.answers, "GET /v1/decisions")
	_, err = call(t, a, "decisions")
	assert.EqualError(t, err, "this agent decides nothing: no cpu_control exporter runs in it")
}

func TestExplain(t *testing.T) {
	app := api.App{Name: "shop", State: "Ready", Class: "latency_critical", Objective: "p95 ≤ 50ms (trace)", Containers: []api.Container{web()}}
	latencies := api.Latencies{Mode: "enforce", Apps: []api.AppLatency{{App: "shop", State: "violating", Percentile: 95, TargetMS: 50, LatencyMS: 61, Slack: -0.22, Count: 120, WindowMS: 2000}}}
	a := newFakeAgent(t, map[string]any{
		"GET /v1/apps/shop": app, "GET /v1/latency": latencies,
		"GET /v1/decisions": api.Decisions{Decisions: []api.Decision{decision(1, "shop"), decision(2, "other")}},
	})
	out, err := call(t, a, "explain", "shop")
	require.NoError(t, err)
	for _, want := range []string{"shop is Ready, class latency_critical, objective p95 ≤ 50ms (trace)", "The controller (enforce) says: violating", "61.0 ms at p95, target 50.0 ms, slack -22 %", "p95 61 ms > 50 ms"} {
		assert.Contains(t, out, want)
	}
	assert.NotContains(t, out, "other-web")

	out, err = call(t, a, "explain", "shop", "-o", "json")
	require.NoError(t, err)
	var got explanation
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	assert.Len(t, got.Decisions, 1)

	delete(a.answers, "GET /v1/latency")
	out, err = call(t, a, "explain", "shop")
	require.NoError(t, err)
	assert.Contains(t, out, "No controller knows this app.")

	_, err = call(t, a, "explain", "nobody")
	assert.True(t, isNotFound(err), fmt.Sprint(err))
	a.answers["GET /v1/latency"] = api.NewProblem(503, "not now")
	_, err = call(t, a, "explain", "shop")
	var problem *api.Problem
	require.True(t, errors.As(err, &problem))
	assert.Equal(t, 503, problem.Status)
}

func TestStandardInput(t *testing.T) {
	cmd := &cobra.Command{}
	cmd.SetIn(strings.NewReader("apps:"))
	got, err := readAppFile(cmd, "-")
	require.NoError(t, err)
	assert.Equal(t, "apps:", string(got))
}
