package control

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/governor-project/governor/internal/cpuset"
)

// cpusets is rung 2: latency-critical containers first, then best-effort work
// follows onto the CPUs that they spread to.
func (t *tick) cpusets() {
	for i := range t.snap.Containers {
		if t.critical(i) && t.placeable(i) && !t.containers[i].stale(t.now) {
			t.place(i)
		}
	}
	t.follow()
}

// placeable reports whether the container's cpuset is Governor's to change: it
// lies within the pool's lendable CPUs. One that reaches beyond them has more
// than Governor could give.
func (t *tick) placeable(i int) bool {
	c := &t.snap.Containers[i]
	return !c.Current.CPUs.IsEmpty() && c.Current.CPUs.IsSubsetOf(t.lendable)
}

func (t *tick) place(i int) {
	c, s := &t.snap.Containers[i], &t.containers[i]
	if t.judgeWidening(i) {
		return
	}
	if rule, want := t.wantsCPUs(i); rule != "" {
		t.widen(i, rule, want)
		return
	}
	t.narrow(i, c, s)
}

// bound is how many CPUs the container may spread over.
func (t *tick) bound(i int) int {
	c := &t.snap.Containers[i]
	own := c.Original.CPUs.Len()
	if c.Bounds.Max > 0 {
		own = max(own, int(math.Ceil(c.Bounds.Max)))
	}
	return min(own, int(t.capacity))
}

// wantsCPUs says why the container needs more CPUs than its cpuset has, and how many.
func (t *tick) wantsCPUs(i int) (Rule, int) {
	c, s := &t.snap.Containers[i], &t.containers[i]
	size := float64(s.size)
	if s.size >= t.bound(i) || t.now.Before(s.widenUntil) || t.now.Sub(s.widenedAt) < cpusetPause {
		return "", 0
	}
	need := s.needCPUs()
	hidden := max(size+1, math.Ceil(size*quotaGrowth)) // demand behind a full cpuset cannot be seen
	visible := math.Ceil(need * growthMargin)
	var rule Rule
	switch {
	case s.stall >= stallStarved && s.use >= busy*size:
		rule = RuleStarved
	case s.saturated >= saturatedSamples:
		rule = RuleSaturated
	case t.over(i) && s.cpuBound(c) && c.Current.Quota.CPUs() == 0 && need*growthMargin > size:
		rule = RuleOverTarget
	case need*growthMargin > size && (s.stall >= stallPresent || t.tight(i)):
		rule, hidden = RuleNeedsMore, visible
	default:
		return "", 0
	}
	want := int(max(hidden, visible))
	if t.capacity <= smallPool {
		want = t.bound(i)
	}
	return rule, min(want, t.bound(i))
}

// tight reports whether the app's slack is known and small.
func (t *tick) tight(i int) bool {
	a := t.app(i)
	return a != nil && a.filled > 0 && t.slack(t.appOf[i]) < slackGrow
}

func (t *tick) widen(i int, rule Rule, want int) {
	c, s := &t.snap.Containers[i], &t.containers[i]
	if t.capacity-t.criticalNeed() < roomLeft {
		return // the other CPUs are as busy with latency-critical work: weights decide
	}
	to := t.pick(i, want)
	if to == c.Current.CPUs {
		return
	}
	from, need := s.size, s.needCPUs()
	if t.change(i, CPUSet, Limits{CPUs: to}, rule, func() string {
		return fmt.Sprintf("needs %.2f of %d CPUs (peak of 1s), stall %.2f, %s; pool has %g, bound %d",
			need, from, s.stall, t.latencyText(i), t.capacity, t.bound(i))
	}) {
		if !s.shrunkAt.IsZero() && t.now.Sub(s.shrunkAt) < lowerJudge {
			s.shrinkUntil = t.now.Add(lowerLock)
		}
		s.widenedAt, s.widenedFrom, s.widenPending = t.now, c.Current.CPUs, true
		s.widenedStall, s.demandAtWiden = s.stall, need
		for cpu := range to.Difference(c.Current.CPUs).All() { // the next one had better go elsewhere
			t.loadByCPU()[cpu] += need / float64(to.Len())
		}
	}
}

// pick adds CPUs to the container's own until it has want: those with the least
// latency-critical need on them first, then the lowest.
func (t *tick) pick(i, want int) cpuset.Set {
	own := t.snap.Containers[i].Current.CPUs
	free := slices.Collect(t.lendable.Difference(own).All())
	if want < own.Len()+len(free) {
		load := t.loadByCPU()
		slices.SortStableFunc(free, func(a, b int) int { return cmp.Compare(load[a], load[b]) })
	}
	return own.Union(cpuset.Of(free[:min(len(free), max(0, want-own.Len()))]...))
}

// loadByCPU is the latency-critical need on each CPU, as if every container
// spread its own evenly over its cpuset. It is counted once a tick.
func (t *tick) loadByCPU() map[int]float64 {
	if t.cpuLoad != nil {
		return t.cpuLoad
	}
	t.cpuLoad = make(map[int]float64, int(t.capacity))
	for k := range t.snap.Containers {
		if !t.critical(k) || t.containers[k].size == 0 {
			continue
		}
		share := t.containers[k].needCPUs() / float64(t.containers[k].size)
		for cpu := range t.snap.Containers[k].Current.CPUs.All() {
			t.cpuLoad[cpu] += share
		}
	}
	return t.cpuLoad
}

// judgeWidening undoes a widening that did not help: the container is still
// over target, still waits as much, and never used what it was given.
func (t *tick) judgeWidening(i int) bool {
	c, s := &t.snap.Containers[i], &t.containers[i]
	if !s.widenPending || t.now.Sub(s.widenedAt) < widenJudge {
		return false
	}
	s.widenPending = false
	before := float64(s.widenedFrom.Len())
	used := maxOf(s.peak[:]) > before*busy && maxOf(s.peak[:]) > s.demandAtWiden
	if used || !t.over(i) || s.stall < s.widenedStall || !c.Original.CPUs.IsSubsetOf(s.widenedFrom) ||
		!s.widenedFrom.IsSubsetOf(t.lendable) || s.widenedFrom.IsEmpty() {
		return false
	}
	s.widenUntil = t.now.Add(widenLock)
	return t.change(i, CPUSet, Limits{CPUs: s.widenedFrom}, RuleNoHelp, func() string {
		return fmt.Sprintf("%s after it was widened, stall %.2f (was %.2f), used at most %.2f CPUs, %s; locked for %s",
			widenJudge, s.stall, s.widenedStall, maxOf(s.peak[:]), t.latencyText(i), widenLock)
	})
}

// narrow takes CPUs back to the original cpuset once the peak of 30 s fits
// there with its margin and slack has been high that long. It costs nothing to
// keep them while weights protect everyone, so there is no hurry.
func (t *tick) narrow(i int, c *Container, s *containerState) {
	if c.Current.CPUs == c.Original.CPUs || !c.Original.CPUs.IsSubsetOf(t.lendable) || c.Original.CPUs.IsEmpty() ||
		t.now.Before(s.shrinkUntil) || t.now.Sub(s.widenedAt) < lowerPause || t.now.Sub(s.shrunkAt) < lowerPause || !t.calm(i) {
		return
	}
	peak, known := s.peakCPUs(t.now)
	if !known || peak*growthMargin > float64(c.Original.CPUs.Len()) {
		return
	}
	if t.change(i, CPUSet, Limits{CPUs: c.Original.CPUs}, RuleShrink, func() string {
		return fmt.Sprintf("peak of 30s is %.2f CPUs and slack %.2f: the original cpuset suffices", peak, t.slack(t.appOf[i]))
	}) {
		s.shrunkAt, s.widenPending = t.now, false
	}
}

// calm reports whether the app's slack has been high for long.
func (t *tick) calm(i int) bool {
	a := t.app(i)
	return a != nil && !a.highSince.IsZero() && t.now.Sub(a.highSince) >= lowerPause
}

// follow gives best-effort containers the pool's CPUs while latency-critical
// ones are spread over more than their own: what was taken from them on one
// CPU is made up for on the others. It needs the weight, since without it they
// would hurt where they go.
func (t *tick) follow() {
	spread, stale := t.spread()
	for i := range t.snap.Containers {
		c := &t.snap.Containers[i]
		if !t.bestEffort(i) || !t.placeable(i) || !c.Original.CPUs.IsSubsetOf(t.lendable) || c.Original.CPUs.IsEmpty() {
			continue
		}
		switch {
		case !spread:
			t.change(i, CPUSet, Limits{CPUs: c.Original.CPUs}, RuleFollowBack, func() string {
				return "no latency-critical container is spread beyond its own CPUs"
			})
		case !stale && !c.Blocked.Has(Weight) && t.after[i].Shares == BestEffortShares:
			t.change(i, CPUSet, Limits{CPUs: t.followTo(c)}, RuleFollow, func() string {
				return "latency-critical containers spread over the pool; best effort may use what they leave on all its CPUs"
			})
		}
	}
}

// followTo is the original cpuset plus the pool's CPUs, within the container's bound.
func (t *tick) followTo(c *Container) cpuset.Set {
	if c.Bounds.Max == 0 {
		return t.lendable
	}
	more := int(math.Ceil(c.Bounds.Max)) - c.Original.CPUs.Len()
	return c.Original.CPUs.Union(t.lendable.Difference(c.Original.CPUs).Take(more))
}

// spread reports whether some latency-critical container has, after the plan so
// far, CPUs that were not its own, and whether any has stale statistics.
func (t *tick) spread() (spread, stale bool) {
	for i := range t.snap.Containers {
		if !t.critical(i) {
			continue
		}
		stale = stale || t.containers[i].stale(t.now)
		if to := t.after[i].CPUs; to != t.snap.Containers[i].Original.CPUs && t.placeable(i) {
			spread = true
		}
	}
	return spread, stale
}

// criticalNeed is Σ of the latency-critical containers' need, in CPUs.
func (t *tick) criticalNeed() float64 {
	if t.needKnown {
		return t.need
	}
	sum := 0.0
	for i := range t.containers {
		if t.critical(i) {
			sum += t.containers[i].needCPUs()
		}
	}
	t.need, t.needKnown = sum, true
	return sum
}
