package control

import (
	"fmt"
	"math"
	"time"
)

// suppression is the state of rung 4, of the whole pool.
type suppression struct {
	active    bool
	since     time.Time // engaged at
	be        float64   // total best-effort quota in force, CPUs
	head      float64   // headroom, fraction of C; adaptive
	calmTicks int
	coolUntil time.Time
	grewAt    time.Time

	needed    time.Time // a CPU-bound violation with stall lasts since
	calmSince time.Time
	calmFor   time.Duration // how long calm has to last before it is lifted
	liftedAt  time.Time

	judged    bool
	slack0    float64 // least slack when engaged
	lockUntil time.Time
	lockFor   time.Duration
}

// pressure is what rung 4 looks at, over all containers of the pool.
type pressure struct {
	need, stall float64 // latency-critical: Σ need, worst stall
	beUse       float64
	critical    int
	bestEffort  int
	violating   bool
	unknown     bool
	stale       bool
	weightLost  bool // a best-effort weight cannot be written
	slack       float64
	known       bool // some app has a latency signal
}

// suppression is rung 4: quotas on best-effort containers, for interference
// that weight and cpuset do not cure.
func (t *tick) suppression() {
	p := t.pressure()
	s := &t.suppress
	if s.head == 0 {
		s.head, s.lockFor, s.calmFor = headStart, suppressLock, suppressCalm
	}
	if p.bestEffort == 0 {
		s.active = false
		return
	}
	if p.critical == 0 {
		t.lift(p, "no latency-critical container runs")
		return
	}
	if t.outer {
		t.adaptHeadroom(p)
	}
	if !s.active && !t.engage(p) {
		if !p.stale {
			t.lift(p, "weight and cpuset suffice")
		}
		return
	}
	t.hold(p)
	t.plan.Suppressing, t.plan.SuppressedCPUs = s.active, s.be
}

func (t *tick) pressure() pressure {
	p := pressure{slack: 1}
	for i := range t.containers {
		c := &t.containers[i]
		switch {
		case t.critical(i):
			p.critical++
			p.need += c.needCPUs()
			p.stall = max(p.stall, c.stall)
			p.stale = p.stale || c.stale(t.now)
		case t.bestEffort(i):
			p.bestEffort++
			p.beUse += c.use
			p.weightLost = p.weightLost || t.snap.Containers[i].Blocked.Has(Weight) && t.after[i].Shares != BestEffortShares
		}
	}
	for k := range t.apps {
		switch t.apps[k].state {
		case StateViolating:
			p.violating = true
		case StateNoSignal, StateStale:
			p.unknown = true
		}
		if t.snap.Apps[k].Latency.Count > 0 && t.apps[k].state != StateNoObjective {
			p.slack, p.known = min(p.slack, t.slack(k)), true
		}
	}
	return p
}

func (t *tick) adaptHeadroom(p pressure) {
	s := &t.suppress
	switch {
	case !p.known:
	case p.slack < 0 && p.violating:
		s.head, s.calmTicks = s.head+headViolated, 0
	case p.slack < slackTight:
		s.head, s.calmTicks = s.head+headTight, 0
	case p.slack > slackHigh:
		if s.calmTicks++; s.calmTicks >= headCalm {
			s.head -= headBack
		}
	default:
		s.calmTicks = 0
	}
	s.head = min(max(s.head, headMin), headMax)
}

// engage reports whether rung 4 starts now.
func (t *tick) engage(p pressure) bool {
	s := &t.suppress
	hurts := !p.stale && p.stall >= stallStarved && p.beUse > suppressMin*t.capacity
	if !hurts || !p.violating && !p.weightLost {
		s.needed = time.Time{}
		return false
	}
	if s.needed.IsZero() {
		s.needed = t.now
	}
	if t.now.Before(s.lockUntil) || !p.weightLost && t.now.Sub(s.needed) < suppressAfter {
		return false
	}
	s.active, s.since, s.judged, s.slack0, s.calmSince = true, t.now, p.weightLost, p.slack, time.Time{}
	s.be = max(p.beUse, suppressMin*t.capacity)
	if !s.liftedAt.IsZero() && t.now.Sub(s.liftedAt) < suppressLock { // lifted too early
		s.calmFor = min(2*s.calmFor, suppressCalmMax)
	} else {
		s.calmFor = suppressCalm
	}
	return true
}

// hold moves the total while rung 4 is engaged: it is cut at once and grows
// slowly; it is undone when it did not help, and lifted when it is not needed.
func (t *tick) hold(p pressure) {
	s := &t.suppress
	if p.stale {
		t.holdStale(p)
		return
	}
	if !s.judged && t.now.Sub(s.since) >= suppressJudge {
		s.judged = true
		if p.violating && p.slack < s.slack0+suppressHelped {
			s.lockUntil = t.now.Add(s.lockFor)
			t.lift(p, fmt.Sprintf("no help in %s: slack %.2f, was %.2f; locked for %s", suppressJudge, p.slack, s.slack0, s.lockFor))
			s.lockFor = min(2*s.lockFor, suppressLockMax)
			return
		}
	}
	if t.calmLongEnough(p) {
		t.lift(p, fmt.Sprintf("calm for %s: slack %.2f, stall %.2f", s.calmFor, p.slack, p.stall))
		return
	}
	low, band := suppressMin*t.capacity, suppressBand*t.capacity
	target := t.capacity - p.need - s.head*t.capacity
	rule := RuleSuppress
	if p.stall > stallStarved && p.beUse > low && !t.now.Before(s.coolUntil) {
		target = min(target, s.be/2)
		s.coolUntil = t.now.Add(suppressCool)
		if p.violating {
			s.coolUntil = t.now.Add(suppressCool2)
		}
	}
	target = max(target, low)
	grow := !t.now.Before(s.coolUntil) && !p.unknown && p.known && p.slack > slackGrow && t.now.Sub(s.grewAt) >= suppressPause
	switch {
	case target < s.be-band:
		s.be = target
	case grow && target > s.be+band:
		s.be = min(target, s.be+suppressGrowth*t.capacity*float64(suppressPause/needTick))
		s.grewAt, rule = t.now, RuleSuppressGrow
	}
	t.applySuppression(p, rule)
}

// holdStale: nothing grows without statistics; without them for long, the
// smallest quota is the only one that is known to be safe.
func (t *tick) holdStale(p pressure) {
	for i := range t.containers {
		if t.critical(i) && t.containers[i].age(t.now) > safeAfter {
			t.suppress.be = suppressMin * t.capacity
			t.applySuppression(p, RuleStaleSafe)
			return
		}
	}
}

func (t *tick) calmLongEnough(p pressure) bool {
	s := &t.suppress
	if p.weightLost || p.unknown || p.known && p.slack <= slackGrow || p.stall >= stallPresent {
		s.calmSince = time.Time{}
		return false
	}
	if s.calmSince.IsZero() {
		s.calmSince = t.now
	}
	return t.now.Sub(s.calmSince) >= s.calmFor
}

// applySuppression gives every best-effort container an equal part of the
// total, never more than it had or may have.
func (t *tick) applySuppression(p pressure, rule Rule) {
	part := t.suppress.be / float64(p.bestEffort)
	for i := range t.snap.Containers {
		if !t.bestEffort(i) {
			continue
		}
		c := &t.snap.Containers[i]
		cpus := part
		if own := c.Original.Quota.CPUs(); own > 0 {
			cpus = min(cpus, own)
		}
		now := c.Current.Quota.CPUs()
		if now > 0 && (math.Abs(now-cpus) < suppressBand*t.capacity || rule == RuleStaleSafe && cpus >= now) {
			continue
		}
		t.change(i, QuotaLimit, Limits{Quota: quotaOf(cpus, c.Current.Quota)}, rule, func() string {
			return fmt.Sprintf("pool %g − need %.2f − headroom %.2f CPUs, stall %.2f, slack %.2f: %.2f CPUs for %d best-effort containers",
				t.capacity, p.need, t.suppress.head*t.capacity, p.stall, p.slack, t.suppress.be, p.bestEffort)
		})
	}
}

// lift gives best-effort containers their own quotas back. It is also what
// heals a quota that a crash left behind.
func (t *tick) lift(p pressure, why string) {
	if t.suppress.active {
		t.suppress.active, t.suppress.liftedAt = false, t.now
	}
	for i := range t.snap.Containers {
		if c := &t.snap.Containers[i]; t.bestEffort(i) {
			t.change(i, QuotaLimit, Limits{Quota: c.Original.Quota}, RuleSuppressLift, func() string {
				return fmt.Sprintf("%s; stall %.2f, slack %.2f", why, p.stall, p.slack)
			})
		}
	}
}
