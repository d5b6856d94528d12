//go:generate mdatagen metadata.yaml

// Package guidroutingprocessor is the guid_routing processor: it finds the
// container that each resource of traces, metrics and logs belongs to, and puts
// the end-to-end latency of each trace on its root span.
//
// It is wiring: who is on the host is internal/inventory's knowledge, the latency
// of a trace internal/tracelatency's. What lives here is reading and writing
// resources (attributor), taking roots out of batches and sending them on later
// (latency, flusher), configuration and telemetry.
package guidroutingprocessor
