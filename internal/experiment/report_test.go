package experiment

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/governor-project/governor/internal/cpuset"
)

var update = flag.Bool("update", false, "rewrite the golden files; the test that does so fails")

// fixtureReport works out the report of the invented phases.
func fixtureReport(s Scenario, runs []*phaseRun) Report {
	r := Report{Scenario: s.Name, TargetMS: milliseconds(s.Target), Host: Host{CPUs: "0-1", Kernel: "6.18.0", Cgroup: "v1", Docker: "20.10.24"}}
	for _, run := range runs {
		figures, per := run.report(s)
		r.Phases = append(r.Phases, figures)
		if run.phase == Governed {
			r.addGoverned(figures, per, run.lead, governedResult{
				agent: AgentReport{CPUSeconds: 0.9, MaxRSSBytes: 80_000_000}, writes: 2, restored: true, restoredAfterKill: true,
			})
		}
	}
	r.Checks = check(r)
	return r
}

func TestReportJSON(t *testing.T) {
	s := fixtureScenario()
	dir := t.TempDir()
	require.NoError(t, fixtureReport(s, fixtureRuns(s, 4)).writeJSON(dir))
	got, err := os.ReadFile(filepath.Join(dir, "report.json"))
	require.NoError(t, err)
	golden := filepath.Join("testdata", "report.json")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, got, 0o644))
		t.Fatal("the golden file was rewritten; look at the difference and run again")
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got))
}

func TestReportHTMLIsSelfContained(t *testing.T) {
	s := fixtureScenario()
	runs := fixtureRuns(s, 4)
	dir := t.TempDir()
	require.NoError(t, writeReport(dir, s, fixtureReport(s, runs), runs))
	text, err := os.ReadFile(filepath.Join(dir, "report.html"))
	require.NoError(t, err)
	for _, forbidden := range []string{`(?i)https?:`, `(?i)\ssrc=`, `(?i)\shref=`, `(?i)url\(`, `(?i)@import`, `(?i)<script`, `(?i)<link`, `<\?xml`} {
		assert.NotRegexp(t, regexp.MustCompile(forbidden), string(text))
	}
	assert.Equal(t, 3, bytes.Count(text, []byte("<svg viewBox=")))
	assert.Equal(t, 3, bytes.Count(text, []byte("</svg>")))
	for _, shown := range []string{"two-core", "weights_only", "recovery", "class_weight", "FALLS SHORT", "p95 ≤ 60 ms", "20.10.24"} {
		assert.Contains(t, string(text), shown)
	}
	for _, name := range []string{"cpu", "latency", "limits"} {
		f, err := os.Open(filepath.Join(dir, name+".png"))
		require.NoError(t, err)
		config, err := png.DecodeConfig(f)
		require.NoError(t, f.Close())
		require.NoError(t, err, name)
		assert.Greater(t, config.Width, 1200, name)
	}
}

func TestHostileTextIsEscaped(t *testing.T) {
	s := fixtureScenario()
	runs := fixtureRuns(s, 2)
	runs[3].decisions[0].Rule = "<script>alert(1)</script>"
	dir := t.TempDir()
	require.NoError(t, writeReport(dir, s, fixtureReport(s, runs), runs))
	text, err := os.ReadFile(filepath.Join(dir, "report.html"))
	require.NoError(t, err)
	assert.NotContains(t, string(text), "<script>")
}

func TestFiguresSurviveThinData(t *testing.T) {
	for _, s := range Scenarios(cpuset.Of(0, 1)) {
		runs := fixtureRuns(s, 2)[:2]
		runs[1].seconds = nil // a service that never served
		runs[1].interference = nil
		runs[1].service = runs[1].service[:1]
		dir := t.TempDir()
		require.NoError(t, writeReport(dir, s, fixtureReport(s, runs), runs), s.Name)
	}
}

func TestChecks(t *testing.T) {
	s := fixtureScenario()
	r := fixtureReport(s, fixtureRuns(s, 20))
	for _, c := range r.Checks {
		if c.Name == "interference's share of pool − service" {
			assert.False(t, c.OK, "the invented interference gets little")
			continue
		}
		assert.True(t, c.OK, "%s: %s, wanted %s", c.Name, c.Value, c.Wanted)
	}
	assert.Len(t, r.Checks, 11)
	assert.False(t, Met([]Report{r}))

	r.RecoverySeconds, r.Agent.MaxRSSBytes, r.Restored = nil, 200e6, new(bool)
	failing := map[string]bool{}
	for _, c := range check(r) {
		if !c.OK {
			failing[c.Name] = true
		}
	}
	for _, name := range []string{"recovery", "agent memory", "limits restored after the agent's stop"} {
		assert.True(t, failing[name], name)
	}
	assert.Empty(t, check(Report{}), "nothing was run, nothing is promised")
}

func TestTableShowsWhatFallsShort(t *testing.T) {
	s := fixtureScenario()
	var b bytes.Buffer
	r := fixtureReport(s, fixtureRuns(s, 4))
	r.Notes = []string{"after the agent's stop: service: shares are 2 and were 1024"}
	writeTable(&b, s, r)
	for _, want := range []string{"two-core: Both are bound", "weights_only", "The agent wrote 2 limits.", "pass", "FALLS SHORT", "shares are 2 and were 1024"} {
		assert.Contains(t, b.String(), want)
	}
}

func TestInterpolatedUsage(t *testing.T) {
	at := func(ms int) time.Time { return fixtureEpoch.Add(time.Duration(ms) * time.Millisecond) }
	s := series{{at: at(0), usage: time.Second}, {at: at(200), usage: 1200 * time.Millisecond}, {at: at(400), usage: 1200 * time.Millisecond}}
	for ms, want := range map[int]time.Duration{-50: time.Second, 0: time.Second, 100: 1100 * time.Millisecond, 200: 1200 * time.Millisecond, 300: 1200 * time.Millisecond, 900: 1200 * time.Millisecond} {
		assert.Equal(t, want, s.usageAt(at(ms)), "%d ms", ms)
	}
	assert.InDelta(t, 0.15, s.used(at(50), at(400)), 1e-9)
	assert.Zero(t, series(nil).usageAt(at(0)))
}

func writeJSON(t *testing.T, w io.Writer, v any) {
	t.Helper()
	require.NoError(t, json.NewEncoder(w).Encode(v))
}

func TestProgress(t *testing.T) {
	var b bytes.Buffer
	p := newProgress(&b)
	assert.False(t, p.terminal)
	p.remaining = 90 * time.Second
	p.begin("two-core, alone", 30*time.Second)
	p.note("a note")
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, p.sleep(ctx, time.Millisecond, func() string { return "" }))
	cancel()
	require.ErrorIs(t, p.sleep(ctx, time.Hour, func() string { return "" }), context.Canceled)
	p.done()
	assert.Equal(t, "[1:30 left] two-core, alone\n[1:30 left] two-core, alone: a note\n", b.String())

	b.Reset()
	p.terminal = true
	p.note("service 0.50 CPU")
	p.done()
	assert.Equal(t, "\r\x1b[K[1:30 left] two-core, alone: service 0.50 CPU\r\x1b[K", b.String())
}

func TestOtherCPU(t *testing.T) {
	const text = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 100 10 20 5000 7 1 2 3 50 0\ncpu1 200 0 0 1 1 0 0 0 0 0\nintr 1 2 3 4 5 6 7 8 9\n"
	got, err := parseBusy(text, cpuset.Of(0))
	require.NoError(t, err)
	assert.InDelta(t, 1.36, got, 1e-9, "no idle, no iowait, no guest")
	got, err = parseBusy(text, cpuset.Of(0, 1))
	require.NoError(t, err)
	assert.InDelta(t, 3.36, got, 1e-9)
	_, err = parseBusy("cpu0 x 0 0 0 0 0 0 0\n", cpuset.Of(0))
	assert.ErrorContains(t, err, `CPU 0: "x" is not a number`)

	at := fixtureEpoch
	s := series{{at: at, usage: 0}, {at: at.Add(10 * time.Second), usage: 6 * time.Second}}
	from, to := busyReading{at: at, seconds: 50}, busyReading{at: at.Add(10 * time.Second), seconds: 59}
	assert.InDelta(t, 3, otherCPU(from, to, s, nil), 1e-9)
	assert.Zero(t, otherCPU(from, from, s))
	_, err = readBusy(cpuset.Of(0))
	assert.NoError(t, err)
}
