package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/governor-project/governor/internal/control"
)

// Statistics stop in the middle: what was lent comes back to what users gave,
// and nothing grows from then on.
func TestStatisticsStop(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			const stop = 30 * time.Second
			var loop *Loop
			out := run(t, s, phase{control: true, seed: 1, tweak: func(l *Loop) { loop, l.StatsUntil = l, stop }})
			for _, c := range loop.Host.Containers {
				assert.Equal(t, c.Original.CPUs, c.Current.CPUs, c.Name)
				assert.Equal(t, c.Original.Quota, c.Current.Quota, c.Name)
			}
			for _, line := range out.changes {
				if strings.Contains(line, "stale_safe") {
					assert.True(t, strings.HasPrefix(line, "  35."), line)
				}
			}
			assert.LessOrEqual(t, out.writes, 8)
		})
	}
}

// Traces stop: CPU statistics alone still protect from starvation, and the app says no_signal.
func TestTracesStop(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			var last control.Plan
			out := run(t, s, phase{control: true, seed: 1, tweak: func(l *Loop) {
				l.TracesUntil = time.Millisecond
				record := l.OnPlan
				l.OnPlan = func(now time.Duration, p control.Plan) { last = p; record(now, p) }
			}})
			require.Len(t, last.Apps, 1)
			assert.Equal(t, control.StateNoSignal, last.Apps[0].State)
			assert.Zero(t, out.violations)
			assert.LessOrEqual(t, out.writes, 3)
		})
	}
}

// Where weight cannot help, the other rungs must be worth their place.
func TestEachRungEarnsItsPlace(t *testing.T) {
	for _, s := range scenarios[1:] {
		t.Run(s.name, func(t *testing.T) {
			weights := run(t, s, phase{seed: 3, tweak: func(l *Loop) { l.Host.Containers[1].Current.Shares = control.BestEffortShares }})
			governed := run(t, s, phase{control: true, seed: 3})
			t.Logf("p95 weights only %v, governed %v", weights.p95, governed.p95)
			assert.LessOrEqual(t, governed.p95, weights.p95/5)
		})
	}
}

// The interference begins while the service is busy: within a second it is over.
func TestRecoveryAfterAnInterferenceStep(t *testing.T) {
	for _, s := range scenarios {
		for seed := range uint64(3) {
			start := 5*time.Second + time.Duration(seed)*3*time.Second
			out := run(t, s, phase{control: true, seed: seed, start: start})
			assert.LessOrEqual(t, out.recovery, 1, "%s/%d", s.name, seed)
			assert.Zero(t, out.violations, "%s/%d", s.name, seed)
		}
	}
}
