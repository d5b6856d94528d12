package experiment

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/governor-project/governor/internal/api"
	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/internal/cpuset"
	"github.com/governor-project/governor/internal/experiment/worklog"
)

// fixtureEpoch is where invented phases begin.
var fixtureEpoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func fixtureScenario() Scenario { return Scenarios(cpuset.Of(0, 1))[0] }

// fixtureRuns invents the four phases of the two-core scenario as a good run looks.
func fixtureRuns(s Scenario, base int) []*phaseRun {
	var runs []*phaseRun
	at := fixtureEpoch
	for _, p := range []Phase{Alone, Contended, WeightsOnly, Governed} {
		r := fixtureRun(s, p, base, at)
		runs = append(runs, r)
		at = r.windowEnd().Add(5 * time.Second)
	}
	return runs
}

func fixtureRun(s Scenario, p Phase, base int, at time.Time) *phaseRun {
	rng := rand.New(rand.NewPCG(1, 2))
	r := &phaseRun{phase: p, setup: s.setup(p, base), openedAt: at, windowAt: at.Add(warmUp), seconds: map[int]worklog.Second{}, lead: 100 * time.Millisecond}
	changed := r.windowAt.Add(600 * time.Millisecond)
	var service, interference time.Duration
	for now := at; !now.After(r.windowEnd().Add(settleTime)); now = now.Add(sampleInterval) {
		demand := s.Demand.Mean + s.Demand.Amplitude*math.Sin(2*math.Pi*now.Sub(r.windowAt).Seconds()/float64(base)*2)
		limits := cgroup.Limits{Shares: 1024, CPUs: s.Bound, EffectiveCPUs: s.Bound, Quota: cgroup.Quota{QuotaUS: cgroup.NoQuota, PeriodUS: cgroup.DefaultPeriodUS}}
		rest := limits
		got := 0.5
		if p == Alone || (p == Governed && now.After(changed)) {
			limits.CPUs, limits.EffectiveCPUs, got = s.Pool, s.Pool, demand
		}
		if p == WeightsOnly || (p == Governed && now.After(changed)) {
			rest.Shares = lowestShares
		}
		service += time.Duration(got * float64(sampleInterval))
		r.service = append(r.service, sample{at: now, usage: service, limits: limits})
		if p != Alone && now.After(r.windowAt) {
			interference += time.Duration((1.6 - got) * float64(sampleInterval) / 2)
			r.interference = append(r.interference, sample{at: now, usage: interference, limits: rest})
		}
	}
	for i := range r.setup.seconds {
		line := worklog.Second{Second: i, Arrivals: 50}
		scale := 9_000.0
		if p == Contended || p == WeightsOnly {
			scale = 400_000 * float64(i+1)
		} else if p == Governed && i == 0 {
			scale = 120_000
		}
		for range 50 {
			line.LatencyUS = append(line.LatencyUS, int64(scale*(0.6+rng.ExpFloat64()*0.4)))
		}
		r.seconds[i] = line
	}
	if p == Governed {
		r.decisions = []api.Decision{
			{Seq: 1, Time: changed, App: interferenceApp, Resource: "weight", Rule: "class_weight", Before: "1024", After: "2", Result: resultWritten},
			{Seq: 2, Time: changed, App: serviceApp, Resource: "cpuset", Rule: "starved", Before: "1", After: "0-1", Result: resultWritten},
		}
	}
	return r
}
