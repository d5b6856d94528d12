package experiment

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/governor-project/governor/internal/api"
	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/cpuset"
)

// playing starts this test binary in a role, as an agent.
func playing(t *testing.T, role string) agentSettings {
	t.Helper()
	t.Setenv(envRole, role)
	self, err := os.Executable()
	require.NoError(t, err)
	dir := t.TempDir()
	return agentSettings{binary: self, state: dir, pool: "1", log: filepath.Join(dir, "agent.log")}
}

func TestAgentThatEndsAtOnceSaysWhy(t *testing.T) {
	_, err := startAgent(t.Context(), playing(t, "broken"))
	require.ErrorContains(t, err, "the agent ended at once")
	assert.ErrorContains(t, err, "port 6831 is in use")
}

func TestAgentThatDoesNotAnswerIsEnded(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	s := playing(t, "silent")
	_, err := startAgent(ctx, s)
	require.ErrorContains(t, err, "the agent's API does not answer")
}

func TestMissingAgent(t *testing.T) {
	s := playing(t, "silent")
	s.binary = filepath.Join(t.TempDir(), "none")
	_, err := startAgent(t.Context(), s)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestProcessFigures(t *testing.T) {
	a := &agent{pid: os.Getpid()}
	for begin := time.Now(); time.Since(begin) < 60*time.Millisecond; {
		_ = strconv.Itoa(int(time.Since(begin))) // uses CPU
	}
	cpu, err := a.cpuSeconds()
	require.NoError(t, err)
	var usage syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	want := float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
	assert.InDelta(t, want, cpu, 0.05)
	rss, err := a.maxRSS()
	require.NoError(t, err)
	assert.Greater(t, rss, uint64(4<<20))
	assert.LessOrEqual(t, rss, uint64(usage.Maxrss)<<10+1<<20, "the kernel's other figure also knows the time before exec")
}

func TestParseStatCPU(t *testing.T) {
	got, err := parseStatCPU([]byte("7 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0"))
	require.NoError(t, err)
	assert.InDelta(t, 2.0, got, 1e-9)
	for _, bad := range []string{"", "7 (a) S 1 2", "7 (a) S 1 2 3 4 5 6 7 8 9 10 x 50", "no name at all"} {
		_, err := parseStatCPU([]byte(bad))
		assert.Error(t, err, bad)
	}
}

func TestParseHighWater(t *testing.T) {
	got, err := parseHighWater("Name:\tx\nVmHWM:\t    1024 kB\nVmRSS:\t 3 kB\n")
	require.NoError(t, err)
	assert.EqualValues(t, 1<<20, got)
	for _, bad := range []string{"", "VmHWM:\t many kB\n"} {
		_, err := parseHighWater(bad)
		assert.Error(t, err, bad)
	}
}

func FuzzProcFiles(f *testing.F) {
	f.Add("7 (a) S 1 2 3 4 5 6 7 8 9 10 150 50 0", "VmHWM:\t 1 kB")
	f.Fuzz(func(t *testing.T, stat, status string) {
		if seconds, err := parseStatCPU([]byte(stat)); err == nil && seconds < 0 {
			t.Fatal("negative CPU time")
		}
		_, _ = parseHighWater(status)
	})
}

// serveAPI answers on a Unix socket as an agent would.
func serveAPI(t *testing.T, h http.Handler) *api.Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	server := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	a := api.NewClient(socket)
	t.Cleanup(a.Close)
	return a
}

func TestDecisionsArePagedThrough(t *testing.T) {
	const total = 1234
	a := serveAPI(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after, err := strconv.Atoi(r.URL.Query().Get("after"))
		require.NoError(t, err)
		limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
		require.NoError(t, err)
		var answer api.Decisions
		for seq := after + 1; seq <= min(after+limit, total); seq++ {
			d := api.Decision{Seq: uint64(seq), App: serviceApp, Result: resultWritten}
			if seq%2 == 0 {
				d.Result = "observed"
			}
			answer.Decisions = append(answer.Decisions, d)
		}
		writeJSON(t, w, answer)
	}))
	all, err := decisions(t.Context(), a)
	require.NoError(t, err)
	assert.Len(t, all, total)
	assert.Len(t, written(all), total/2)
	assert.Equal(t, total/2, countWrites(all))
	assert.Equal(t, total/2, countWrites(all[100:])-50, "forgotten decisions count as writes")
	assert.Zero(t, countWrites(nil))
	assert.Empty(t, written([]api.Decision{{App: "shop", Result: resultWritten}}), "of another app on this host")
}

func TestReadyMeansSynced(t *testing.T) {
	synced := false
	a := serveAPI(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(t, w, api.Heartbeat{Inventory: api.Inventory{Synced: synced}})
	}))
	require.ErrorIs(t, ready(t.Context(), a), errNotSynced)
	synced = true
	require.NoError(t, ready(t.Context(), a))
	require.ErrorIs(t, ready(t.Context(), api.NewClient(filepath.Join(t.TempDir(), "none"))), api.ErrNoAgent)
}

func TestUpNamesTheContainer(t *testing.T) {
	answer := api.UpResult{Apps: map[string]api.App{serviceApp: {Containers: []api.Container{{ID: "abc"}}}}}
	a := serveAPI(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("file") == "x.yaml" {
			api.NewProblem(http.StatusConflict, "app x is being changed").Write(w)
			return
		}
		writeJSON(t, w, answer)
	}))
	id, err := up(t.Context(), a, serviceApp, nil)
	require.NoError(t, err)
	assert.Equal(t, "abc", id)
	_, err = up(t.Context(), a, interferenceApp, nil)
	assert.EqualError(t, err, "the agent has started 0 containers for demo-interference, and not 1")
	_, err = up(t.Context(), a, "x", nil)
	assert.EqualError(t, err, "app x is being changed")
}

func TestAppFilesAreValid(t *testing.T) {
	online := cpuset.Of(0, 1)
	for _, s := range Scenarios(online) {
		text, err := s.serviceFile(20)
		require.NoError(t, err)
		file, err := appspec.Parse("service.yaml", text, appspec.Options{Online: online})
		require.NoError(t, err, "%s", text)
		a, ok := file.App(serviceApp)
		require.True(t, ok)
		assert.Equal(t, appspec.LatencyCritical, a.Policy.Class)
		assert.Equal(t, appspec.Objective{Percentile: 95, Target: s.Target, Scope: appspec.ScopeTrace}, a.Policy.Objective)
		assert.InDelta(t, s.MaxCPUs, a.Policy.CPU.Max, 1e-9)
		require.Len(t, a.Containers, 1)
		assert.Equal(t, s.Bound, a.Containers[0].CPUs)
		assert.InDelta(t, s.Quota, a.Containers[0].Quota, 1e-9)
		assert.Equal(t, s.serviceCommand(20), a.Containers[0].Command)

		text, err = s.interferenceFile()
		require.NoError(t, err)
		file, err = appspec.Parse("interference.yaml", text, appspec.Options{Online: online})
		require.NoError(t, err, "%s", text)
		assert.Equal(t, appspec.BestEffort, file.Apps[0].Policy.Class)
	}
}

func TestScenarios(t *testing.T) {
	one := Scenarios(cpuset.Of(0))
	assert.Len(t, one, 2, "two-core needs two cores")
	assert.Empty(t, Scenarios(cpuset.Set{}))
	eight := Scenarios(cpuset.Range(0, 7))
	all, err := Select(eight, All)
	require.NoError(t, err)
	assert.Len(t, all, 3)
	for _, s := range all {
		assert.True(t, s.Bound.IsSubsetOf(s.Pool))
		assert.True(t, s.Bound.Contains(7), "%s: the highest CPU", s.Name)
		assert.Less(t, s.Demand.Peak(), float64(s.Pool.Len()), "%s: alone it must fit", s.Name)
		alone := s.setup(Alone, 20)
		assert.Equal(t, setup{seconds: 20, serviceCPUs: s.Pool}, alone)
		assert.Equal(t, 60, s.setup(Governed, 20).seconds)
		assert.EqualValues(t, lowestShares, s.setup(WeightsOnly, 20).shares)
	}
	_, err = Select(eight, "three-core")
	assert.ErrorContains(t, err, `scenario "three-core" is unknown or does not fit on this host; allowed are two-core, shared-core, limited and all`)
}

func TestOptionsReportEverything(t *testing.T) {
	err := Options{Seconds: 1, Workload: filepath.Join(t.TempDir(), "none"), Governor: t.TempDir()}.Validate()
	for _, want := range []string{"seconds: 1 is not allowed; 2 to 3600", "workload: ", "governor: ", "is not a program", "out: empty"} {
		assert.ErrorContains(t, err, want)
	}
	_, err = Run(t.Context(), Options{})
	assert.Error(t, err)
}

func TestTranscript(t *testing.T) {
	tr := newTranscript()
	waiting := make(chan error, 1)
	go func() { waiting <- tr.wait(t.Context(), "two seconds", through(2)) }()
	for _, part := range []string{
		"{\"type\":\"start\",\"role\":\"service\",\"unix_ns\":5}\n{\"type\":\"measure\",\"unix", "_ns\":9}\n",
		"{\"type\":\"second\",\"second\":1,\"arrivals\":1,\"latency_us\":[7]}\n{\"type\":\"second\",\"second\":0,\"arrivals\":0,\"latency_us\":[]}\n",
	} {
		n, err := tr.Write([]byte(part))
		require.NoError(t, err)
		require.Equal(t, len(part), n)
	}
	require.NoError(t, <-waiting)
	assert.True(t, started(tr) && measuring(tr) && !ended(tr))
	assert.Equal(t, 1, tr.latest.Second)

	tr.fail("  \n")
	tr.close()
	assert.ErrorContains(t, tr.wait(t.Context(), "its totals", ended), "the container ended before its totals")
	tr.fail("workload: no clock\n")
	assert.ErrorContains(t, tr.wait(t.Context(), "its totals", ended), "workload: no clock")

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	assert.ErrorContains(t, newTranscript().wait(ctx, "its totals", ended), "wait for its totals: enough")

	garbled := newTranscript()
	_, err := garbled.Write([]byte("panic: out of luck\n"))
	require.NoError(t, err)
	assert.ErrorContains(t, garbled.wait(t.Context(), "its totals", ended), "panic: out of luck")
}

func TestTailKeepsTheEnd(t *testing.T) {
	var last tail
	for i := range 1000 {
		_, err := last.Write([]byte(strconv.Itoa(i) + "\n"))
		require.NoError(t, err)
	}
	assert.LessOrEqual(t, len(last.String()), tailLength)
	assert.Contains(t, last.String(), "\n999\n")
}
