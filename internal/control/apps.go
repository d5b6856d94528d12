package control

import (
	"fmt"
	"time"

	"github.com/governor-project/governor/internal/appspec"
)

// load is what an app's containers do together.
type load struct {
	use, need, stall float64
	members          int
	stale            bool
	cpuBound         bool
}

func (l *load) add(in *Container, c *containerState, now time.Time) {
	l.members++
	l.use += c.use
	l.need += c.needCPUs()
	l.stall = max(l.stall, c.stall)
	l.stale = l.stale || c.stale(now)
	l.cpuBound = l.cpuBound || c.cpuBound(in)
}

// slack of an app now: 1 − latency/target, 0 without a signal.
func (t *tick) slack(app int) float64 {
	if app < 0 {
		return 0
	}
	a := &t.snap.Apps[app]
	if a.Latency.Count == 0 || a.Objective.Target <= 0 {
		return 0
	}
	return 1 - float64(a.Latency.Value)/float64(a.Objective.Target)
}

// judgeApps says of each app how it does, every tick, and every outer tick
// moves its slack history on.
func (t *tick) judgeApps() {
	for k := range t.apps {
		a, in := &t.apps[k], &t.snap.Apps[k]
		l := t.loads[k]
		a.state = judge(in, l, t.slack(k))
		if a.state != StateViolating {
			a.overSince = time.Time{}
		} else if a.overSince.IsZero() {
			a.overSince = t.now
		}
		if t.outer {
			t.outerJudge(a, in, k)
		}
	}
}

func (t *tick) outerJudge(a *appState, in *App, k int) {
	if in.Latency.Count == 0 {
		a.filled, a.next, a.highSince = 0, 0, time.Time{}
		return
	}
	a.push(t.slack(k))
	if t.slack(k) < 0 {
		a.violationS += t.outerSpan.Seconds()
	}
	switch {
	case a.mean() <= slackHigh || t.slack(k) <= slackHigh:
		a.highSince = time.Time{}
	case a.highSince.IsZero():
		a.highSince = t.now
	}
}

// judge: an app without enough samples is judged by what there is; one without
// any is idle when it also uses no CPU, else unknown.
func judge(in *App, l load, slack float64) AppState {
	switch {
	case in.Class != appspec.LatencyCritical || in.Objective.IsZero():
		return StateNoObjective
	case in.Latency.Count == 0 && l.members == 0:
		return StateIdle
	case l.stale:
		return StateStale
	case in.Latency.Count == 0 && l.use < idleUse:
		return StateIdle
	case in.Latency.Count == 0:
		return StateNoSignal
	case slack >= 0:
		return StateOK
	case l.cpuBound:
		return StateViolating
	}
	return StateNotCPUBound
}

// describeApps writes the judgement into the plan.
func (t *tick) describeApps() {
	t.plan.Apps = make([]AppStatus, len(t.apps))
	for k := range t.apps {
		a, in, l := &t.apps[k], &t.snap.Apps[k], t.loads[k]
		t.plan.Apps[k] = AppStatus{
			Name: in.Name, Objective: in.Objective, Latency: in.Latency,
			Slack: t.slack(k), SlackMean: a.mean(), State: a.state,
			ViolationSeconds: a.violationS, NeedCPUs: l.need, Stall: l.stall,
		}
	}
}

// latencyText is the latency of the container's app for a reason.
func (t *tick) latencyText(i int) string {
	k := t.appOf[i]
	if k < 0 || t.snap.Apps[k].Latency.Count == 0 {
		return "no latency yet"
	}
	a := &t.snap.Apps[k]
	return fmt.Sprintf("p%g %s of %s (n=%d)", a.Objective.Percentile, a.Latency.Value.Round(100*time.Microsecond), a.Objective.Target, a.Latency.Count)
}

// safeValues puts a latency-critical container without statistics for long back
// to what its user gave it: nothing can be said for what it has now.
func (t *tick) safeValues() {
	for i := range t.snap.Containers {
		c, s := &t.snap.Containers[i], &t.containers[i]
		if !t.critical(i) || s.age(t.now) <= safeAfter {
			continue
		}
		why := func() string { return fmt.Sprintf("no CPU statistics for %s", s.age(t.now).Round(time.Second)) }
		if t.placeable(i) && !c.Original.CPUs.IsEmpty() && c.Original.CPUs.IsSubsetOf(t.lendable) {
			t.change(i, CPUSet, Limits{CPUs: c.Original.CPUs}, RuleStaleSafe, why)
		}
		t.change(i, QuotaLimit, Limits{Quota: c.Original.Quota}, RuleStaleSafe, why)
	}
}
