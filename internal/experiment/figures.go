package experiment

import (
	"math"
	"slices"
	"time"

	"github.com/governor-project/governor/internal/experiment/worklog"
)

// Latency holds percentiles in milliseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
}

// SecondFigures is one second of a phase as its requests saw it.
type SecondFigures struct {
	Requests int
	P50, P95 float64 // ms; 0 without requests
	Within   bool    // p95 is at most the target; a second without requests is within it
}

// percentile is the nearest-rank percentile of sorted values: the smallest one
// that at least p percent of all do not exceed. It is 0 for no values.
func percentile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// latencies returns the sorted latencies of a second in ms. Unfinished requests
// count with their age, which is a lower bound of what they would have taken.
func latencies(s worklog.Second) []float64 {
	out := make([]float64, 0, len(s.LatencyUS)+len(s.UnfinishedUS))
	for _, group := range [][]int64{s.LatencyUS, s.UnfinishedUS} {
		for _, us := range group {
			out = append(out, float64(us)/1000)
		}
	}
	slices.Sort(out)
	return out
}

// requestFigures works out the figures of the first n seconds of a window.
func requestFigures(seconds map[int]worklog.Second, n int, target time.Duration) (per []SecondFigures, all Latency, requests int) {
	var every []float64
	for i := range n {
		values := latencies(seconds[i])
		every = append(every, values...)
		f := SecondFigures{Requests: seconds[i].Arrivals, P50: percentile(values, 50), P95: percentile(values, 95)}
		f.Within = f.P95 <= milliseconds(target)
		requests += f.Requests
		per = append(per, f)
	}
	slices.Sort(every)
	return per, Latency{P50: percentile(every, 50), P95: percentile(every, 95), P99: percentile(every, 99)}, requests
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// violations counts the seconds whose p95 was above the target.
func violations(per []SecondFigures) int {
	n := 0
	for _, s := range per {
		if !s.Within {
			n++
		}
	}
	return n
}

// settled is how many seconds in a row within target end a recovery.
const settled = 5

// recovery is the time in seconds from the start of the interference, which was
// lead before the window, to the first of five seconds in a row within target.
// When that is the window's first second, the target was never left and recovery
// is 0; ok is false when there are no such five seconds.
func recovery(per []SecondFigures, lead time.Duration) (seconds float64, ok bool) {
	row := 0
	for i, s := range per {
		if !s.Within {
			row = 0
			continue
		}
		if row++; row < settled {
			continue
		}
		first := i - settled + 1
		if first == 0 {
			return 0, true
		}
		return float64(first) + max(lead, 0).Seconds(), true
	}
	return 0, false
}
