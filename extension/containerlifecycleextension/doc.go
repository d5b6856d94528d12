//go:generate mdatagen metadata.yaml

// Package containerlifecycleextension is the container_lifecycle extension: it
// hosts the inventory that every other component reads, and serves the API over
// which apps are brought up, watched and taken down.
//
// It is wiring: what is allowed and what a request changes is decided in
// internal/lifecycle/plan, done in internal/lifecycle, and what is on the
// wire is in internal/api.
package containerlifecycleextension
