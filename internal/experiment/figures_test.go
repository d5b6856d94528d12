package experiment

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/governor-project/governor/internal/experiment/worklog"
)

func TestPercentileIsNearestRank(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(i + 1)
	}
	for _, c := range []struct {
		values []float64
		p      float64
		want   float64
	}{
		{nil, 95, 0},
		{[]float64{7}, 50, 7},
		{[]float64{7}, 99, 7},
		{[]float64{1, 2}, 50, 1},
		{[]float64{1, 2}, 51, 2},
		{[]float64{1, 2, 3, 4}, 95, 4},
		{hundred, 50, 50},
		{hundred, 95, 95},
		{hundred, 99, 99},
	} {
		assert.Equal(t, c.want, percentile(c.values, c.p), "p%g of %d values", c.p, len(c.values))
	}
}

func TestRequestFigures(t *testing.T) {
	seconds := map[int]worklog.Second{
		0: {Arrivals: 3, LatencyUS: []int64{5000, 1000, 3000}},
		1: {Arrivals: 2, LatencyUS: []int64{2000}, UnfinishedUS: []int64{90_000}},
		3: {Arrivals: 1, LatencyUS: []int64{50_000}},
		4: {Arrivals: 9, LatencyUS: []int64{1}}, // outside the window
	}
	per, all, requests := requestFigures(seconds, 4, 50*time.Millisecond)
	assert.Equal(t, []SecondFigures{
		{Requests: 3, P50: 3, P95: 5, Within: true},
		{Requests: 2, P50: 2, P95: 90, Within: false}, // an unfinished request counts with its age
		{Within: true}, // no request, no violation
		{Requests: 1, P50: 50, P95: 50, Within: true}, // exactly the target is within it
	}, per)
	assert.Equal(t, 6, requests)
	assert.Equal(t, Latency{P50: 3, P95: 90, P99: 90}, all)
	assert.Equal(t, 1, violations(per))
}

// pattern turns "+" (within) and "-" (violated) into seconds.
func pattern(text string) []SecondFigures {
	var out []SecondFigures
	for _, r := range text {
		out = append(out, SecondFigures{Within: r == '+'})
	}
	return out
}

func TestViolationsAndRecovery(t *testing.T) {
	for _, c := range []struct {
		seconds  string
		lead     time.Duration
		violated int
		recovery float64
		ok       bool
	}{
		{"+++++", 300 * time.Millisecond, 0, 0, true}, // never left
		{"-+++++", 0, 1, 1, true},
		{"-+++++", 250 * time.Millisecond, 1, 1.25, true},
		{"-+++++", -time.Second, 1, 1, true}, // the interference began after the window did
		{"--++++-+++++", 0, 3, 7, true},      // four in a row are not enough
		{"++++-+++++--", 0, 3, 5, true},
		{"++++", 0, 0, 0, false},
		{"-----", 0, 5, 0, false},
		{"", 0, 0, 0, false},
	} {
		per := pattern(c.seconds)
		assert.Equal(t, c.violated, violations(per), c.seconds)
		got, ok := recovery(per, c.lead)
		assert.Equal(t, c.ok, ok, c.seconds)
		assert.InDelta(t, c.recovery, got, 1e-9, c.seconds)
	}
}

func TestRecoveryAgreesWithItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		within := rapid.SliceOfN(rapid.Bool(), 0, 30).Draw(t, "within")
		per := make([]SecondFigures, len(within))
		for i, w := range within {
			per[i].Within = w
		}
		want, found := 0, false
		for i := 0; i+settled <= len(within) && !found; i++ {
			found = true
			for j := range settled {
				found = found && within[i+j]
			}
			want = i
		}
		got, ok := recovery(per, 0)
		require.Equal(t, found, ok)
		if found {
			require.InDelta(t, float64(want), got, 1e-9)
		}
	})
}
