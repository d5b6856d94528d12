package stats

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSpread(t *testing.T) {
	values := []float64{5, 1, 3}
	assert.Equal(t, Spread{Median: 3, Min: 1, Max: 5}, Of(values))
	assert.Equal(t, []float64{5, 1, 3}, values, "the turns keep their order")
	assert.Equal(t, Spread{Median: 2.5, Min: 1, Max: 9}, Of([]float64{9, 1, 2, 3}))
	assert.Equal(t, Spread{Median: 7, Min: 7, Max: 7}, Of([]float64{7}))
	assert.True(t, math.IsNaN(Of(nil).Median))
}

func TestPercentile(t *testing.T) {
	sorted := []float64{10, 20, 30, 40, 50}
	for p, want := range map[float64]float64{0: 10, 25: 20, 50: 30, 90: 46, 100: 50} {
		assert.InDelta(t, want, percentile(sorted, p), 1e-9, "percentile %g", p)
	}
}

func TestRatiosPairTurns(t *testing.T) {
	itself := func(v float64) float64 { return v }
	assert.Equal(t, Spread{Median: 4, Min: 2, Max: 9}, Ratios([]float64{2, 1, 4}, []float64{8, 9, 8}, itself))
	assert.Equal(t, Spread{Median: 4, Min: 4, Max: 4}, Ratios([]float64{2, 1}, []float64{8}, itself), "a turn without a partner has no ratio")
	assert.Equal(t, Spread{Median: 2, Min: 1, Max: 4}, Over([]float64{2, 1, 4}, itself))
}
