package main

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func testLoad() load {
	return load{mean: 0.5, amplitude: 0.35, period: 10 * time.Second, cost: 4 * time.Millisecond, base: 20 * time.Second, seed: 1}
}

// arrivalsUntil collects the offsets below end.
func arrivalsUntil(l load, end time.Duration) []time.Duration {
	var out []time.Duration
	s := newSchedule(l)
	for at := s.next(); at < end; at = s.next() {
		out = append(out, at)
	}
	return out
}

func TestScheduleRepeatsEachBaseLength(t *testing.T) {
	l := testLoad()
	all := arrivalsUntil(l, 3*l.base)
	first := arrivalsUntil(l, l.base)
	require.Len(t, all, 3*len(first))
	for i, at := range first {
		assert.Equal(t, at+l.base, all[len(first)+i])
		assert.Equal(t, at+2*l.base, all[2*len(first)+i])
	}
	assert.Equal(t, all, arrivalsUntil(l, 3*l.base), "the same seed gives the same arrivals")
	l.seed = 2
	assert.NotEqual(t, first, arrivalsUntil(l, l.base), "another seed gives others")
}

func TestScheduleFollowsTheSinusoid(t *testing.T) {
	l := testLoad()
	l.base = 1000 * time.Second
	counts := make([]float64, 10) // per tenth of the period
	for _, at := range arrivalsUntil(l, l.base) {
		counts[int(at%l.period/time.Second)]++
	}
	total := 0.0
	for i, n := range counts {
		total += n
		middle := time.Duration(i)*time.Second + 500*time.Millisecond
		want := l.rate(middle) * 100 // one second of each of 100 periods
		assert.InDelta(t, want, n, 5*math.Sqrt(want)+0.02*want, "second %d of the period", i)
	}
	demand := total * l.cost.Seconds() / l.base.Seconds()
	assert.InDelta(t, l.mean, demand, 0.01, "the mean demand in CPUs")
}

func TestScheduleGapsArePoisson(t *testing.T) {
	l := testLoad()
	l.amplitude, l.base = 0, 1000*time.Second
	all := arrivalsUntil(l, l.base)
	var sum, squares float64
	for i := 1; i < len(all); i++ {
		gap := (all[i] - all[i-1]).Seconds()
		sum += gap
		squares += gap * gap
	}
	n := float64(len(all) - 1)
	mean := sum / n
	deviation := math.Sqrt(squares/n - mean*mean)
	assert.InDelta(t, 1, deviation/mean, 0.03, "exponential gaps have a coefficient of variation of 1")
}

func TestScheduleNeverRunsBackwards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := testLoad()
		l.seed = rapid.Uint64().Draw(t, "seed")
		l.mean = rapid.Float64Range(0.01, 8).Draw(t, "mean")
		l.amplitude = l.mean * rapid.Float64Range(0, 1).Draw(t, "share")
		l.period = time.Duration(rapid.IntRange(1, 20).Draw(t, "period")) * 500 * time.Millisecond
		l.base = l.period * time.Duration(rapid.IntRange(1, 4).Draw(t, "periods"))
		if err := l.validate(); err != nil {
			t.Fatal(err)
		}
		s := newSchedule(l)
		previous := time.Duration(0)
		for range 500 {
			at := s.next()
			if at < previous {
				t.Fatalf("arrival %s comes after %s", at, previous)
			}
			previous = at
		}
	})
}

func TestLoadValidateReportsEverything(t *testing.T) {
	bad := load{mean: math.NaN(), amplitude: -1, period: 3 * time.Second, cost: 0, base: 4 * time.Second}
	err := bad.validate()
	for _, want := range []string{"--mean: NaN", "--amplitude: -1", "--cost: 0s", "--base: 4s is not allowed; it must be a multiple of --period (3s)"} {
		assert.ErrorContains(t, err, want)
	}
	assert.ErrorContains(t, load{period: time.Millisecond}.validate(), "--period: 1ms")
	assert.NoError(t, testLoad().validate())
}
