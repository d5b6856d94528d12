package control

import (
	"fmt"
	"time"
)

// quotas is rung 3: the latency-critical container's own limit. It goes up at
// once when it is what holds the container up, and comes down slowly.
func (t *tick) quotas() {
	for i := range t.snap.Containers {
		if !t.critical(i) || t.snap.Containers[i].Current.Quota.CPUs() == 0 || t.containers[i].stale(t.now) {
			continue
		}
		if !t.raise(i) {
			t.lower(i)
		}
	}
}

// quotaBound is the most CPUs that the container's quota may grow to: its
// declared max, else what its user gave it.
func (t *tick) quotaBound(i int) float64 {
	c := &t.snap.Containers[i]
	own := c.Original.Quota.CPUs()
	if c.Bounds.Max > 0 {
		return min(max(c.Bounds.Max, own), max(t.capacity, own))
	}
	return own
}

func (t *tick) raise(i int) bool {
	c, s := &t.snap.Containers[i], &t.containers[i]
	now, bound := c.Current.Quota.CPUs(), t.quotaBound(i)
	if now >= bound || t.now.Sub(s.raisedAt) < raisePause {
		return false
	}
	need, rule := s.needCPUs(), Rule("")
	switch {
	case s.isThrottled() && t.blamesLowering(s):
		rule = RuleLoweringHurt
	case s.isThrottled():
		rule = RuleThrottled
	case t.over(i) && need >= busy*now:
		rule = RuleOverTarget
	default:
		return false
	}
	to := max(now*quotaGrowth, need*growthMargin)
	if rule == RuleLoweringHurt {
		to = max(to, s.loweredFrom.CPUs())
	}
	if to*quotaReach >= bound {
		to = bound
	}
	n, of := sumOf(s.throttled[:]), sumOf(s.periods[:])
	if !t.change(i, QuotaLimit, Limits{Quota: quotaOf(to, c.Current.Quota)}, rule, func() string {
		return fmt.Sprintf("throttled in %.0f of the last %.0f periods, needs %.2f of %.2f CPUs, %s; bound %g", n, of, need, now, t.latencyText(i), bound)
	}) {
		return false
	}
	if rule == RuleLoweringHurt {
		s.lowerUntil = t.now.Add(lowerLock)
	}
	s.raisedAt = t.now
	s.throttled, s.periods = [throttleTicks]float32{}, [throttleTicks]float32{}
	return true
}

func (t *tick) blamesLowering(s *containerState) bool {
	return !s.loweredAt.IsZero() && t.now.Sub(s.loweredAt) < lowerJudge && s.loweredAt.After(s.raisedAt)
}

// lower gives back what was not needed for long, never below the app's min
// (or, without one, below what its user gave it) nor below the margin over the
// peak of 30 s.
func (t *tick) lower(i int) {
	c, s := &t.snap.Containers[i], &t.containers[i]
	if t.now.Before(s.lowerUntil) || !t.calm(i) || within(t.now, lowerPause, s.raisedAt, s.loweredAt, s.curbedAt) {
		return
	}
	peak, known := s.peakCPUs(t.now)
	if !known {
		return
	}
	now, floor := c.Current.Quota.CPUs(), c.Original.Quota.CPUs()
	if c.Bounds.Min > 0 {
		floor = c.Bounds.Min
	}
	to := max(now*lowerStep, floor, peak*growthMargin)
	if to > now*(1-lowerDeadBand) {
		return
	}
	if t.change(i, QuotaLimit, Limits{Quota: quotaOf(to, c.Current.Quota)}, RuleSlackHigh, func() string {
		return fmt.Sprintf("peak of 30s is %.2f of %.2f CPUs, mean slack %.2f for %s; floor %.2f", peak, now, t.app(i).mean(), lowerPause, floor)
	}) {
		s.loweredAt, s.loweredFrom = t.now, c.Current.Quota
	}
}

// within reports whether any of the instants is less than d ago.
func within(now time.Time, d time.Duration, instants ...time.Time) bool {
	for _, at := range instants {
		if !at.IsZero() && now.Sub(at) < d {
			return true
		}
	}
	return false
}
