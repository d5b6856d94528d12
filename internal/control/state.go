package control

import (
	"time"

	"github.com/governor-project/governor/internal/cpuset"
)

// State is what Decide remembers from tick to tick. The zero value is the state
// of a controller that has seen nothing. Decide never changes the one it is given.
type State struct {
	containers []containerState // sorted by ID
	apps       []appState       // sorted by name
	outerAt    time.Time
	suppress   suppression
	pool       Pool
	lendable   cpuset.Set // of pool; kept, since it rarely changes
	capacity   float64
}

type containerState struct {
	id     string
	seenAt time.Time // first seen
	last   Usage

	// Of the newest pair of samples.
	use    float64 // CPUs
	stall  float64 // share of the time, may exceed 1 where the source sums over threads
	curbed bool    // throttled in that time

	need       [needTicks]float32
	needTick   int64
	peak       [peakTicks]float32
	peakTick   int64
	peakSince  time.Time // statistics have been gap-free since
	throttled  [throttleTicks]float32
	throttledT int64
	periods    [throttleTicks]float32
	periodsT   int64
	curbedAt   time.Time

	cpus cpuset.Set // the cpuset that size counts
	size int

	saturated int // samples in a row at the end of the cpuset

	widenedAt     time.Time
	widenedFrom   cpuset.Set
	widenedStall  float64
	widenPending  bool
	widenUntil    time.Time // locked out
	shrunkAt      time.Time
	shrinkUntil   time.Time // locked out
	raisedAt      time.Time
	loweredAt     time.Time
	loweredFrom   Quota
	lowerUntil    time.Time // locked out
	demandAtWiden float64
}

type appState struct {
	name       string
	slacks     [slackTicks]float32
	filled     int
	next       int
	state      AppState
	overSince  time.Time // over target and CPU-bound since
	highSince  time.Time // mean slack high since
	violationS float64
}

// mean is the mean slack over the last slackTicks outer ticks with a signal.
func (a *appState) mean() float64 {
	if a.filled == 0 {
		return 0
	}
	return sumOf(a.slacks[:a.filled]) / float64(a.filled)
}

func (a *appState) push(slack float64) {
	a.slacks[a.next] = float32(slack)
	a.next = (a.next + 1) % slackTicks
	a.filled = min(a.filled+1, slackTicks)
}

// observe takes a container's newest sample and updates everything measured.
func (c *containerState) observe(in *Container) {
	if c.cpus != in.Current.CPUs {
		c.cpus, c.size = in.Current.CPUs, in.Current.CPUs.Len()
		c.saturated = 0
	}
	now, before := in.Usage, c.last
	if now.At.IsZero() || !now.At.After(before.At) {
		return
	}
	c.last = now
	elapsed := now.At.Sub(before.At)
	if before.At.IsZero() || elapsed > safeAfter || now.UsageNS < before.UsageNS {
		c.peakSince = now.At // first sample, a gap, or counters that began anew
		c.saturated = 0
		return
	}
	c.measure(before, now, elapsed)
}

func (c *containerState) measure(before, now Usage, elapsed time.Duration) {
	seconds := float64(elapsed)
	c.use = float64(now.UsageNS-before.UsageNS) / seconds
	c.stall = float64(delta(before.StallNS, now.StallNS)) / seconds
	throttled := delta(before.ThrottledPeriods, now.ThrottledPeriods)
	c.curbed = throttled > 0
	if c.curbed {
		c.curbedAt = now.At
	}
	tick := tickOf(now.At, needTick)
	keepMax(advance(c.need[:], &c.needTick, tick), c.use)
	keepMax(advance(c.peak[:], &c.peakTick, tickOf(now.At, peakTick)), c.use)
	*advance(c.throttled[:], &c.throttledT, tick) += float32(throttled)
	*advance(c.periods[:], &c.periodsT, tick) += float32(delta(before.Periods, now.Periods))
	if c.size > 0 && c.use >= busy*float64(c.size) {
		c.saturated++
	} else {
		c.saturated = 0
	}
}

// delta of two cumulative counters; a counter that went back counts as 0.
func delta(before, now uint64) uint64 {
	if now < before {
		return 0
	}
	return now - before
}

func keepMax(slot *float32, v float64) { *slot = max(*slot, float32(v)) }

// needCPUs is the peak use of the last second.
func (c *containerState) needCPUs() float64 { return maxOf(c.need[:]) }

// peakCPUs is the peak use of the last 30 s, and whether it was watched that long.
func (c *containerState) peakCPUs(now time.Time) (float64, bool) {
	known := !c.peakSince.IsZero() && now.Sub(c.peakSince) >= peakTicks*peakTick
	return maxOf(c.peak[:]), known
}

// isThrottled reports whether the container's own quota held it up lately.
func (c *containerState) isThrottled() bool {
	n := sumOf(c.throttled[:])
	return n >= throttledPeriods && n >= throttledRatio*sumOf(c.periods[:])
}

// age of the newest sample; without any, the time since the container was seen.
func (c *containerState) age(now time.Time) time.Duration {
	if c.last.At.IsZero() {
		return now.Sub(c.seenAt)
	}
	return now.Sub(c.last.At)
}

// stale reports whether the statistics are too old, or too new to say
// anything, for anything to grow.
func (c *containerState) stale(now time.Time) bool {
	return c.last.At.IsZero() || c.age(now) > freezeAfter
}

// capacity in CPUs of what the container may use: its cpuset and its quota.
func (c *containerState) capacity(in *Container) float64 {
	limit := float64(c.size)
	if q := in.Current.Quota.CPUs(); q > 0 && (limit == 0 || q < limit) {
		limit = q
	}
	return limit
}

// cpuBound reports whether lack of CPU explains the container's latency.
func (c *containerState) cpuBound(in *Container) bool {
	limit := c.capacity(in)
	return c.stall >= stallPresent || c.isThrottled() || limit > 0 && c.needCPUs() >= busy*limit
}

// carry returns the states of the snapshot's containers, in its order: those
// known before are copied, new ones are zero, gone ones are forgotten.
func carryContainers(old []containerState, in []Container, now time.Time) []containerState {
	out := make([]containerState, len(in))
	j := 0
	for i := range in {
		for j < len(old) && old[j].id < in[i].ID {
			j++
		}
		if j < len(old) && old[j].id == in[i].ID {
			out[i] = old[j]
		} else {
			out[i].id, out[i].seenAt = in[i].ID, now
		}
		out[i].observe(&in[i])
	}
	return out
}

func carryApps(old []appState, in []App) []appState {
	out := make([]appState, len(in))
	j := 0
	for i := range in {
		for j < len(old) && old[j].name < in[i].Name {
			j++
		}
		if j < len(old) && old[j].name == in[i].Name {
			out[i] = old[j]
		} else {
			out[i].name = in[i].Name
		}
	}
	return out
}
