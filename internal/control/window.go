package control

import (
	"math/bits"
	"time"
)

// Window holds the latency samples of one app over LatencyWindowMax in bounded
// memory: a ring of short histograms whose buckets are at most 1/16 of their
// value wide. The zero value is ready to use. One goroutine at a time may use it.
type Window struct {
	slots [windowSlots]windowSlot
}

const (
	windowTick  = 250 * time.Millisecond
	windowSlots = int(LatencyWindowMax / windowTick)

	subBits     = 4  // 16 buckets an octave
	minExponent = 10 // 1 µs: everything below shares the first bucket
	maxExponent = 38 // 275 s: everything above shares the last one
	bucketCount = (maxExponent - minExponent) << subBits
)

type windowSlot struct {
	tick   int64 // number of the windowTick that the counts belong to
	count  uint32
	low    uint16 // the lowest and the highest bucket that is not empty
	high   uint16
	counts [bucketCount]uint32
}

// Add records one latency that arrived at now. Negative latencies count as 0.
func (w *Window) Add(now time.Time, latency time.Duration) {
	tick := now.UnixNano() / int64(windowTick)
	s := &w.slots[slotOf(tick)]
	if s.tick != tick {
		if s.tick > tick { // the clock went back: the newest data stays
			return
		}
		*s = windowSlot{tick: tick, low: bucketCount}
	}
	b := bucketOf(latency)
	s.low, s.high = min(s.low, uint16(b)), max(s.high, uint16(b))
	s.count++
	s.counts[b]++
}

// Summary is the percentile over the last second, or over as much as is needed
// of the last ten to have LatencySamples samples.
func (w *Window) Summary(now time.Time, percentile float64) Latency {
	tick := now.UnixNano() / int64(windowTick)
	var used [windowSlots]*windowSlot
	n, total, back := 0, 0, 0
	for ; back < windowSlots; back++ {
		if back >= int(LatencyWindow/windowTick) && total >= LatencySamples {
			break
		}
		if s := &w.slots[slotOf(tick-int64(back))]; s.tick == tick-int64(back) && s.count > 0 {
			used[n], n = s, n+1
			total += int(s.count)
		}
	}
	if total == 0 {
		return Latency{}
	}
	return Latency{Count: total, Value: quantile(used[:n], total, percentile), Window: time.Duration(back) * windowTick}
}

func quantile(slots []*windowSlot, total int, percentile float64) time.Duration {
	rank := percentile / 100 * float64(total)
	seen := 0.0
	low, high := slots[0].low, slots[0].high
	for _, s := range slots[1:] {
		low, high = min(low, s.low), max(high, s.high)
	}
	for b := int(low); b <= int(high); b++ {
		in := 0
		for _, s := range slots {
			in += int(s.counts[b])
		}
		if in > 0 && seen+float64(in) >= rank {
			from, width := bucketBounds(b)
			return time.Duration(float64(from) + float64(width)*(rank-seen)/float64(in))
		}
		seen += float64(in)
	}
	from, width := bucketBounds(int(high)) // rounding: the rank lies a hair above the last sample
	return time.Duration(from + width)
}

func slotOf(tick int64) int {
	return int((tick%int64(windowSlots) + int64(windowSlots)) % int64(windowSlots))
}

func bucketOf(latency time.Duration) int {
	v := uint64(max(latency, 0))
	exponent := bits.Len64(v) - 1
	switch {
	case exponent < minExponent:
		return 0
	case exponent >= maxExponent:
		return bucketCount - 1
	}
	sub := int(v>>(exponent-subBits)) & (1<<subBits - 1)
	return (exponent-minExponent)<<subBits + sub
}

func bucketBounds(b int) (low, width int64) {
	exponent := b>>subBits + minExponent
	width = 1 << (exponent - subBits)
	return 1<<exponent + int64(b&(1<<subBits-1))*width, width
}
