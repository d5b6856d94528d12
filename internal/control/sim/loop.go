package sim

import (
	"time"

	"github.com/governor-project/governor/internal/control"
)

// Measurement: statistics are read every sampleEvery, latencies arrive after
// the receiver's settle time, and a plan takes effect at once.
const (
	sampleEvery = 100 * time.Millisecond
	settle      = 200 * time.Millisecond
)

// Loop closes the loop around a host.
type Loop struct {
	Host  *Host
	Pool  control.Pool
	App   control.App // the one app with an objective
	Start time.Time

	// StatsUntil and TracesUntil end the signals; zero means never.
	StatsUntil, TracesUntil time.Duration
	// Enabled switches control off.
	Disabled bool
	// OnPlan sees every plan, with the virtual time.
	OnPlan func(now time.Duration, plan control.Plan)

	state   control.State
	window  control.Window
	pending []sample
}

type sample struct{ due, latency time.Duration }

// Finished records one latency of the app; it becomes visible after the settle time.
func (l *Loop) Finished(now, latency time.Duration) {
	if l.TracesUntil == 0 || now < l.TracesUntil {
		l.pending = append(l.pending, sample{due: now + settle, latency: latency})
	}
}

// Run lets d of virtual time pass.
func (l *Loop) Run(d time.Duration) {
	for end := l.Host.Elapsed + d; l.Host.Elapsed < end; {
		if l.Host.Elapsed%sampleEvery == 0 {
			l.tick()
		}
		l.Host.Step()
	}
}

func (l *Loop) tick() {
	elapsed := l.Host.Elapsed
	now := l.Start.Add(elapsed)
	for len(l.pending) > 0 && l.pending[0].due <= elapsed {
		l.window.Add(now, l.pending[0].latency)
		l.pending = l.pending[1:]
	}
	if l.Disabled {
		return
	}
	snap := control.Snapshot{Now: now, Pool: l.Pool}
	app := l.App
	app.Latency = l.window.Summary(now, app.Objective.Percentile)
	snap.Apps = []control.App{app}
	for _, c := range l.Host.Containers {
		if l.StatsUntil == 0 || elapsed < l.StatsUntil {
			c.Usage = c.usage(now)
		}
		snap.Containers = append(snap.Containers, c.Container)
	}
	plan, next := control.Decide(snap, l.state)
	l.state = next
	l.apply(plan)
	if l.OnPlan != nil {
		l.OnPlan(elapsed, plan)
	}
}

func (l *Loop) apply(plan control.Plan) {
	for _, change := range plan.Changes {
		for _, c := range l.Host.Containers {
			if c.ID == change.ID {
				c.Current = c.Current.With(change.After, change.Resource)
			}
		}
	}
}
