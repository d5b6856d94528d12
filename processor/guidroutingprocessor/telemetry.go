package guidroutingprocessor

import (
	"context"
	"errors"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/governor-project/governor/internal/tracelatency"
	"github.com/governor-project/governor/processor/guidroutingprocessor/internal/metadata"
)

// signal is the value of the attribute of the same name.
type signal string

const (
	signalTraces  signal = "traces"
	signalMetrics signal = "metrics"
	signalLogs    signal = "logs"
)

// Why records were dropped.
const (
	reasonUnattributed = "unattributed" // unattributed: drop
	reasonDownstream   = "downstream"   // the next component kept refusing roots that were held
)

// telemetry is the processor's own metrics, with the attribute sets made once.
type telemetry struct {
	builder    *metadata.TelemetryBuilder
	byRule     [len(allRules)][]metric.AddOption
	bySignal   []metric.AddOption
	byReason   map[string][]metric.AddOption
	finishedAs [3][2][]metric.ObserveOption // outcome, root present or missing
}

func newTelemetry(set component.TelemetrySettings, sig signal) (*telemetry, error) {
	builder, err := metadata.NewTelemetryBuilder(set)
	if err != nil {
		return nil, err
	}
	signalIs := attribute.String("signal", string(sig))
	t := &telemetry{builder: builder, bySignal: adding(signalIs), byReason: map[string][]metric.AddOption{}}
	for i, rule := range allRules {
		t.byRule[i] = adding(signalIs, attribute.String("rule", string(rule)))
	}
	for _, reason := range []string{reasonUnattributed, reasonDownstream} {
		t.byReason[reason] = adding(signalIs, attribute.String("reason", reason))
	}
	for i, outcome := range tracelatency.Outcomes() {
		for j, root := range []string{"present", "missing"} {
			t.finishedAs[i][j] = []metric.ObserveOption{metric.WithAttributeSet(attribute.NewSet(
				attribute.String("outcome", string(outcome)), attribute.String("root", root)))}
		}
	}
	return t, nil
}

func adding(attrs ...attribute.KeyValue) []metric.AddOption {
	return []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attrs...))}
}

// attributed counts one batch.
func (t *telemetry) attributed(ctx context.Context, counts *[unmatched + 1]count, dropped bool) {
	for i, n := range counts[:unmatched] {
		if n.resources > 0 {
			t.builder.ProcessorGUIDRoutingAttributedResources.Add(ctx, n.resources, t.byRule[i]...)
			t.builder.ProcessorGUIDRoutingAttributedRecords.Add(ctx, n.records, t.byRule[i]...)
		}
	}
	n := counts[unmatched]
	if n.resources == 0 {
		return
	}
	t.builder.ProcessorGUIDRoutingUnattributedResources.Add(ctx, n.resources, t.bySignal...)
	t.builder.ProcessorGUIDRoutingUnattributedRecords.Add(ctx, n.records, t.bySignal...)
	if dropped {
		t.dropped(ctx, n.records, reasonUnattributed)
	}
}

func (t *telemetry) dropped(ctx context.Context, records int64, reason string) {
	t.builder.ProcessorGUIDRoutingDroppedRecords.Add(ctx, records, t.byReason[reason]...)
}

// latency records the latency of one trace; its root becomes the exemplar.
func (t *telemetry) latency(app string, root ptrace.Span, result *tracelatency.Result) {
	ctx := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID:    trace.TraceID(root.TraceID()),
		SpanID:     trace.SpanID(root.SpanID()),
		TraceFlags: trace.FlagsSampled, // it was sent to us, so it was sampled
	}))
	t.builder.E2eDuration.Record(ctx, result.Seconds(), metric.WithAttributeSet(attribute.NewSet(
		attribute.String("app", app), attribute.String("outcome", string(result.Outcome)))))
}

// observe publishes the tracker's counters whenever metrics are read. The
// callbacks are never unregistered: metrics are read a last time when the
// pipelines have stopped, and what became of the roots at shutdown belongs to it.
func (t *telemetry) observe(stats func() tracelatency.Stats) error {
	b := t.builder
	register := func(to func(metric.Int64Callback) error, value func(*tracelatency.Stats) int64) error {
		return to(func(_ context.Context, o metric.Int64Observer) error {
			s := stats()
			o.Observe(value(&s))
			return nil
		})
	}
	return errors.Join(
		b.RegisterProcessorGUIDRoutingTracesCallback(func(_ context.Context, o metric.Int64Observer) error {
			for i, n := range stats().Finished {
				o.Observe(int64(n.Rooted), t.finishedAs[i][0]...)
				o.Observe(int64(n.Rootless), t.finishedAs[i][1]...)
			}
			return nil
		}),
		register(b.RegisterProcessorGUIDRoutingLateSpansCallback, func(s *tracelatency.Stats) int64 { return int64(s.Late) }),
		register(b.RegisterProcessorGUIDRoutingSurplusRootsCallback, func(s *tracelatency.Stats) int64 { return int64(s.Surplus) }),
		register(b.RegisterProcessorGUIDRoutingUntraceableSpansCallback, func(s *tracelatency.Stats) int64 { return int64(s.Untraceable) }),
		register(b.RegisterProcessorGUIDRoutingInvalidTimeSpansCallback, func(s *tracelatency.Stats) int64 { return int64(s.InvalidTimes) }),
		register(b.RegisterProcessorGUIDRoutingOpenTracesCallback, func(s *tracelatency.Stats) int64 { return int64(s.Open) }),
		register(b.RegisterProcessorGUIDRoutingHeldRootsCallback, func(s *tracelatency.Stats) int64 { return int64(s.Held) }),
	)
}
