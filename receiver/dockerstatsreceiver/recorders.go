package dockerstatsreceiver

import (
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/receiver/dockerstatsreceiver/internal/metadata"
)

// memoryRecorder ties one figure of memory.stat to its metric.
type memoryRecorder struct {
	key     cgroup.MemoryKey
	record  func(*metadata.MetricsBuilder, pcommon.Timestamp, int64)
	enabled func(*metadata.MetricsConfig) bool
}

// blkioRecorder ties one kind of block I/O figure to its metric.
type blkioRecorder struct {
	field   cgroup.BlkioField
	record  func(mb *metadata.MetricsBuilder, now pcommon.Timestamp, value int64, major, minor, operation string)
	enabled func(*metadata.MetricsConfig) bool
}

var memoryRecorders = [...]memoryRecorder{
	{
		cgroup.MemActiveAnon, (*metadata.MetricsBuilder).RecordContainerMemoryActiveAnonDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryActiveAnon.Enabled },
	},
	{
		cgroup.MemActiveFile, (*metadata.MetricsBuilder).RecordContainerMemoryActiveFileDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryActiveFile.Enabled },
	},
	{
		cgroup.MemAnon, (*metadata.MetricsBuilder).RecordContainerMemoryAnonDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryAnon.Enabled },
	},
	{
		cgroup.MemCache, (*metadata.MetricsBuilder).RecordContainerMemoryCacheDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryCache.Enabled },
	},
	{
		cgroup.MemDirty, (*metadata.MetricsBuilder).RecordContainerMemoryDirtyDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryDirty.Enabled },
	},
	{
		cgroup.MemFile, (*metadata.MetricsBuilder).RecordContainerMemoryFileDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryFile.Enabled },
	},
	{
		cgroup.MemHierarchicalMemoryLimit, (*metadata.MetricsBuilder).RecordContainerMemoryHierarchicalMemoryLimitDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryHierarchicalMemoryLimit.Enabled },
	},
	{
		cgroup.MemHierarchicalMemswLimit, (*metadata.MetricsBuilder).RecordContainerMemoryHierarchicalMemswLimitDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryHierarchicalMemswLimit.Enabled },
	},
	{
		cgroup.MemInactiveAnon, (*metadata.MetricsBuilder).RecordContainerMemoryInactiveAnonDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryInactiveAnon.Enabled },
	},
	{
		cgroup.MemInactiveFile, (*metadata.MetricsBuilder).RecordContainerMemoryInactiveFileDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryInactiveFile.Enabled },
	},
	{
		cgroup.MemMappedFile, (*metadata.MetricsBuilder).RecordContainerMemoryMappedFileDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryMappedFile.Enabled },
	},
	{
		cgroup.MemPgfault, (*metadata.MetricsBuilder).RecordContainerMemoryPgfaultDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryPgfault.Enabled },
	},
	{
		cgroup.MemPgmajfault, (*metadata.MetricsBuilder).RecordContainerMemoryPgmajfaultDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryPgmajfault.Enabled },
	},
	{
		cgroup.MemPgpgin, (*metadata.MetricsBuilder).RecordContainerMemoryPgpginDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryPgpgin.Enabled },
	},
	{
		cgroup.MemPgpgout, (*metadata.MetricsBuilder).RecordContainerMemoryPgpgoutDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryPgpgout.Enabled },
	},
	{
		cgroup.MemRSS, (*metadata.MetricsBuilder).RecordContainerMemoryRssDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryRss.Enabled },
	},
	{
		cgroup.MemRSSHuge, (*metadata.MetricsBuilder).RecordContainerMemoryRssHugeDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryRssHuge.Enabled },
	},
	{
		cgroup.MemTotalActiveAnon, (*metadata.MetricsBuilder).RecordContainerMemoryTotalActiveAnonDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryTotalActiveAnon.Enabled },
	},
	{
		cgroup.MemTotalActiveFile, (*metadata.MetricsBuilder).RecordContainerMemoryTotalActiveFileDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryTotalActiveFile.Enabled },
	},
	{
		cgroup.MemTotalCache, (*metadata.MetricsBuilder).RecordContainerMemoryTotalCacheDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryTotalCache.Enabled },
	},
	{
		cgroup.MemTotalDirty, (*metadata.MetricsBuilder).RecordContainerMemoryTotalDirtyDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryTotalDirty.Enabled },
	},
	{
		cgroup.MemTotalInactiveAnon, (*metadata.MetricsBuilder).RecordContainerMemoryTotalInactiveAnonDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryTotalInactiveAnon.Enabled },
	},
	{
		cgroup.MemTotalInactiveFile, (*metadata.MetricsBuilder).RecordContainerMemoryTotalInactiveFileDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryTotalInactiveFile.Enabled },
	},
	{
		cgroup.MemTotalMappedFile, (*metadata.MetricsBuilder).RecordContainerMemoryTotalMappedFileDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryTotalMappedFile.Enabled },
	},
	{
		cgroup.MemTotalPgfault, (*metadata.MetricsBuilder).RecordContainerMemoryTotalPgfaultDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryTotalPgfault.Enabled },
	},
	{
		cgroup.MemTotalPgmajfault, (*metadata.MetricsBuilder).RecordContainerMemoryTotalPgmajfaultDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryTotalPgmajfault.Enabled },
	},
	{
		cgroup.MemTotalPgpgin, (*metadata.MetricsBuilder).RecordContainerMemoryTotalPgpginDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryTotalPgpgin.Enabled },
	},
	{
		cgroup.MemTotalPgpgout, (*metadata.MetricsBuilder).RecordContainerMemoryTotalPgpgoutDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryTotalPgpgout.Enabled },
	},
	{
		cgroup.MemTotalRSS, (*metadata.MetricsBuilder).RecordContainerMemoryTotalRssDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryTotalRss.Enabled },
	},
	{
		cgroup.MemTotalRSSHuge, (*metadata.MetricsBuilder).RecordContainerMemoryTotalRssHugeDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryTotalRssHuge.Enabled },
	},
	{
		cgroup.MemTotalUnevictable, (*metadata.MetricsBuilder).RecordContainerMemoryTotalUnevictableDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryTotalUnevictable.Enabled },
	},
	{
		cgroup.MemTotalWriteback, (*metadata.MetricsBuilder).RecordContainerMemoryTotalWritebackDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryTotalWriteback.Enabled },
	},
	{
		cgroup.MemUnevictable, (*metadata.MetricsBuilder).RecordContainerMemoryUnevictableDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryUnevictable.Enabled },
	},
	{
		cgroup.MemWriteback, (*metadata.MetricsBuilder).RecordContainerMemoryWritebackDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerMemoryWriteback.Enabled },
	},
}

var blkioRecorders = [...]blkioRecorder{
	{
		cgroup.BlkioMerged, (*metadata.MetricsBuilder).RecordContainerBlockioIoMergedRecursiveDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerBlockioIoMergedRecursive.Enabled },
	},
	{
		cgroup.BlkioQueued, (*metadata.MetricsBuilder).RecordContainerBlockioIoQueuedRecursiveDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerBlockioIoQueuedRecursive.Enabled },
	},
	{
		cgroup.BlkioServiceBytes, (*metadata.MetricsBuilder).RecordContainerBlockioIoServiceBytesRecursiveDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerBlockioIoServiceBytesRecursive.Enabled },
	},
	{
		cgroup.BlkioServiceTime, (*metadata.MetricsBuilder).RecordContainerBlockioIoServiceTimeRecursiveDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerBlockioIoServiceTimeRecursive.Enabled },
	},
	{
		cgroup.BlkioServiced, (*metadata.MetricsBuilder).RecordContainerBlockioIoServicedRecursiveDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerBlockioIoServicedRecursive.Enabled },
	},
	{
		cgroup.BlkioTime, (*metadata.MetricsBuilder).RecordContainerBlockioIoTimeRecursiveDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerBlockioIoTimeRecursive.Enabled },
	},
	{
		cgroup.BlkioWaitTime, (*metadata.MetricsBuilder).RecordContainerBlockioIoWaitTimeRecursiveDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerBlockioIoWaitTimeRecursive.Enabled },
	},
	{
		cgroup.BlkioSectors, (*metadata.MetricsBuilder).RecordContainerBlockioSectorsRecursiveDataPoint,
		func(m *metadata.MetricsConfig) bool { return m.ContainerBlockioSectorsRecursive.Enabled },
	},
}
