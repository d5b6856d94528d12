//go:generate mdatagen metadata.yaml

// Package cpucontrolexporter is the cpu_control exporter: it takes the latency
// of traces and the CPU statistics of containers from its pipelines, and moves
// CPU between the host's containers so that latency-critical applications meet
// their objectives.
//
// It is wiring: each tick a snapshot goes through control.Decide and the plan
// through actuate. What to do is decided in internal/control, how it is written
// and undone in internal/actuate.
package cpucontrolexporter
