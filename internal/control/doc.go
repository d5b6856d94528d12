// Package control decides who gets which CPU. Decide is a pure function from a
// Snapshot (what is known at one instant) and a State (what was learnt before)
// to a Plan (every change that is wanted, each with its rule and reason) and
// the next State.
//
// It climbs a ladder of levers, cheapest first, and a rung is used only where
// the one below cannot help:
//
//  1. weight (weight.go): classes get their weights the moment a container is
//     seen; best-effort work keeps running on whatever is left.
//  2. cpuset (cpusets.go): a latency-critical container that is bound to fewer
//     CPUs than it needs is widened; best-effort work then follows onto the
//     pool's other CPUs, so that nothing is left idle.
//  3. own quota (quota.go): a latency-critical container that is throttled by
//     its own limit gets more, within its bound, and gives it back slowly.
//  4. best-effort quota (suppress.go): the last resort, where weights cannot be
//     written or a violation outlives the rungs below.
//
// This is a pure room: no I/O, no clock (time arrives in the Snapshot), nothing
// but the standard library and other pure rooms. Reading cgroups, writing them
// and remembering originals belong to internal/cgroup and internal/actuate.
package control
