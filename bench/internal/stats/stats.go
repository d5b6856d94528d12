// Package stats is the arithmetic of the benchmarks: what several turns gave, as
// one figure with its range. It computes and does nothing else.
package stats

import (
	"math"
	"slices"
)

// Spread is what several turns gave.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// Of returns NaNs when there are no values.
func Of(values []float64) Spread {
	if len(values) == 0 {
		return Spread{math.NaN(), math.NaN(), math.NaN()}
	}
	sorted := slices.Sorted(slices.Values(values))
	return Spread{Median: percentile(sorted, 50), Min: sorted[0], Max: sorted[len(sorted)-1]}
}

// percentile interpolates between the values beside it. Sorted is in ascending
// order and not empty; p is from 0 to 100.
func percentile(sorted []float64, p float64) float64 {
	at := p / 100 * float64(len(sorted)-1)
	below := int(at)
	if below+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	share := at - float64(below)
	return sorted[below]*(1-share) + sorted[below+1]*share
}

// Over is the spread of one figure.
func Over[T any](turns []T, figure func(T) float64) Spread {
	values := make([]float64, len(turns))
	for i, t := range turns {
		values[i] = figure(t)
	}
	return Of(values)
}

// Ratios is the spread of theirs over ours, turn by turn.
func Ratios[T any](ours, theirs []T, figure func(T) float64) Spread {
	values := make([]float64, min(len(ours), len(theirs)))
	for i := range values {
		values[i] = figure(theirs[i]) / figure(ours[i])
	}
	return Of(values)
}
