package jaegerthrift

import (
	"fmt"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/xpdata"
)

// BenchmarkFloor builds the spans of BenchmarkDecode in pdata and does nothing
// else: no decoder can cost less.
func BenchmarkFloor(b *testing.B) {
	for _, spans := range []int{3, 19, 160} {
		packet := wires()[0].encode(b, benchBatch(spans))
		b.Run(fmt.Sprint(spans), func(b *testing.B) {
			var builder xpdata.MapBuilder
			measure(b, packet, spans, func() { floor(&builder, string(packet), spans) })
		})
	}
}

func floor(builder *xpdata.MapBuilder, packet string, n int) {
	build := func(dst pcommon.Map, texts, numbers int) {
		builder.EnsureCapacity(texts + numbers)
		for range texts {
			builder.AppendEmpty(packet[:8]).SetStr(packet[:16])
		}
		for range numbers {
			builder.AppendEmpty(packet[:8]).SetInt(200)
		}
		builder.UnsafeIntoMap(dst)
	}
	resource := ptrace.NewTraces().ResourceSpans().AppendEmpty()
	build(resource.Resource().Attributes(), 5, 0)
	spans := resource.ScopeSpans().AppendEmpty().Spans()
	spans.EnsureCapacity(n)
	for range n {
		span := spans.AppendEmpty()
		span.SetTraceID(traceID(1, 2))
		span.SetSpanID(spanID(3))
		span.SetParentSpanID(spanID(4))
		span.SetName(packet[:13])
		span.SetKind(ptrace.SpanKindServer)
		span.SetStartTimestamp(timestamp(1))
		span.SetEndTimestamp(timestamp(2))
		build(span.Attributes(), 3, 1)
		span.Events().EnsureCapacity(2)
		for i := range 2 {
			event := span.Events().AppendEmpty()
			event.SetTimestamp(timestamp(1))
			event.SetName(packet[:8])
			build(event.Attributes(), 1-i, i)
		}
	}
}
