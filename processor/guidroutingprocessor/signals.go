package guidroutingprocessor

import (
	"context"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// metricsProcessor attributes metrics.
type metricsProcessor struct {
	*router
	next consumer.Metrics
}

// ConsumeMetrics implements consumer.Metrics.
func (p *metricsProcessor) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	pass := p.begin(ctx)
	md.ResourceMetrics().RemoveIf(func(rm pmetric.ResourceMetrics) bool {
		return pass.resource(rm.Resource().Attributes(), dataPoints(rm))
	})
	pass.end(ctx)
	if md.ResourceMetrics().Len() == 0 {
		return nil
	}
	return p.next.ConsumeMetrics(ctx, md)
}

func dataPoints(rm pmetric.ResourceMetrics) int {
	n := 0
	for i := range rm.ScopeMetrics().Len() {
		metrics := rm.ScopeMetrics().At(i).Metrics()
		for j := range metrics.Len() {
			n += pointsOf(metrics.At(j))
		}
	}
	return n
}

func pointsOf(m pmetric.Metric) int {
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		return m.Gauge().DataPoints().Len()
	case pmetric.MetricTypeSum:
		return m.Sum().DataPoints().Len()
	case pmetric.MetricTypeHistogram:
		return m.Histogram().DataPoints().Len()
	case pmetric.MetricTypeExponentialHistogram:
		return m.ExponentialHistogram().DataPoints().Len()
	case pmetric.MetricTypeSummary:
		return m.Summary().DataPoints().Len()
	}
	return 0
}

// logsProcessor attributes logs.
type logsProcessor struct {
	*router
	next consumer.Logs
}

// ConsumeLogs implements consumer.Logs.
func (p *logsProcessor) ConsumeLogs(ctx context.Context, ld plog.Logs) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	pass := p.begin(ctx)
	ld.ResourceLogs().RemoveIf(func(rl plog.ResourceLogs) bool {
		return pass.resource(rl.Resource().Attributes(), logRecords(rl))
	})
	pass.end(ctx)
	if ld.ResourceLogs().Len() == 0 {
		return nil
	}
	return p.next.ConsumeLogs(ctx, ld)
}

func logRecords(rl plog.ResourceLogs) int {
	n := 0
	for i := range rl.ScopeLogs().Len() {
		n += rl.ScopeLogs().At(i).LogRecords().Len()
	}
	return n
}

func spans(rs ptrace.ResourceSpans) int {
	n := 0
	for i := range rs.ScopeSpans().Len() {
		n += rs.ScopeSpans().At(i).Spans().Len()
	}
	return n
}
