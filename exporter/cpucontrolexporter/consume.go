package cpucontrolexporter

import (
	"context"
	"math"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/control"
	"github.com/governor-project/governor/internal/inventory"
	"github.com/governor-project/governor/internal/tracelatency"
)

// The metrics that are used, as docker_stats names them.
const (
	metricUsage     = "container.cpu.usage.total"
	metricPeriods   = "container.cpu.throttling_data.periods"
	metricThrottled = "container.cpu.throttling_data.throttled_periods"
	metricStall     = "container.cpu.stall.time"
)

// Options of the sample counters, one for each scope.
var (
	traceScope   = metric.WithAttributeSet(attribute.NewSet(attribute.String("scope", string(appspec.ScopeTrace))))
	serviceScope = metric.WithAttributeSet(attribute.NewSet(attribute.String("scope", string(appspec.ScopeService))))
)

// consumeMetrics takes containers' CPU statistics. New ones start a tick: the
// older a sample, the less it is worth.
func (c *controller) consumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	now := time.Now()
	taken := int64(0)
	c.signals.mu.Lock()
	for _, rm := range md.ResourceMetrics().All() {
		id, ok := rm.Resource().Attributes().Get(inventory.AttrContainerID)
		if !ok || c.signals.usage[id.Str()] == nil {
			continue
		}
		if u, ok := usageOf(rm, now); ok && c.signals.addUsage(id.Str(), u) {
			taken++
		}
	}
	c.signals.mu.Unlock()
	if taken > 0 {
		c.telemetry.ExporterCPUControlUsageSamples.Add(ctx, taken)
		select {
		case c.fresh <- struct{}{}:
		default: // the loop has not seen the last ones yet
		}
	}
	return nil
}

// usageOf reads one container's counters; without the usage there is no sample.
func usageOf(rm pmetric.ResourceMetrics, now time.Time) (control.Usage, bool) {
	var u control.Usage
	found := false
	for _, sm := range rm.ScopeMetrics().All() {
		for _, m := range sm.Metrics().All() {
			switch m.Name() {
			case metricUsage:
				if dp, ok := newest(m); ok {
					u.UsageNS, u.At, found = counter(dp), sampleTime(dp, now), true
				}
			case metricPeriods:
				if dp, ok := newest(m); ok {
					u.Periods = counter(dp)
				}
			case metricThrottled:
				if dp, ok := newest(m); ok {
					u.ThrottledPeriods = counter(dp)
				}
			case metricStall:
				if dp, ok := newest(m); ok {
					u.StallNS = counter(dp)
				}
			}
		}
	}
	return u, found
}

func newest(m pmetric.Metric) (pmetric.NumberDataPoint, bool) {
	if m.Type() != pmetric.MetricTypeSum || m.Sum().DataPoints().Len() == 0 {
		return pmetric.NumberDataPoint{}, false
	}
	points := m.Sum().DataPoints()
	return points.At(points.Len() - 1), true
}

func counter(dp pmetric.NumberDataPoint) uint64 {
	if dp.ValueType() == pmetric.NumberDataPointValueTypeDouble {
		if v := dp.DoubleValue(); v > 0 && v < math.MaxInt64 {
			return uint64(v)
		}
		return 0
	}
	return uint64(max(0, dp.IntValue()))
}

// sampleTime is when the sample was read: its own time, unless it has none or
// one that has not come yet.
func sampleTime(dp pmetric.NumberDataPoint, now time.Time) time.Time {
	at := dp.Timestamp().AsTime()
	if dp.Timestamp() == 0 || at.After(now) {
		return now
	}
	return at
}

// consumeTraces takes the end-to-end latency of finished traces, and the
// duration of SERVER spans, for the apps whose objective is about them.
func (c *controller) consumeTraces(ctx context.Context, td ptrace.Traces) error {
	now := time.Now()
	traces, services := int64(0), int64(0)
	c.signals.mu.Lock()
	for _, rs := range td.ResourceSpans().All() {
		app := appOf(rs.Resource().Attributes())
		if c.signals.apps[app] == nil {
			continue
		}
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				if d, ok := endToEnd(span); ok && c.signals.addLatency(now, app, appspec.ScopeTrace, d) {
					traces++
				}
				if span.Kind() == ptrace.SpanKindServer && c.signals.addLatency(now, app, appspec.ScopeService, duration(span)) {
					services++
				}
			}
		}
	}
	c.signals.mu.Unlock()
	if traces > 0 {
		c.telemetry.ExporterCPUControlLatencySamples.Add(ctx, traces, traceScope)
	}
	if services > 0 {
		c.telemetry.ExporterCPUControlLatencySamples.Add(ctx, services, serviceScope)
	}
	return nil
}

// appOf is the app of a resource; a container of no app stands for itself.
func appOf(attributes pcommon.Map) string {
	if v, ok := attributes.Get(inventory.AttrApp); ok && v.Str() != "" {
		return v.Str()
	}
	if v, ok := attributes.Get(inventory.AttrContainerName); ok {
		return v.Str()
	}
	return ""
}

func endToEnd(span ptrace.Span) (time.Duration, bool) {
	v, ok := span.Attributes().Get(tracelatency.AttrDuration)
	if !ok || v.Type() != pcommon.ValueTypeDouble {
		return 0, false
	}
	ms := v.Double()
	if !(ms >= 0 && ms < math.MaxInt64/float64(time.Millisecond)) {
		return 0, false
	}
	return time.Duration(ms * float64(time.Millisecond)), true
}

func duration(span ptrace.Span) time.Duration {
	if span.EndTimestamp() < span.StartTimestamp() {
		return 0
	}
	return time.Duration(min(uint64(span.EndTimestamp()-span.StartTimestamp()), math.MaxInt64))
}
