package control

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestWindowAgreesWithSorting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w Window
		now := time.Unix(1_700_000_000, 0)
		values := rapid.SliceOfN(rapid.IntRange(2_000, 20_000_000), 20, 300).Draw(t, "µs")
		for i, v := range values {
			w.Add(now.Add(time.Duration(i)*ms), time.Duration(v)*time.Microsecond)
		}
		p := rapid.Float64Range(1, 99).Draw(t, "percentile")
		got := w.Summary(now.Add(time.Duration(len(values))*ms), p)
		require.Equal(t, len(values), got.Count)
		slices.Sort(values)
		exact := float64(values[int(math.Ceil(p/100*float64(len(values))))-1]) * 1000
		assert.InEpsilon(t, exact, float64(got.Value), 0.07)
	})
}

func TestWindowWidensUntilItHasEnough(t *testing.T) {
	var w Window
	now := time.Unix(1_700_000_000, 0)
	for i := range 30 { // three a second
		w.Add(now.Add(time.Duration(i)*time.Second/3), 10*ms)
	}
	now = now.Add(29 * time.Second / 3)
	got := w.Summary(now, 95)
	assert.GreaterOrEqual(t, got.Count, LatencySamples)
	assert.LessOrEqual(t, got.Count, LatencySamples+2)
	assert.Greater(t, got.Window, 6*time.Second)

	for range 50 {
		w.Add(now, 90*ms)
	}
	got = w.Summary(now, 95)
	assert.Equal(t, LatencyWindow, got.Window, "enough in one second")
	assert.InEpsilon(t, 90*ms, got.Value, 0.05)
}

func TestWindowForgetsAndSurvivesOddInput(t *testing.T) {
	var w Window
	now := time.Unix(1_700_000_000, 0)
	assert.Zero(t, w.Summary(now, 95))
	w.Add(now, -time.Second)
	w.Add(now, math.MaxInt64)
	w.Add(now.Add(-time.Hour), time.Second) // the clock went back by a multiple of nothing
	assert.Equal(t, 2, w.Summary(now, 50).Count)
	assert.Zero(t, w.Summary(now.Add(LatencyWindowMax), 95).Count, "ten seconds later nothing is left")
}
