package sim

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/control"
	"github.com/governor-project/governor/internal/cpuset"
)

var update = flag.Bool("update", false, "rewrite the golden traces, and fail")

type scenario struct {
	name             string
	host, pool, bind cpuset.Set
	mean, amplitude  float64
	quota, max       float64
}

// The demo's three scenarios: each needs another lever.
var scenarios = []scenario{
	{name: "shared-core", host: cpuset.Range(0, 1), pool: cpuset.Of(0), bind: cpuset.Of(0), mean: 0.5, amplitude: 0.35},
	{name: "two-core", host: cpuset.Range(0, 1), pool: cpuset.Range(0, 1), bind: cpuset.Of(0), mean: 0.9, amplitude: 0.6, max: 2},
	{name: "limited", host: cpuset.Range(0, 1), pool: cpuset.Of(0), bind: cpuset.Of(0), mean: 0.55, amplitude: 0.35, quota: 0.6, max: 1},
}

const target = 250 * time.Millisecond

type outcome struct {
	p95                   time.Duration
	service, interference time.Duration
	violations            int
	recovery              int
	changes               []string
	writes                int
}

type phase struct {
	control bool
	start   time.Duration // of the interference; < 0: none
	seed    uint64
	tweak   func(*Loop)
}

const phaseLength = 60 * time.Second

func run(t *testing.T, s scenario, p phase) outcome {
	t.Helper()
	var out outcome
	seconds := make([][]time.Duration, phaseLength/time.Second+1)
	var all []time.Duration
	loop := &Loop{Pool: control.Pool{CPUs: s.pool, Online: s.host}, Start: time.Unix(1_700_000_000, 0), Disabled: !p.control}
	service := &Service{Cost: 4 * time.Millisecond, Mean: s.mean, Amplitude: s.amplitude, Period: 20 * time.Second, Threads: 8, Random: rand.New(rand.NewPCG(p.seed, 1))}
	service.Done = func(now, latency time.Duration) {
		loop.Finished(now, latency)
		all = append(all, latency)
		k := now / time.Second
		seconds[k] = append(seconds[k], latency)
	}
	loop.App = control.App{Name: "shop", Class: appspec.LatencyCritical, Objective: appspec.Objective{Percentile: 95, Target: target, Scope: appspec.ScopeTrace}}
	lc := control.Container{ID: "a", Name: "service", App: "shop", Class: appspec.LatencyCritical, Bounds: appspec.CPUBounds{Max: s.max}}
	lc.Original = control.Limits{Shares: 1024, CPUs: s.bind}
	if s.quota > 0 {
		lc.Original.Quota = control.Quota{QuotaUS: int64(s.quota * 1e5), PeriodUS: 100_000}
	}
	be := control.Container{ID: "b", Name: "interference", App: "batch", Class: appspec.BestEffort}
	be.Original = control.Limits{Shares: 1024, CPUs: s.bind}
	if !p.control && p.start < 0 { // alone: with the whole pool and no limit
		lc.Original.CPUs, lc.Original.Quota = s.pool, control.Quota{}
	}
	lc.Current, be.Current = lc.Original, be.Original
	loop.Host = &Host{CPUs: s.host, Containers: []*Container{{Container: lc, Work: service}}}
	if p.start >= 0 {
		loop.Host.Containers = append(loop.Host.Containers, &Container{Container: be, Work: &Interference{Threads: 2, Start: p.start}})
	}
	loop.OnPlan = func(now time.Duration, plan control.Plan) {
		for _, c := range plan.Changes {
			out.writes++
			out.changes = append(out.changes, fmt.Sprintf("%6.1fs %-12s %-6s %s → %s  %s: %s", now.Seconds(), c.Name, c.Resource, c.Before.Text(c.Resource), c.After.Text(c.Resource), c.Rule, c.Reason))
		}
	}
	if p.tweak != nil {
		p.tweak(loop)
	}
	loop.Run(phaseLength)
	out.p95 = p95(all)
	out.service = loop.Host.Containers[0].Used()
	if p.start >= 0 {
		out.interference = loop.Host.Containers[1].Used()
	}
	streak := 0
	out.recovery = -1
	for k, latencies := range seconds[:len(seconds)-1] {
		if p95(latencies) > target {
			out.violations++
			streak = 0
		} else if streak++; streak == 5 && out.recovery < 0 {
			out.recovery = k - 4 - int(max(0, p.start)/time.Second)
		}
	}
	return out
}

func p95(latencies []time.Duration) time.Duration {
	if len(latencies) == 0 {
		return 0
	}
	s := slices.Clone(latencies)
	slices.Sort(s)
	return s[(len(s)*95+99)/100-1]
}

func TestScenariosReachTheirFigures(t *testing.T) {
	for _, s := range scenarios {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s/%d", s.name, seed), func(t *testing.T) {
				alone := run(t, s, phase{start: -1, seed: seed})
				contended := run(t, s, phase{seed: seed})
				governed := run(t, s, phase{control: true, seed: seed})
				left := time.Duration(s.pool.Len())*phaseLength - governed.service
				t.Logf("p95 alone %v contended %v governed %v; service %v of %v, interference %v of %v; violations %d (alone %d), recovery %d s, writes %d\n%s",
					alone.p95, contended.p95, governed.p95, governed.service, alone.service, governed.interference, left,
					governed.violations, alone.violations, governed.recovery, governed.writes, strings.Join(governed.changes, "\n"))
				require.LessOrEqual(t, alone.p95, target, "the scenario is feasible")
				assert.Greater(t, contended.p95, 3*alone.p95, "the problem is real")
				assert.LessOrEqual(t, float64(governed.p95), 1.10*float64(alone.p95))
				assert.LessOrEqual(t, governed.violations, alone.violations+1)
				assert.LessOrEqual(t, governed.recovery, 2)
				assert.GreaterOrEqual(t, governed.service.Seconds(), 0.99*alone.service.Seconds())
				assert.GreaterOrEqual(t, governed.interference.Seconds(), 0.75*left.Seconds())
				assert.LessOrEqual(t, governed.writes, 8)
			})
		}
	}
}

// A decision trace is a promise: it changes only on purpose.
func TestGoldenDecisionTraces(t *testing.T) {
	for _, s := range scenarios {
		got := strings.Join(run(t, s, phase{control: true, start: 5 * time.Second}).changes, "\n") + "\n"
		file := "testdata/" + s.name + ".golden"
		if *update {
			require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
			t.Errorf("%s rewritten", file)
			continue
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, string(want), got, file)
	}
}
