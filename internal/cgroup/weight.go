package cgroup

import (
	"math"
	"sort"
)

// Bounds of cpu.shares (v1, and Docker's CpuShares) and cpu.weight (v2).
// Sources: kernel/sched/sched.h, MIN_SHARES and MAX_SHARES; cgroup-v2.rst, cpu.weight.
const (
	MinShares     = 2
	MaxShares     = 262144
	DefaultShares = 1024
	MinWeight     = 1
	MaxWeight     = 10000
)

// WeightOfShares converts cpu.shares to cpu.weight as runc does since its
// release 1.3.2: a quadratic in log2(shares) that maps 2 → 1, 1024 → 100 and
// 262144 → 10000, so that the defaults of both versions correspond (the linear
// map of earlier releases put 1024 at 39).
// Source: github.com/opencontainers/cgroups v0.1.0, ConvertCPUSharesToCgroupV2Value.
func WeightOfShares(shares uint64) uint64 {
	switch {
	case shares <= MinShares:
		return MinWeight
	case shares >= MaxShares:
		return MaxWeight
	}
	l := math.Log2(float64(shares))
	return uint64(math.Ceil(math.Pow(10, (l*l+125*l)/612-7.0/34)))
}

// SharesOfWeight is the largest number of shares whose weight is the given
// one: writing it back yields the same weight, for every weight from 1 to
// 10000. Weight 0 (a group with cpu.idle set) has the least shares.
func SharesOfWeight(weight uint64) uint64 {
	switch {
	case weight < MinWeight:
		return MinShares
	case weight >= MaxWeight:
		return MaxShares
	}
	above := sort.Search(MaxShares, func(s int) bool { return WeightOfShares(uint64(s)) > weight })
	return uint64(above) - 1
}
