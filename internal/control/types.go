package control

import (
	"math"
	"strconv"
	"time"

	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/cpuset"
)

// Resource is one lever on a container.
type Resource uint8

// The levers, in the order in which they are written.
const (
	Weight Resource = iota
	CPUSet
	QuotaLimit
	resourceCount
)

// String is the resource's name in decisions and metrics.
func (r Resource) String() string {
	switch r {
	case Weight:
		return "weight"
	case CPUSet:
		return "cpuset"
	case QuotaLimit:
		return "quota"
	}
	return "unknown"
}

// Resources is a set of levers.
type Resources uint8

// With returns the set with r added.
func (s Resources) With(r Resource) Resources { return s | 1<<r }

// Without returns the set with r removed.
func (s Resources) Without(r Resource) Resources { return s &^ (1 << r) }

// Has reports whether r is in the set.
func (s Resources) Has(r Resource) bool { return s&(1<<r) != 0 }

// Quota is a CFS bandwidth limit. QuotaUS ≤ 0 means no limit.
type Quota struct {
	QuotaUS  int64
	PeriodUS uint64
}

// CPUs is the limit in CPUs; 0 means no limit.
func (q Quota) CPUs() float64 {
	if q.QuotaUS <= 0 || q.PeriodUS == 0 {
		return 0
	}
	return float64(q.QuotaUS) / float64(q.PeriodUS)
}

// String is the limit in CPUs, or "none".
func (q Quota) String() string {
	if q.CPUs() == 0 {
		return "none"
	}
	return strconv.FormatFloat(q.CPUs(), 'f', -1, 64)
}

// quotaOf turns CPUs into a quota with the period of like, rounded to the
// nearest 1 % of a period and never below the kernel's floor.
func quotaOf(cpus float64, like Quota) Quota {
	period := like.PeriodUS
	if period == 0 {
		period = DefaultPeriodUS
	}
	step := float64(period) / 100
	us := int64(math.Round(cpus*float64(period)/step) * step)
	return Quota{QuotaUS: max(us, MinQuotaUS), PeriodUS: period}
}

// Limits are the levers' positions on one container. The zero CPUs mean that
// the container has no cpuset that could be read or written.
type Limits struct {
	Shares uint64 // Docker's scale, 2 to 262144
	Quota  Quota
	CPUs   cpuset.Set
}

// Text is the position of one lever as decisions show it.
func (l Limits) Text(r Resource) string {
	switch r {
	case Weight:
		return strconv.FormatUint(l.Shares, 10)
	case CPUSet:
		return l.CPUs.String()
	case QuotaLimit:
		return l.Quota.String()
	}
	return ""
}

// Same reports whether two limits agree on one lever.
func (l Limits) Same(o Limits, r Resource) bool {
	switch r {
	case Weight:
		return l.Shares == o.Shares
	case CPUSet:
		return l.CPUs == o.CPUs
	case QuotaLimit:
		return l.Quota == o.Quota || l.Quota.CPUs() == 0 && o.Quota.CPUs() == 0
	}
	return true
}

// With returns l with one lever's position taken from o.
func (l Limits) With(o Limits, r Resource) Limits {
	switch r {
	case Weight:
		l.Shares = o.Shares
	case CPUSet:
		l.CPUs = o.CPUs
	case QuotaLimit:
		l.Quota = o.Quota
	}
	return l
}

// Pool is the CPUs that Governor shares out.
type Pool struct {
	CPUs     cpuset.Set // the pool; those offline are left out of account
	Reserved cpuset.Set // never given to a container that did not have them
	Online   cpuset.Set
}

// Lendable is what may be handed out: pool ∩ online without the reserved CPUs.
func (p Pool) Lendable() cpuset.Set {
	return p.CPUs.Intersect(p.Online).Difference(p.Reserved)
}

// Usage is one cumulative sample of a container's CPU statistics. At is when
// it was read; the zero At means that there is none yet.
type Usage struct {
	At               time.Time
	UsageNS          uint64
	Periods          uint64
	ThrottledPeriods uint64
	StallNS          uint64 // time in which work waited for a CPU: PSI "some" or run-queue wait
}

// Container is one running container of a managed class.
type Container struct {
	ID, Name, App string
	Class         appspec.Class
	Bounds        appspec.CPUBounds
	Usage         Usage
	Current       Limits
	Original      Limits
	// Blocked levers must not be planned for: a write failed and its back-off
	// runs, or the lever does not exist here.
	Blocked Resources
}

// Latency summarises an app's samples over the newest window that holds enough
// of them. Count 0 means no signal.
type Latency struct {
	Count  int
	Value  time.Duration // at the objective's percentile
	Window time.Duration // how far back the samples reach
}

// App is one application with its objective and what was measured.
type App struct {
	Name      string
	Class     appspec.Class
	Objective appspec.Objective
	Latency   Latency
}

// Snapshot is everything Decide knows. Apps are sorted by name, Containers by ID.
type Snapshot struct {
	Now        time.Time
	Outer      time.Duration // between two judgements of the latency; 0: one second
	Pool       Pool
	Apps       []App
	Containers []Container
}

// Rule names why a change is made; the set is closed.
type Rule string

// The rules.
const (
	RuleClassWeight   Rule = "class_weight"
	RuleStarved       Rule = "starved"
	RuleSaturated     Rule = "saturated"
	RuleOverTarget    Rule = "over_target"
	RuleNeedsMore     Rule = "needs_more"
	RuleFollow        Rule = "follow"
	RuleFollowBack    Rule = "follow_back"
	RuleShrink        Rule = "shrink"
	RuleNoHelp        Rule = "no_help"
	RuleThrottled     Rule = "throttled"
	RuleSlackHigh     Rule = "slack_high"
	RuleLoweringHurt  Rule = "lowering_hurt"
	RuleStaleSafe     Rule = "stale_safe"
	RuleSuppress      Rule = "suppress"
	RuleSuppressGrow  Rule = "suppress_grow"
	RuleSuppressLift  Rule = "suppress_lift"
	RuleDriftReassert Rule = "drift"   // written by internal/actuate
	RuleRestore       Rule = "restore" // written by internal/actuate
)

// Change is one wanted change of one lever. Before and After differ in Resource only.
type Change struct {
	ID, Name, App string
	Class         appspec.Class
	Resource      Resource
	Before, After Limits
	Rule          Rule
	Reason        string // the inputs, readable
}

// AppState is the judgement on one app; the set is closed.
type AppState string

// The app states.
const (
	StateOK          AppState = "ok"
	StateViolating   AppState = "violating"     // over target, and CPU is the cause
	StateNotCPUBound AppState = "not_cpu_bound" // over target, and CPU is not the cause: nothing is taken
	StateNoSignal    AppState = "no_signal"     // uses CPU, no latency samples: nothing grows
	StateIdle        AppState = "idle"          // no samples and no CPU use
	StateStale       AppState = "stale"         // no fresh CPU statistics
	StateNoObjective AppState = "no_objective"
)

// AppStatus is what is known of one app after a tick.
type AppStatus struct {
	Name             string
	Objective        appspec.Objective
	Latency          Latency
	Slack            float64 // 1 − latency/target; 0 without signal
	SlackMean        float64 // over 5 s
	State            AppState
	ViolationSeconds float64 // outer ticks spent over target, cumulative
	NeedCPUs         float64 // Σ over its containers: peak use of the last second
	Stall            float64 // worst container, share of time spent waiting
}

// Plan is every wanted change, in rung order, and the judgement on every app.
type Plan struct {
	Changes []Change
	Apps    []AppStatus // aligned with Snapshot.Apps
	// Suppressing reports that best-effort quotas are in force (rung 4), and
	// SuppressedCPUs their total.
	Suppressing    bool
	SuppressedCPUs float64
	// Stale is the number of containers without fresh statistics.
	Stale int
}
