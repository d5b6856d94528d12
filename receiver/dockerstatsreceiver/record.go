package dockerstatsreceiver

import (
	"errors"
	"io/fs"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/receiver/dockerstatsreceiver/internal/metadata"
)

// readings is what one container's reads fill; it is reused from container to
// container. The have fields say which reads succeeded.
type readings struct {
	cpu        cgroup.CPU
	memory     cgroup.Memory
	blkio      cgroup.Blkio
	limits     cgroup.Limits
	haveLimits cgroup.LimitFields
	pids       cgroup.PIDs
	interfaces []cgroup.Interface
}

// hostFigures are read once a scrape, where enabled metrics need them.
type hostFigures struct {
	memory uint64 // bytes
	system uint64 // CPU time in ns; 0: not read
	online int    // CPUs; 0: not read
}

// recorder turns one container's files into data points.
type recorder struct {
	mb   *metadata.MetricsBuilder
	want selection
	host hostFigures
	r    readings
}

// read reads all that is wanted before anything is recorded, so that a
// container that ends meanwhile leaves no half reading: the error then wraps
// fs.ErrNotExist. After another error what could be read is recorded.
func (rec *recorder) read(c *followed) error {
	r, want := &rec.r, &rec.want
	*r = readings{cpu: cgroup.CPU{PerCPUNS: r.cpu.PerCPUNS}, blkio: r.blkio, interfaces: r.interfaces[:0]}
	for i := range r.blkio.Entries {
		r.blkio.Entries[i] = r.blkio.Entries[i][:0]
	}
	var errs []error
	failed := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	failed(c.stats.ReadCPU(&r.cpu, want.cpu))
	if want.limits != 0 {
		var err error
		r.haveLimits, err = c.stats.ReadLimits(&r.limits, want.limits)
		failed(err)
	}
	if want.memory != 0 {
		failed(c.stats.ReadMemory(&r.memory, want.memory))
	}
	if want.blkio != 0 {
		failed(c.stats.ReadBlkio(&r.blkio, want.blkio))
	}
	if want.pids {
		failed(c.stats.PIDs(&r.pids))
	}
	if want.network && !c.hostNetwork { // the host's interfaces are not the container's
		if err := c.stats.Network(c.info.PID, &r.interfaces); !errors.Is(err, fs.ErrNotExist) {
			failed(err) // the process may end before its container does
		}
	}
	return errors.Join(errs...)
}

// record makes data points of the last read.
func (rec *recorder) record(c *followed, now time.Time) {
	ts := pcommon.NewTimestampFromTime(now)
	rec.recordCPU(c, now, ts)
	rec.recordLimits(ts)
	rec.recordMemory(ts)
	rec.recordBlkio(ts)
	rec.recordPIDs(ts)
	rec.recordNetwork(ts)
	rec.recordLife(c, now, ts)
}

func (rec *recorder) recordCPU(c *followed, now time.Time, ts pcommon.Timestamp) {
	cpu := &rec.r.cpu
	if cpu.Have&cgroup.CPUUsage != 0 {
		rec.mb.RecordContainerCPUUsageTotalDataPoint(ts, int64(cpu.UsageNS))
		if percent, ok := c.utilization(cpu.UsageNS, now); ok {
			rec.mb.RecordContainerCPUUtilizationDataPoint(ts, percent)
		}
	}
	if cpu.Have&cgroup.CPUModes != 0 {
		rec.mb.RecordContainerCPUUsageKernelmodeDataPoint(ts, int64(cpu.SystemNS))
		rec.mb.RecordContainerCPUUsageUsermodeDataPoint(ts, int64(cpu.UserNS))
	}
	if cpu.Have&cgroup.CPUThrottling != 0 {
		rec.mb.RecordContainerCPUThrottlingDataPeriodsDataPoint(ts, int64(cpu.Periods))
		rec.mb.RecordContainerCPUThrottlingDataThrottledPeriodsDataPoint(ts, int64(cpu.ThrottledPeriods))
		rec.mb.RecordContainerCPUThrottlingDataThrottledTimeDataPoint(ts, int64(cpu.ThrottledNS))
	}
	if cpu.Have&cgroup.CPUStall != 0 {
		source := metadata.AttributeSourceRunDelay
		if cpu.StallSource == cgroup.StallPSI {
			source = metadata.AttributeSourcePsi
		}
		rec.mb.RecordContainerCPUStallTimeDataPoint(ts, int64(cpu.StallNS), source)
	}
	for core, ns := range cpu.PerCPUNS {
		rec.mb.RecordContainerCPUUsagePercpuDataPoint(ts, int64(ns), "cpu"+strconv.Itoa(core))
	}
	if rec.host.system > 0 {
		rec.mb.RecordContainerCPUUsageSystemDataPoint(ts, int64(rec.host.system))
	}
}

// recordLimits leaves out what is unlimited: a zero would read as "no CPU".
func (rec *recorder) recordLimits(ts pcommon.Timestamp) {
	l, have := &rec.r.limits, rec.r.haveLimits
	if have&cgroup.LimitShares != 0 {
		rec.mb.RecordContainerCPUSharesDataPoint(ts, int64(l.Shares))
	}
	quota := l.Quota.CPUs()
	if quota > 0 {
		rec.mb.RecordContainerCPUQuotaDataPoint(ts, quota)
	}
	size := l.EffectiveCPUs.Len()
	if have&cgroup.LimitCPUs != 0 {
		rec.mb.RecordContainerCpusetSizeDataPoint(ts, int64(size))
	}
	if rec.host.online == 0 {
		return
	}
	rec.mb.RecordContainerCPULogicalCountDataPoint(ts, int64(rec.host.online))
	switch {
	case quota > 0:
		rec.mb.RecordContainerCPULimitDataPoint(ts, quota)
	case size > 0 && size < rec.host.online:
		rec.mb.RecordContainerCPULimitDataPoint(ts, float64(size))
	}
}

func (rec *recorder) recordMemory(ts pcommon.Timestamp) {
	m := &rec.r.memory
	if m.Have&cgroup.MemoryUsage != 0 {
		rec.mb.RecordContainerMemoryUsageTotalDataPoint(ts, int64(m.WorkingSet()))
	}
	if limit := memoryLimit(m, rec.host.memory); limit > 0 {
		rec.mb.RecordContainerMemoryUsageLimitDataPoint(ts, int64(limit))
		if m.Have&cgroup.MemoryUsage != 0 {
			rec.mb.RecordContainerMemoryPercentDataPoint(ts, 100*float64(m.WorkingSet())/float64(limit))
		}
	}
	if m.Have&cgroup.MemoryPeak != 0 {
		rec.mb.RecordContainerMemoryUsageMaxDataPoint(ts, int64(m.PeakBytes))
	}
	if m.Have&cgroup.MemoryFails != 0 {
		rec.mb.RecordContainerMemoryFailsDataPoint(ts, int64(m.Fails))
	}
	for i := range memoryRecorders {
		if value, ok := m.Detail.Get(memoryRecorders[i].key); ok {
			memoryRecorders[i].record(rec.mb, ts, int64(value))
		}
	}
}

// memoryLimit is the host's memory where the group has no lower limit, as Docker shows it.
func memoryLimit(m *cgroup.Memory, host uint64) uint64 {
	switch {
	case m.Have&cgroup.MemoryLimit == 0:
		return 0
	case m.LimitBytes == 0, host > 0 && m.LimitBytes > host:
		return host
	}
	return m.LimitBytes
}

func (rec *recorder) recordBlkio(ts pcommon.Timestamp) {
	for i := range blkioRecorders {
		r := &blkioRecorders[i]
		for _, e := range rec.r.blkio.Entries[r.field] {
			r.record(rec.mb, ts, int64(e.Value), strconv.FormatUint(uint64(e.Major), 10), strconv.FormatUint(uint64(e.Minor), 10), e.Operation)
		}
	}
}

func (rec *recorder) recordPIDs(ts pcommon.Timestamp) {
	p := &rec.r.pids
	if p.Have {
		rec.mb.RecordContainerPidsCountDataPoint(ts, int64(p.Current))
	}
	if p.Limit > 0 {
		rec.mb.RecordContainerPidsLimitDataPoint(ts, int64(p.Limit))
	}
}

func (rec *recorder) recordNetwork(ts pcommon.Timestamp) {
	for i := range rec.r.interfaces {
		n := &rec.r.interfaces[i]
		rec.mb.RecordContainerNetworkIoUsageRxBytesDataPoint(ts, int64(n.RxBytes), n.Name)
		rec.mb.RecordContainerNetworkIoUsageRxDroppedDataPoint(ts, int64(n.RxDropped), n.Name)
		rec.mb.RecordContainerNetworkIoUsageRxErrorsDataPoint(ts, int64(n.RxErrors), n.Name)
		rec.mb.RecordContainerNetworkIoUsageRxPacketsDataPoint(ts, int64(n.RxPackets), n.Name)
		rec.mb.RecordContainerNetworkIoUsageTxBytesDataPoint(ts, int64(n.TxBytes), n.Name)
		rec.mb.RecordContainerNetworkIoUsageTxDroppedDataPoint(ts, int64(n.TxDropped), n.Name)
		rec.mb.RecordContainerNetworkIoUsageTxErrorsDataPoint(ts, int64(n.TxErrors), n.Name)
		rec.mb.RecordContainerNetworkIoUsageTxPacketsDataPoint(ts, int64(n.TxPackets), n.Name)
	}
}

func (rec *recorder) recordLife(c *followed, now time.Time, ts pcommon.Timestamp) {
	if !c.started.IsZero() && now.After(c.started) {
		rec.mb.RecordContainerUptimeDataPoint(ts, now.Sub(c.started).Seconds())
	}
	if !c.info.StartedAt.IsZero() { // Docker knows it
		rec.mb.RecordContainerRestartsDataPoint(ts, int64(c.info.Restarts))
	}
}
