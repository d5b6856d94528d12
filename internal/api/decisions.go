package api

import "time"

// Decision is one change of one container's CPU limit that the controller
// decided on, as GET /v1/decisions returns it, oldest first.
type Decision struct {
	Seq         uint64    `json:"seq"` // grows by one with each decision; from 1
	Time        time.Time `json:"time"`
	Pool        string    `json:"pool"` // CPUs of the pool, e.g. 0-3
	ContainerID string    `json:"container_id"`
	Container   string    `json:"container"`
	App         string    `json:"app"`
	Class       string    `json:"class"`
	Resource    string    `json:"resource"` // weight, cpuset or quota
	Before      string    `json:"before"`   // shares, CPU list, or CPUs ("none": no quota)
	After       string    `json:"after"`
	Rule        string    `json:"rule"`
	Reason      string    `json:"reason"` // the inputs, readable
	Mode        string    `json:"mode"`   // observe or enforce
	Result      string    `json:"result"` // written, observed, failed, gone or given_up
	Error       string    `json:"error,omitempty"`
}

// Decisions is the body of GET /v1/decisions?after=SEQ&limit=N.
type Decisions struct {
	Decisions []Decision `json:"decisions"`
	LastSeq   uint64     `json:"last_seq"` // of the newest decision; 0: none yet
}

// AppLatency is how one application does against its objective.
type AppLatency struct {
	App              string  `json:"app"`
	Objective        string  `json:"objective"` // e.g. p95 ≤ 50ms (trace)
	Percentile       float64 `json:"percentile"`
	TargetMS         float64 `json:"target_ms"`
	Count            int     `json:"count"`      // samples in the window
	WindowMS         float64 `json:"window_ms"`  // how far back they reach
	LatencyMS        float64 `json:"latency_ms"` // at the percentile; 0 without samples
	Slack            float64 `json:"slack"`      // 1 − latency/target
	SlackMean        float64 `json:"slack_mean"` // over 5 s
	State            string  `json:"state"`      // ok, violating, not_cpu_bound, no_signal, idle, stale or no_objective
	ViolationSeconds float64 `json:"violation_seconds"`
	NeedCPUs         float64 `json:"need_cpus"` // peak use of the last second
	Stall            float64 `json:"stall"`     // share of time spent waiting for a CPU
}

// Latencies is the body of GET /v1/latency.
type Latencies struct {
	Time time.Time    `json:"time"`
	Mode string       `json:"mode"` // what is done now: enforce falls back to observe without permission
	Apps []AppLatency `json:"apps"`
}
