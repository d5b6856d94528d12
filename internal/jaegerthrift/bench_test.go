package jaegerthrift

import (
	"fmt"
	"testing"

	"github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// benchBatch has spans of 5 tags and 2 logs and a process of 4 tags.
func benchBatch(spans int) *jaeger.Batch {
	batch := &jaeger.Batch{Process: &jaeger.Process{ServiceName: "frontend", Tags: []*jaeger.Tag{
		stringTag("jaeger.version", "Go-2.30.0"), stringTag("hostname", "0a1b2c3d4e5f"),
		stringTag("ip", "172.17.0.4"), stringTag("client-uuid", "5e4d3c2b1a0f"),
	}}}
	for i := range spans {
		batch.Spans = append(batch.Spans, &jaeger.Span{
			TraceIdLow: 0x123456789abcdef, TraceIdHigh: 0x1122334455667788, SpanId: 0x0fedcba987654321 + int64(i), ParentSpanId: 0x123456789abcdef,
			OperationName: "GET /dispatch", Flags: 1, StartTime: 1_790_000_000_000_000, Duration: 1500,
			Tags: []*jaeger.Tag{
				stringTag("span.kind", "server"), stringTag("http.method", "GET"), stringTag("http.url", "/dispatch?customer=731"),
				longTag("http.status_code", 200), stringTag("component", "net/http"),
			},
			Logs: []*jaeger.Log{
				{Timestamp: 1_790_000_000_000_100, Fields: []*jaeger.Tag{stringTag("event", "HTTP request received"), stringTag("level", "info")}},
				{Timestamp: 1_790_000_000_000_900, Fields: []*jaeger.Tag{stringTag("event", "found driver"), longTag("driver", 42)}},
			},
		})
	}
	return batch
}

func BenchmarkDecode(b *testing.B) {
	for _, w := range []wire{wires()[0], wires()[1]} {
		for _, spans := range []int{3, 19, 160} {
			packet := w.encode(b, benchBatch(spans))
			name := fmt.Sprintf("%s/%d", w.name, spans)
			b.Run("governor/"+name, func(b *testing.B) {
				var d Decoder
				measure(b, packet, spans, func() {
					if _, err := w.decode(&d, packet, ptrace.NewTraces()); err != nil {
						b.Fatal(err)
					}
				})
			})
			b.Run("contrib/"+name, func(b *testing.B) {
				measure(b, packet, spans, func() {
					if _, err := oracleOf(w, packet); err != nil {
						b.Fatal(err)
					}
				})
			})
		}
	}
}

// BenchmarkGather is how the receiver decodes: many packets of a process, each
// copied once, into one Traces.
func BenchmarkGather(b *testing.B) {
	for _, spans := range []int{3, 19, 160} {
		packet := wires()[0].encode(b, benchBatch(spans))
		b.Run(fmt.Sprint(spans), func(b *testing.B) {
			g := NewGatherer()
			measure(b, packet, spans, func() {
				if _, err := g.AppendCompact(string(packet), "172.17.0.4"); err != nil {
					b.Fatal(err)
				}
				if g.Spans() >= 512 {
					g.Take()
				}
			})
		})
	}
}

// BenchmarkHostile is the packet that costs most for its size: 8,000 tags with
// different keys on one span.
func BenchmarkHostile(b *testing.B) {
	batch := &jaeger.Batch{Process: &jaeger.Process{}, Spans: []*jaeger.Span{{SpanId: 1}}}
	for i := range 8000 {
		batch.Spans[0].Tags = append(batch.Spans[0].Tags, &jaeger.Tag{Key: string(rune('a' + i))})
	}
	w := wires()[0]
	packet := w.encode(b, batch)
	var d Decoder
	measure(b, packet, 1, func() {
		if _, err := w.decode(&d, packet, ptrace.NewTraces()); err != nil {
			b.Fatal(err)
		}
	})
}

func measure(b *testing.B, packet []byte, spans int, call func()) {
	b.SetBytes(int64(len(packet)))
	b.ReportAllocs()
	for b.Loop() {
		call()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*spans), "ns/span")
}
