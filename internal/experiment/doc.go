// Package experiment is the demo: it runs a service and an interference
// container on a real Docker engine in four phases, measures them, and writes a
// report that says whether Governor kept its promises.
//
// The phases of a scenario, each with fresh containers and with the very same
// arrivals of requests per base length:
//
//	alone         the service with the whole pool
//	contended     service and interference bound to the same CPUs, no control
//	weights_only  the same, the interference at the lowest weight, nothing else
//	governed      the same binding, with an agent that enforces; three base lengths
//
// What may go in here: the scenarios, running and measuring phases, the figures
// and the report. CPU figures come from the cgroups, latency from the workload's
// own log (package worklog), never from the agent under test; the agent is asked
// only for its decisions. Nothing outside the demo command imports this room.
package experiment
