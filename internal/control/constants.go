package control

import "time"

// Weights. Docker's cpu.shares scale, 2 to 262144, default 1024.
const (
	// BestEffortShares is the lowest weight of the kernel (MIN_SHARES,
	// kernel/sched/sched.h). Measured: it restores the tail of a service on a
	// shared core at once and wastes no cycle.
	BestEffortShares = 2
	// DefaultShares is what Docker and the kernel give by default; a declared
	// weight of 100 stands for it, as cgroup v2's cpu.weight does.
	DefaultShares = 1024
	defaultWeight = 100
	maxShares     = 262144 // kernel: MAX_SHARES
)

// Ageing of statistics (reference law: "stats older than 500 ms: freeze growth;
// older than 5 s: safe values").
const (
	freezeAfter = 500 * time.Millisecond
	safeAfter   = 5 * time.Second
)

// Windows.
const (
	// needTick × needTicks is the window whose peak usage is the need: 1 s (reference law).
	needTick  = 100 * time.Millisecond
	needTicks = 10
	// throttleTicks × needTick is the window of the throttle ratio: half a
	// second holds five of the kernel's default periods.
	throttleTicks = 5
	// peakTick × peakTicks is the window below whose peak no limit is lowered:
	// 30 s (Katalyst: 30 s between shrinks).
	peakTick  = time.Second
	peakTicks = 30
	// slackTicks outer ticks make the mean slack (reference law: 5 s).
	slackTicks = 5
	// outerInterval separates two judgements of the latency (reference law: 1 s).
	outerInterval = time.Second
)

// Latency windows (reference law: "widen the window to 10 s until n ≥ 20").
const (
	LatencyWindow    = time.Second
	LatencyWindowMax = 10 * time.Second
	LatencySamples   = 20
)

// Bands of slack = 1 − latency/target (Heracles ISCA'15, PARTIES ASPLOS'19).
const (
	slackTight = 0.05 // below: headroom grows
	slackGrow  = 0.10 // above: best-effort work may grow
	slackHigh  = 0.20 // above, for long: limits may be lowered
)

// Signs that CPU is the cause.
const (
	// stallStarved is the share of time spent waiting for a CPU at which a
	// container is starved (reference law: .30; cut at once).
	stallStarved = 0.30
	// stallPresent is the share at which a violation counts as CPU-bound
	// (PSI documentation: 10 % "some" is where work visibly waits).
	stallPresent = 0.10
	// busy is the share of its cpuset or quota at which a container is at the
	// end of it; above, demand is invisible (principle 3 of the law).
	busy = 0.90
	// saturatedSamples samples in a row above busy mean saturation even where
	// no stall shows: a runtime with one thread a CPU queues inside itself.
	saturatedSamples = 2
	// idleUse in CPUs: below it, a container without traces is idle, not unknown.
	idleUse = 0.02
)

// Growing and shrinking.
const (
	// growthMargin over the peak need is what a limit is set to (Autothrottle
	// NSDI'24: max + margin·stdev; 1.3 keeps a CPU-bound queue below 77 %).
	growthMargin = 1.3
	// quotaGrowth is one step up of a throttled container's quota. Demand is
	// invisible behind a quota, so the step is multiplicative (Autothrottle:
	// scale up proportionally when the throttle ratio exceeds 3τ).
	quotaGrowth = 1.5
	// quotaReach: a bound this close above the new quota is taken at once,
	// which saves a write and a period of throttling.
	quotaReach = 1.25
	// throttledPeriods periods in the window, and at least throttledRatio of
	// them, make a container throttled (3τ with τ = 3 %, Autothrottle).
	throttledPeriods = 2
	throttledRatio   = 0.10
	// raisePause lets two samples arrive between two raises.
	raisePause = 200 * time.Millisecond
	// lowerPause separates two steps down, and is how long slack has to be
	// high before one (Katalyst: 30 s between shrinks).
	lowerPause = 30 * time.Second
	// lowerStep bounds one step down of a quota.
	lowerStep = 0.90
	// lowerDeadBand: a step down smaller than this is not worth a write.
	lowerDeadBand = 0.05
	// lowerJudge: throttling this soon after a lowering blames the lowering.
	lowerJudge = 60 * time.Second
	// lowerLock keeps limits up after a lowering that hurt (captain: rollback).
	lowerLock = 10 * time.Minute
	// smallPool: up to this many CPUs whole cores are scarce and a container
	// that needs more than it has gets its whole bound (principle 7 of the law).
	smallPool = 4
	// roomLeft in CPUs has to be free of latency-critical need before a cpuset is widened.
	roomLeft = 0.10
	// widenJudge: a widening is judged after this time (recovery has 3 s).
	widenJudge = 5 * time.Second
	// widenLock keeps a cpuset as it was after a widening that did not help;
	// PARTIES locks out for 10 s, a cpuset moves caches and is held longer.
	widenLock = 60 * time.Second
	// cpusetPause separates a widening from the next one of the same container.
	cpusetPause = 200 * time.Millisecond
)

// Quotas.
const (
	// MinQuotaUS is the kernel's smallest quota, 1 ms (min_cfs_quota_period).
	MinQuotaUS = 1000
	// DefaultPeriodUS is the kernel's default period, 100 ms.
	DefaultPeriodUS = 100_000
)

// Best-effort suppression: fractions of the pool's capacity C. The formula, the
// dead band and "fast cut, slow growth" are Koordinator's cpusuppress; the
// figures are those of the reference law.
const (
	suppressMin     = 0.02                   // smallest total of best-effort quota
	suppressGrowth  = 0.02                   // growth per needTick
	suppressPause   = 500 * time.Millisecond // growth is written in steps this far apart
	suppressBand    = 0.01                   // changes below are skipped
	suppressCool    = time.Second            // after a stall cut
	suppressCool2   = 2 * time.Second        // after a cut for a violation
	headStart       = 0.15
	headMin         = 0.05
	headMax         = 0.40
	headViolated    = 0.05 // growth of the headroom a second while violated
	headTight       = 0.02 // growth of the headroom a second while slack is tight
	headBack        = 0.01 // its way back, after headCalm calm seconds
	headCalm        = 5
	suppressAfter   = 5 * time.Second  // a CPU-bound violation has to last this long
	suppressJudge   = 5 * time.Second  // then it has to have helped
	suppressHelped  = 0.10             // by this much slack
	suppressLock    = 60 * time.Second // or it is undone and locked out, doubling
	suppressLockMax = 30 * time.Minute
	suppressCalm    = 10 * time.Second // calm for this long: lifted; doubles when it was too early
	suppressCalmMax = 10 * time.Minute
)
