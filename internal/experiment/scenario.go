package experiment

import (
	"fmt"
	"strings"
	"time"

	"github.com/governor-project/governor/internal/cpuset"
)

// Names of the scenarios; All stands for every one of them.
const (
	SharedCore = "shared-core"
	TwoCore    = "two-core"
	Limited    = "limited"
	All        = "all"
)

// Scenario is one way in which a service is short of CPU. They differ in the
// lever that can help.
type Scenario struct {
	Name    string
	Summary string        // one sentence for the reader of the report
	Target  time.Duration // the objective: p95 of the end-to-end latency
	Pool    cpuset.Set    // CPUs that the experiment is about
	Bound   cpuset.Set    // CPUs that both containers are bound to at first
	Quota   float64       // CPUs that the service is limited to at first; 0: not limited
	MaxCPUs float64       // what the app declares that it may grow to
	Demand  Demand
	Threads int // of the interference
}

// Demand is what the service needs, in CPUs: mean + amplitude·sin(2πt/period).
type Demand struct {
	Mean, Amplitude float64
	Cost            time.Duration // CPU time of one request
	Workers         int
	Seed            uint64
}

// Peak is the highest demand in CPUs.
func (d Demand) Peak() float64 { return d.Mean + d.Amplitude }

// requestCost is the CPU time of one request: the figure of the measurements in
// which weight alone was found to restore the tail of a shared core.
const requestCost = 4 * time.Millisecond

// overhead is what a request costs beyond its nominal cost: sending its spans,
// waking threads. Measured: 0.25 ms of 4 ms. Demands are divided by it, so that
// what the kernel counts is what the scenario says.
const overhead = 1.06

// Scenarios returns the scenarios that fit on a host with these CPUs online.
// One-core pools take the highest CPU, far from the boot CPU's interrupts.
func Scenarios(online cpuset.Set) []Scenario {
	cpus := make([]int, 0, online.Len())
	for c := range online.All() {
		cpus = append(cpus, c)
	}
	if len(cpus) == 0 {
		return nil
	}
	one := cpuset.Of(cpus[len(cpus)-1])
	list := []Scenario{
		{
			Name:    SharedCore,
			Summary: "One core for both. The service needs up to 85 % of it; weight can give it that.",
			Target:  100 * time.Millisecond,
			Pool:    one, Bound: one, MaxCPUs: 1, Threads: 2,
			Demand: demand(0.50, 0.35, 2, 2),
		},
		{
			Name:    Limited,
			Summary: "The service was started with a limit of 0.6 CPUs and needs up to 0.9: only its own quota can help.",
			Target:  120 * time.Millisecond,
			Pool:    one, Bound: one, Quota: 0.6, MaxCPUs: 1, Threads: 2,
			Demand: demand(0.55, 0.35, 2, 2),
		},
	}
	if len(cpus) < 2 {
		return list
	}
	two := cpuset.Of(cpus[len(cpus)-2:]...)
	return append([]Scenario{{
		Name:    TwoCore,
		Summary: "Both are bound to one core of two. The service needs up to 150 % of a core: only more CPUs can help.",
		Target:  60 * time.Millisecond,
		Pool:    two, Bound: one, MaxCPUs: 2, Threads: 2,
		Demand: demand(1.0, 0.5, 4, 5),
	}}, list...)
}

func demand(mean, amplitude float64, workers int, seed uint64) Demand {
	return Demand{Mean: mean, Amplitude: amplitude, Cost: requestCost, Workers: workers, Seed: seed}
}

// Select finds scenarios by name; All gives every one.
func Select(list []Scenario, name string) ([]Scenario, error) {
	if name == All {
		return list, nil
	}
	var names []string
	for _, s := range list {
		if s.Name == name {
			return []Scenario{s}, nil
		}
		names = append(names, s.Name)
	}
	return nil, fmt.Errorf("scenario %q is unknown or does not fit on this host; allowed are %s and %s", name, strings.Join(names, ", "), All)
}

// Phase is one of the four parts of a scenario.
type Phase string

// The phases, in the order in which they run.
const (
	Alone       Phase = "alone"
	Contended   Phase = "contended"
	WeightsOnly Phase = "weights_only"
	Governed    Phase = "governed"
)

// governedLengths is how many base lengths the governed phase takes.
const governedLengths = 3

// lowestShares is the smallest weight that the kernel has, on Docker's scale.
const lowestShares = 2

// setup is what a phase starts its containers with.
type setup struct {
	seconds      int
	serviceCPUs  cpuset.Set
	quota        float64 // CPUs; 0: not limited
	interference bool
	shares       uint64 // of the interference; 0: Docker's default
}

// setup says how the phase starts, for a base length in seconds.
func (s Scenario) setup(p Phase, base int) setup {
	switch p {
	case Alone:
		return setup{seconds: base, serviceCPUs: s.Pool}
	case WeightsOnly:
		return setup{seconds: base, serviceCPUs: s.Bound, quota: s.Quota, interference: true, shares: lowestShares}
	case Governed:
		return setup{seconds: base * governedLengths, serviceCPUs: s.Bound, quota: s.Quota, interference: true}
	}
	return setup{seconds: base, serviceCPUs: s.Bound, quota: s.Quota, interference: true}
}

// serviceCommand is the command line of the service for a base length in seconds.
func (s Scenario) serviceCommand(base int) []string {
	d := s.Demand
	return []string{
		"service", "--measure-on-signal",
		fmt.Sprintf("--mean=%.4f", d.Mean/overhead),
		fmt.Sprintf("--amplitude=%.4f", d.Amplitude/overhead),
		fmt.Sprintf("--cost=%s", d.Cost),
		fmt.Sprintf("--period=%dms", base*1000/2), // two peaks in a base length
		fmt.Sprintf("--base=%ds", base),
		fmt.Sprintf("--seed=%d", d.Seed),
		fmt.Sprintf("--workers=%d", d.Workers),
	}
}

func (s Scenario) interferenceCommand() []string {
	return []string{"interference", fmt.Sprintf("--threads=%d", s.Threads)}
}
