package dockerstatsreceiver

import (
	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/receiver/dockerstatsreceiver/internal/metadata"
)

// selection is what the enabled metrics need: nothing else is read.
type selection struct {
	cpu     cgroup.CPUFields
	memory  cgroup.MemoryFields
	blkio   uint // bit per cgroup.BlkioField
	limits  cgroup.LimitFields
	pids    bool
	network bool
	system  bool // the host's CPU time
	online  bool // the host's CPUs
}

func newSelection(m metadata.MetricsConfig) selection {
	s := selection{
		cpu: selectCPU(m), memory: selectMemory(m), blkio: selectBlkio(m), limits: selectLimits(m),
		pids:   m.ContainerPidsCount.Enabled || m.ContainerPidsLimit.Enabled,
		system: m.ContainerCPUUsageSystem.Enabled,
		online: m.ContainerCPULogicalCount.Enabled || m.ContainerCPULimit.Enabled,
	}
	s.network = m.ContainerNetworkIoUsageRxBytes.Enabled || m.ContainerNetworkIoUsageTxBytes.Enabled ||
		m.ContainerNetworkIoUsageRxDropped.Enabled || m.ContainerNetworkIoUsageTxDropped.Enabled ||
		m.ContainerNetworkIoUsageRxErrors.Enabled || m.ContainerNetworkIoUsageTxErrors.Enabled ||
		m.ContainerNetworkIoUsageRxPackets.Enabled || m.ContainerNetworkIoUsageTxPackets.Enabled
	return s
}

func selectCPU(m metadata.MetricsConfig) (want cgroup.CPUFields) {
	if m.ContainerCPUUsageTotal.Enabled || m.ContainerCPUUtilization.Enabled {
		want |= cgroup.CPUUsage
	}
	if m.ContainerCPUUsageKernelmode.Enabled || m.ContainerCPUUsageUsermode.Enabled {
		want |= cgroup.CPUModes
	}
	if m.ContainerCPUThrottlingDataPeriods.Enabled || m.ContainerCPUThrottlingDataThrottledPeriods.Enabled ||
		m.ContainerCPUThrottlingDataThrottledTime.Enabled {
		want |= cgroup.CPUThrottling
	}
	if m.ContainerCPUStallTime.Enabled {
		want |= cgroup.CPUStall
	}
	if m.ContainerCPUUsagePercpu.Enabled {
		want |= cgroup.CPUPerCPU
	}
	return want
}

func selectMemory(m metadata.MetricsConfig) (want cgroup.MemoryFields) {
	if m.ContainerMemoryUsageTotal.Enabled || m.ContainerMemoryPercent.Enabled {
		want |= cgroup.MemoryUsage | cgroup.MemoryDetail // the working set needs both
	}
	if m.ContainerMemoryUsageLimit.Enabled || m.ContainerMemoryPercent.Enabled {
		want |= cgroup.MemoryLimit
	}
	if m.ContainerMemoryUsageMax.Enabled {
		want |= cgroup.MemoryPeak
	}
	if m.ContainerMemoryFails.Enabled {
		want |= cgroup.MemoryFails
	}
	for _, r := range memoryRecorders {
		if r.enabled(&m) {
			want |= cgroup.MemoryDetail
		}
	}
	return want
}

func selectBlkio(m metadata.MetricsConfig) (want uint) {
	for _, r := range blkioRecorders {
		if r.enabled(&m) {
			want |= 1 << r.field
		}
	}
	return want
}

func selectLimits(m metadata.MetricsConfig) (want cgroup.LimitFields) {
	if m.ContainerCPUShares.Enabled {
		want |= cgroup.LimitShares
	}
	if m.ContainerCPUQuota.Enabled || m.ContainerCPULimit.Enabled {
		want |= cgroup.LimitQuota
	}
	if m.ContainerCpusetSize.Enabled || m.ContainerCPULimit.Enabled {
		want |= cgroup.LimitCPUs
	}
	return want
}
