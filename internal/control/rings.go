package control

import "time"

// The sliding windows of a State are plain arrays, one slot for each tick, so
// that copying the State copies them.

// tickOf numbers the slots of a width through time.
func tickOf(at time.Time, width time.Duration) int64 { return at.UnixNano() / int64(width) }

// advance moves the ring to the tick of at, clears the slots in between and
// returns the slot of at. A step back in time lands in the newest slot.
func advance(slots []float32, newest *int64, tick int64) *float32 {
	n := int64(len(slots))
	if *newest == 0 || tick-*newest >= n {
		clear(slots)
		*newest = tick
	}
	for *newest < tick {
		*newest++
		slots[*newest%n] = 0
	}
	return &slots[*newest%n]
}

func maxOf(slots []float32) float64 {
	m := float32(0)
	for _, v := range slots {
		m = max(m, v)
	}
	return float64(m)
}

func sumOf(slots []float32) float64 {
	s := float32(0)
	for _, v := range slots {
		s += v
	}
	return float64(s)
}
