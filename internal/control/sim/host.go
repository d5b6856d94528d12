// Package sim is a host in virtual time: CPUs that are shared by weight within
// cpusets and quotas, a service whose requests queue, and interference that
// burns what it gets. Control laws are tried here before they touch a kernel.
//
// It is a pure room like the one it tests: time is simulated, randomness is seeded.
package sim

import (
	"slices"
	"time"

	"github.com/governor-project/governor/internal/control"
	"github.com/governor-project/governor/internal/cpuset"
)

// step is the grain of simulated time.
const step = time.Millisecond

// Work is what runs in a container.
type Work interface {
	// Wants is the CPU time that the work could use, on this many CPUs, in the
	// step that begins at now, and what it could use on as many as it has threads.
	Wants(now time.Duration, cpus int) (can, could time.Duration)
	// Ran tells how much CPU time the container got in that step.
	Ran(now time.Duration, got time.Duration)
}

// Container is one container on the simulated host.
type Container struct {
	control.Container
	Work Work

	used, stalled time.Duration
	periods, curb uint64
	inPeriod      time.Duration // CPU time used in the running quota period
	curbed        bool
}

// Used is the CPU time that the container has had.
func (c *Container) Used() time.Duration { return c.used }

// Host is the simulated host. Elapsed is its virtual time.
type Host struct {
	CPUs       cpuset.Set
	Containers []*Container
	Elapsed    time.Duration

	cpus              []int // of CPUs
	free              []time.Duration
	wants, left, gets []time.Duration
}

// Step lets one millisecond pass.
func (h *Host) Step() {
	h.prepare()
	for i, c := range h.Containers {
		can, could := c.Work.Wants(h.Elapsed, c.Current.CPUs.Len())
		h.wants[i], h.left[i], h.gets[i] = could, c.allowed(h.Elapsed, can), 0
	}
	h.share()
	for i, c := range h.Containers {
		c.account(h.wants[i], h.gets[i])
		c.Work.Ran(h.Elapsed, h.gets[i])
	}
	h.Elapsed += step
}

// prepare sizes what a step works on; steps are many and allocate nothing.
func (h *Host) prepare() {
	if h.cpus == nil {
		h.cpus = slices.Collect(h.CPUs.All())
		h.free = make([]time.Duration, len(h.cpus))
	}
	if n := len(h.Containers); len(h.wants) != n {
		h.wants, h.left, h.gets = make([]time.Duration, n), make([]time.Duration, n), make([]time.Duration, n)
	}
}

// allowed cuts what is wanted down to what the quota leaves in this period.
func (c *Container) allowed(now time.Duration, want time.Duration) time.Duration {
	q := c.Current.Quota
	if q.CPUs() == 0 {
		return want
	}
	period := time.Duration(q.PeriodUS) * time.Microsecond
	if now%period < step {
		c.inPeriod, c.curbed = 0, false
		c.periods++
	}
	rest := max(0, time.Duration(q.QuotaUS)*time.Microsecond-c.inPeriod)
	if want > rest && !c.curbed {
		c.curbed = true
		c.curb++
	}
	return min(want, rest)
}

func (c *Container) account(want, got time.Duration) {
	c.used += got
	c.inPeriod += got
	c.stalled += min(step, want-got) // as PSI's "some": at least one thread waits
}

// share gives each CPU's step to the containers on it by weight, in rounds, so
// that what one cannot use goes to the others (the fair scheduler conserves work).
func (h *Host) share() {
	for i := range h.free {
		h.free[i] = step
	}
	for range 4 {
		for k, cpu := range h.cpus {
			if h.free[k] > 0 {
				h.free[k] -= h.shareCPU(cpu, h.free[k])
			}
		}
	}
}

func (h *Host) shareCPU(cpu int, free time.Duration) (given time.Duration) {
	weights := 0.0
	for i, c := range h.Containers {
		weights += h.weight(i, c, cpu)
	}
	if weights == 0 {
		return 0
	}
	for i, c := range h.Containers {
		part := min(time.Duration(float64(free)*h.weight(i, c, cpu)/weights), h.left[i])
		h.left[i] -= part
		h.gets[i] += part
		given += part
	}
	return given
}

// weight of a container on a CPU: its shares are spread over its cpuset.
func (h *Host) weight(i int, c *Container, cpu int) float64 {
	if h.left[i] <= 0 || !c.Current.CPUs.Contains(cpu) {
		return 0
	}
	return float64(c.Current.Shares) / float64(c.Current.CPUs.Len())
}

// usage is the cumulative sample that a receiver would read now.
func (c *Container) usage(at time.Time) control.Usage {
	return control.Usage{
		At: at, UsageNS: uint64(c.used), StallNS: uint64(c.stalled),
		Periods: c.periods, ThrottledPeriods: c.curb,
	}
}
