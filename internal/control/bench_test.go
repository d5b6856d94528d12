package control

import (
	"fmt"
	"testing"
	"time"

	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/cpuset"
)

func benchSnapshot(containers, apps, cpus int) Snapshot {
	s := Snapshot{Now: time.Unix(1_700_000_000, 0), Pool: Pool{CPUs: cpuset.Range(0, cpus-1), Online: cpuset.Range(0, cpus-1)}}
	for a := range apps {
		s.Apps = append(s.Apps, App{Name: fmt.Sprintf("app%04d", a), Class: lc,
			Objective: appspec.Objective{Percentile: 95, Target: 100 * ms, Scope: appspec.ScopeTrace}, Latency: Latency{Count: 100, Value: 80 * ms}})
	}
	for i := range containers {
		c := Container{ID: fmt.Sprintf("%064d", i), Name: fmt.Sprintf("c%d", i), Class: be, App: "batch"}
		c.Original = limits(cpuset.Range(0, cpus-1), 0)
		if i%2 == 0 {
			c.Class, c.App = lc, fmt.Sprintf("app%04d", i/2%apps)
			c.Original = limits(cpuset.Of(i%cpus), 0.5)
			c.Bounds.Max = 4
		}
		c.Current = c.Original
		s.Containers = append(s.Containers, c)
	}
	return s
}

// benchDecide measures steady ticks: every container has new statistics.
func benchDecide(b *testing.B, containers, apps, cpus int) {
	snap := benchSnapshot(containers, apps, cpus)
	var state State
	tick := func() {
		snap.Now = snap.Now.Add(100 * ms)
		for i := range snap.Containers {
			u := &snap.Containers[i].Usage
			u.At = snap.Now
			u.UsageNS += 3e7
			u.Periods++
		}
		var plan Plan
		plan, state = Decide(snap, state)
		for _, c := range plan.Changes {
			for i := range snap.Containers {
				if snap.Containers[i].ID == c.ID {
					snap.Containers[i].Current = snap.Containers[i].Current.With(c.After, c.Resource)
				}
			}
		}
	}
	for range 50 {
		tick()
	}
	b.ReportAllocs()
	for b.Loop() {
		tick()
	}
}

func BenchmarkDecide2x2(b *testing.B)     { benchDecide(b, 2, 1, 2) }
func BenchmarkDecide500x128(b *testing.B) { benchDecide(b, 500, 100, 128) }

func BenchmarkWindow(b *testing.B) {
	var w Window
	now := time.Unix(1_700_000_000, 0)
	for i := range 2000 {
		w.Add(now.Add(time.Duration(i)*5*ms), time.Duration(i%100)*ms)
	}
	now = now.Add(10 * time.Second)
	b.ReportAllocs()
	for b.Loop() {
		w.Summary(now, 95)
	}
}
