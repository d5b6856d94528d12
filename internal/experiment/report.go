package experiment

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Report is report.json.
type Report struct {
	Scenario        string        `json:"scenario"`
	TargetMS        float64       `json:"target_ms"`
	Phases          []PhaseReport `json:"phases"`
	RecoverySeconds *float64      `json:"recovery_seconds"` // null: not recovered within the governed phase
	Writes          int           `json:"writes"`           // limits that the agent wrote in the governed phase
	Agent           AgentReport   `json:"agent"`

	Restored          *bool    `json:"restored,omitempty"`            // every limit is the original after the agent has stopped
	RestoredAfterKill *bool    `json:"restored_after_kill,omitempty"` // and after kill -9, a new start and a stop
	InterferenceShare *float64 `json:"interference_share,omitempty"`  // of what the service left in the governed phase, 0..1
	Checks            []Check  `json:"checks,omitempty"`
	Notes             []string `json:"notes,omitempty"` // what went wrong with the agent, in words
	Host              Host     `json:"host"`
}

// PhaseReport holds the figures of one phase.
type PhaseReport struct {
	Name                   Phase   `json:"name"`
	Seconds                int     `json:"seconds"`
	ServiceCPUSeconds      float64 `json:"service_cpu_seconds"`
	InterferenceCPUSeconds float64 `json:"interference_cpu_seconds"`
	PoolCPUSeconds         float64 `json:"pool_cpu_seconds"` // what the pool's CPUs could give: CPUs × seconds
	Requests               int     `json:"requests"`         // that arrived, finished or not
	LatencyMS              Latency `json:"latency_ms"`
	ViolationSeconds       int     `json:"violation_seconds"`
	Unfinished             int     `json:"unfinished"`        // of these requests, when the phase ended; their age counts as latency
	OtherCPUSeconds        float64 `json:"other_cpu_seconds"` // that anything else took of the pool: the agent, the engine, the rest of the host
	SpansLost              int64   `json:"spans_lost"`        // by the service's tracing client
}

// AgentReport is what the agent itself cost during the governed phase.
type AgentReport struct {
	CPUSeconds  float64 `json:"cpu_seconds"`
	MaxRSSBytes uint64  `json:"max_rss_bytes"`
}

// Host says where the figures come from.
type Host struct {
	CPUs   string `json:"cpus"` // online, as a list
	Kernel string `json:"kernel"`
	Cgroup string `json:"cgroup"` // v1 or v2
	Docker string `json:"docker"`
}

// phase finds a phase by name.
func (r Report) phase(name Phase) (PhaseReport, bool) {
	for _, p := range r.Phases {
		if p.Name == name {
			return p, true
		}
	}
	return PhaseReport{}, false
}

// writeJSON writes report.json into dir.
func (r Report) writeJSON(dir string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write report.json: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, "report.json"), append(text, '\n'), 0o644)
}
