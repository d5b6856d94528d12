package experiment

import "fmt"

// The figures to reach. They are the promises of the demo.
const (
	wantContendedRatio   = 3.0  // contended p95 / alone p95, at least: the problem is real
	wantServiceCPU       = 0.98 // governed / alone service CPU per second, at least
	wantLatencyRatio     = 1.25 // governed p95 / alone p95, at most
	wantViolations       = 0.05 // share of the governed seconds, at most
	wantRecovery         = 3.0  // seconds, at most
	wantInterference     = 0.60 // share of pool − service, at least
	wantAgentCPU         = 0.03 // of one core, at most
	wantAgentMemoryBytes = 120e6
)

// Check is one promise against what was measured.
type Check struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Wanted string `json:"wanted"`
	OK     bool   `json:"ok"`
}

// check compares the report with the figures to reach. Promises about phases
// that did not run are left out.
func check(r Report) []Check {
	alone, hasAlone := r.phase(Alone)
	contended, hasContended := r.phase(Contended)
	governed, hasGoverned := r.phase(Governed)
	var out []Check
	if hasAlone && hasContended {
		out = append(out, atLeast("contended p95 / alone p95", ratio(contended.LatencyMS.P95, alone.LatencyMS.P95), wantContendedRatio))
	}
	if !hasGoverned {
		return out
	}
	if hasAlone {
		out = append(out,
			atLeast("governed service CPU / alone", ratio(perSecond(governed.ServiceCPUSeconds, governed), perSecond(alone.ServiceCPUSeconds, alone)), wantServiceCPU),
			atMost("governed p95 / alone p95", ratio(governed.LatencyMS.P95, alone.LatencyMS.P95), wantLatencyRatio))
	}
	out = append(out,
		measured("governed p95", governed.LatencyMS.P95, " ms", r.TargetMS, "≤", governed.LatencyMS.P95 <= r.TargetMS),
		percent("violation seconds", perSecond(float64(governed.ViolationSeconds), governed), wantViolations, "≤"),
		recoveryCheck(r.RecoverySeconds))
	if share := r.InterferenceShare; share != nil {
		out = append(out, percent("interference's share of pool − service", *share, wantInterference, "≥"))
	}
	return append(out, agentChecks(r, governed)...)
}

func agentChecks(r Report, governed PhaseReport) []Check {
	out := []Check{
		percent("agent CPU, of one core", perSecond(r.Agent.CPUSeconds, governed), wantAgentCPU, "≤"),
		measured("agent memory", float64(r.Agent.MaxRSSBytes)/1e6, " MB", wantAgentMemoryBytes/1e6, "≤", float64(r.Agent.MaxRSSBytes) <= wantAgentMemoryBytes),
	}
	if r.Restored != nil {
		out = append(out, yes("limits restored after the agent's stop", *r.Restored))
	}
	if r.RestoredAfterKill != nil {
		out = append(out, yes("limits restored after kill -9 and a new start", *r.RestoredAfterKill))
	}
	return out
}

func recoveryCheck(seconds *float64) Check {
	if seconds == nil {
		return Check{Name: "recovery", Value: "none", Wanted: fmt.Sprintf("≤ %.1f s", wantRecovery)}
	}
	return measured("recovery", *seconds, " s", wantRecovery, "≤", *seconds <= wantRecovery)
}

// interferenceShare is how much the interference got of what the service left of
// the pool; nil when nothing was left.
func interferenceShare(p PhaseReport) *float64 {
	left := p.PoolCPUSeconds - p.ServiceCPUSeconds
	if left <= 0 {
		return nil
	}
	share := p.InterferenceCPUSeconds / left
	return &share
}

func perSecond(value float64, p PhaseReport) float64 { return ratio(value, float64(p.Seconds)) }

// ratio is a/b, and 0 when there is nothing to compare with.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

func atLeast(name string, value, limit float64) Check {
	return Check{Name: name, Value: fmt.Sprintf("%.2f", value), Wanted: fmt.Sprintf("≥ %.2f", limit), OK: value >= limit}
}

func atMost(name string, value, limit float64) Check {
	return Check{Name: name, Value: fmt.Sprintf("%.2f", value), Wanted: fmt.Sprintf("≤ %.2f", limit), OK: value <= limit}
}

func measured(name string, value float64, unit string, limit float64, sign string, ok bool) Check {
	return Check{Name: name, Value: fmt.Sprintf("%.1f%s", value, unit), Wanted: fmt.Sprintf("%s %.1f%s", sign, limit, unit), OK: ok}
}

func percent(name string, value, limit float64, sign string) Check {
	ok := value <= limit
	if sign == "≥" {
		ok = value >= limit
	}
	return Check{Name: name, Value: fmt.Sprintf("%.1f %%", 100*value), Wanted: fmt.Sprintf("%s %.0f %%", sign, 100*limit), OK: ok}
}

func yes(name string, ok bool) Check {
	value := "no"
	if ok {
		value = "yes"
	}
	return Check{Name: name, Value: value, Wanted: "yes", OK: ok}
}
