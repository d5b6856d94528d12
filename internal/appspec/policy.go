// Package appspec is what a user declares about applications: their class,
// their objective, the CPU they may have and the containers they consist of.
// It parses, defaults, validates and compares app files.
//
// It is a pure room: no I/O, no clock. The types of this file are the ones that
// every other room uses for class, objective and CPU bounds.
package appspec

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Class says what Governor may do with an application's containers.
type Class string

// The classes. The zero value means unmanaged.
const (
	// LatencyCritical applications have an objective; CPU is moved to them.
	LatencyCritical Class = "latency_critical"
	// BestEffort applications get what latency-critical ones leave.
	BestEffort Class = "best_effort"
	// Unmanaged containers are never touched.
	Unmanaged Class = "unmanaged"
)

// ParseClass accepts the three class names; "" is Unmanaged.
func ParseClass(text string) (Class, error) {
	switch c := Class(text); c {
	case LatencyCritical, BestEffort, Unmanaged:
		return c, nil
	case "":
		return Unmanaged, nil
	}
	return "", fmt.Errorf("class %q is unknown; allowed are latency_critical, best_effort and unmanaged", text)
}

// Scope says which latency an objective is about.
type Scope string

const (
	// ScopeTrace is the end-to-end latency of the traces whose root span the application owns.
	ScopeTrace Scope = "trace"
	// ScopeService is the duration of the SERVER spans of the application's own containers.
	ScopeService Scope = "service"
)

// ParseScope accepts the two scopes; "" is ScopeTrace.
func ParseScope(text string) (Scope, error) {
	switch s := Scope(text); s {
	case ScopeTrace, ScopeService:
		return s, nil
	case "":
		return ScopeTrace, nil
	}
	return "", fmt.Errorf("scope %q is unknown; allowed are trace and service", text)
}

// Objective is a latency target at a percentile, for example p95 ≤ 50 ms.
// The zero value means "no objective".
type Objective struct {
	Percentile float64       // in (0, 100)
	Target     time.Duration // > 0
	Scope      Scope
}

// IsZero reports whether no objective was declared.
func (o Objective) IsZero() bool { return o == Objective{} }

// String is the form of the documentation: "p95 ≤ 50ms (trace)".
func (o Objective) String() string {
	if o.IsZero() {
		return "none"
	}
	return fmt.Sprintf("p%g ≤ %s (%s)", o.Percentile, o.Target, o.Scope)
}

// Validate reports everything that is wrong with the objective at once.
func (o Objective) Validate() error {
	var errs []error
	if !(o.Percentile > 0 && o.Percentile < 100) { // also refuses NaN
		errs = append(errs, fmt.Errorf("percentile: %g is not allowed; it lies between 0 and 100, both excluded, for example 95", o.Percentile))
	}
	if o.Target <= 0 {
		errs = append(errs, fmt.Errorf("target: %s is not allowed; a latency above zero is needed, for example 50ms", o.Target))
	}
	if _, err := ParseScope(string(o.Scope)); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// CPUBounds is what an application may have, in CPUs (1.5 = one and a half
// CPUs' worth of time per second). Zero means "not declared". Bounds hold for
// each container of the application.
type CPUBounds struct {
	Min    float64 // CPUs the application keeps even while its slack is high
	Max    float64 // CPUs it may grow to; 0: its original limit is the bound
	Weight float64 // relative share among latency-critical applications; 0 means 100
}

// MaxCPUs bounds declared CPU figures (the kernel's NR_CPUS limit on x86-64).
const MaxCPUs = 8192

// MaxWeight bounds a declared weight, as cgroup v2's cpu.weight does.
const MaxWeight = 10000

// Validate reports everything that is wrong with the bounds at once.
func (b CPUBounds) Validate() error {
	var errs []error
	check := func(key string, v, limit float64) {
		if !(v >= 0 && v <= limit) {
			errs = append(errs, fmt.Errorf("%s: %g is not allowed; it lies between 0 and %g", key, v, limit))
		}
	}
	check("min", b.Min, MaxCPUs)
	check("max", b.Max, MaxCPUs)
	check("weight", b.Weight, MaxWeight)
	if b.Max > 0 && b.Min > b.Max {
		errs = append(errs, fmt.Errorf("min: %g is above max: %g", b.Min, b.Max))
	}
	return errors.Join(errs...)
}

// Policy is everything about an application that the controller needs.
type Policy struct {
	Class     Class
	Objective Objective
	CPU       CPUBounds
}

// Validate reports everything that is wrong with the policy at once, each
// problem prefixed with its key.
func (p Policy) Validate() error {
	var errs []error
	if _, err := ParseClass(string(p.Class)); err != nil {
		errs = append(errs, err)
	}
	if p.Class == LatencyCritical && p.Objective.IsZero() {
		errs = append(errs, errors.New("objective: missing; a latency_critical app needs one, for example {percentile: 95, target: 50ms}"))
	}
	if !p.Objective.IsZero() {
		errs = append(errs, prefix("objective", p.Objective.Validate())...)
	}
	errs = append(errs, prefix("cpu", p.CPU.Validate())...)
	return errors.Join(errs...)
}

func prefix(key string, err error) []error {
	if err == nil {
		return nil
	}
	var out []error
	for line := range strings.SplitSeq(err.Error(), "\n") {
		out = append(out, fmt.Errorf("%s.%s", key, line))
	}
	return out
}
