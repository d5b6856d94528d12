package control

import (
	"fmt"
	"math"

	"github.com/governor-project/governor/internal/appspec"
)

// weights is rung 1: at all times, whatever the signals say, classes have
// their weights. No statistics are needed, so that a container which starts
// later is weighted in the tick that first sees it.
func (t *tick) weights() {
	for i := range t.snap.Containers {
		c := &t.snap.Containers[i]
		want, ok := classShares(c)
		if !ok {
			continue
		}
		t.change(i, Weight, Limits{Shares: want}, RuleClassWeight, func() string {
			if c.Class == appspec.BestEffort {
				return fmt.Sprintf("class best_effort: lowest weight, %d, so that it runs on what is left", want)
			}
			return fmt.Sprintf("class latency_critical, weight %g: %d shares", weightOf(c), want)
		})
	}
}

// classShares is the weight that the container's class asks for. A
// latency-critical container keeps a higher weight that its user gave it,
// unless the app declares one.
func classShares(c *Container) (uint64, bool) {
	switch c.Class {
	case appspec.BestEffort:
		return BestEffortShares, true
	case appspec.LatencyCritical:
		want := uint64(math.Round(DefaultShares * weightOf(c) / defaultWeight))
		want = min(max(want, BestEffortShares), maxShares)
		if c.Bounds.Weight == 0 {
			want = max(want, c.Original.Shares)
		}
		return want, true
	}
	return 0, false
}

func weightOf(c *Container) float64 {
	if c.Bounds.Weight > 0 {
		return c.Bounds.Weight
	}
	return defaultWeight
}
