package guidroutingprocessor

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"pgregory.net/rapid"

	"github.com/governor-project/governor/processor/guidroutingprocessor/internal/metadatatest"
)

type piece struct {
	name       string
	trace      byte
	root       bool
	start, end int
}

// delivery is one batch and the pause after it.
type delivery struct {
	pieces []piece
	pause  time.Duration
}

// Whatever the order, the batches and the pauses: every span comes out once,
// and each trace's root carries what brute force over the whole trace gives.
func TestAnyOrderAndBatchingGivesBruteForcesLatency(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := drawPieces(rt)
		deliveries := drawDeliveries(rt, all)
		var out map[string]ptrace.Span
		synctest.Test(t, func(t *testing.T) { out = deliver(t, deliveries) })
		require.Len(rt, out, len(all))
		for _, p := range all {
			got, ok := out[p.name].Attributes().Get("governor.e2e.duration_ms")
			require.Equal(rt, p.root, ok)
			if ok {
				require.InDelta(rt, bruteForce(all, p.trace), got.Double(), 1e-9, p.name)
			}
		}
	})
}

func drawPieces(t *rapid.T) []piece {
	var all []piece
	for trace := range rapid.IntRange(1, 8).Draw(t, "traces") {
		for i := range rapid.IntRange(1, 6).Draw(t, "spans") {
			all = append(all, piece{
				name: fmt.Sprintf("%d.%d", trace, i), trace: byte(trace + 1), root: i == 0,
				start: rapid.IntRange(-50, 50).Draw(t, "start"), end: rapid.IntRange(-50, 150).Draw(t, "end"),
			})
		}
	}
	return all
}

func drawDeliveries(t *rapid.T, all []piece) []delivery {
	var deliveries []delivery
	for stream := rapid.Permutation(all).Draw(t, "order"); len(stream) > 0; {
		n := rapid.IntRange(1, len(stream)).Draw(t, "batch")
		deliveries = append(deliveries, delivery{stream[:n], time.Duration(rapid.IntRange(0, 20).Draw(t, "pause")) * time.Millisecond})
		stream = stream[n:]
	}
	return deliveries
}

// deliver sends everything within settle and waits for the roots.
func deliver(t *testing.T, deliveries []delivery) map[string]ptrace.Span {
	const settle = time.Second
	b := newBed(t, func(c *Config) { c.E2E.Settle = settle })
	for _, d := range deliveries {
		td := ptrace.NewTraces()
		for _, p := range d.pieces {
			spanOf(batchOf(nil), p.name, p.trace, p.root, p.start, p.end).ResourceSpans().MoveAndAppendTo(td.ResourceSpans())
		}
		b.send(td)
		time.Sleep(d.pause)
	}
	wait(settle + slackOf(settle))
	out := b.out()
	b.stop()
	return out
}

func bruteForce(all []piece, trace byte) float64 {
	first, last := 1<<30, -(1 << 30)
	for _, p := range all {
		if p.trace == trace {
			first, last = min(first, p.start), max(last, p.start, p.end)
		}
	}
	return float64(last - first)
}

// numbered makes a batch of traces with one root and some children each.
func numbered(from, traces, children int) ptrace.Traces {
	td := batchOf(map[string]any{
		"service.name": "hotrod-42", "telemetry.sdk.language": "go", "telemetry.sdk.name": "opentelemetry",
		"telemetry.sdk.version": "1.40.0", "process.pid": 1, "host.name": "front.shop",
	})
	spans := td.ResourceSpans().At(0).ScopeSpans().At(0).Spans()
	spans.EnsureCapacity(traces * (children + 1))
	for n := from; n < from+traces; n++ {
		var id pcommon.TraceID
		binary.BigEndian.PutUint64(id[:8], uint64(n)*0x9E3779B97F4A7C15)
		binary.BigEndian.PutUint64(id[8:], uint64(n)+1)
		for i := range children + 1 {
			s := spans.AppendEmpty()
			s.SetTraceID(id)
			s.SetSpanID(pcommon.SpanID{0: 1, 7: byte(i)})
			if i < children {
				s.SetParentSpanID(pcommon.SpanID{0: 1, 7: byte(children)})
			}
			s.SetStartTimestamp(1e18)
			s.SetEndTimestamp(1e18 + 5e6)
		}
	}
	return td
}

func stampedIn(batches []ptrace.Traces) (stamped, spans int) {
	for _, td := range batches {
		spans += td.SpanCount()
		eachSpan(td, func(_ ptrace.ResourceSpans, s ptrace.Span) {
			if _, ok := s.Attributes().Get("governor.e2e.outcome"); ok {
				stamped++
			}
		})
	}
	return stamped, spans
}

func TestFloodIsShedAndRecoveredFrom(t *testing.T) {
	const bound = 500
	timed(t, func(c *Config) { c.E2E.MaxTraces = bound }, func(t *testing.T, b *bed) {
		for i := range 10 {
			b.send(numbered(i*bound, bound, 1))
			metadatatest.AssertEqualProcessorGUIDRoutingHeldRoots(t, b.tel, []metricdata.DataPoint[int64]{ints(bound)}, anyTime)
		}
		wait(settle + slack)
		stamped, spans := stampedIn(b.sink.AllTraces())
		assert.Equal(t, 20*bound, spans, "no span is lost")
		// Children are noted before the roots of their batch. When a batch alone
		// fills the tracker, all its roots still find their traces.
		assert.Equal(t, 10*bound, stamped)
		b.send(root("after", 1, 0, 50))
		wait(settle + slack)
		s := b.sink.AllTraces()[len(b.sink.AllTraces())-1].ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0)
		outcome, _ := s.Attributes().Get("governor.e2e.outcome")
		assert.Equal(t, "complete", outcome.Str())
	})
}

func TestManyRootsLeaveInBoundedBatches(t *testing.T) {
	timed(t, nil, func(t *testing.T, b *bed) {
		b.send(numbered(0, 3*maxEmission+1, 0))
		wait(settle + slack)
		require.Len(t, b.sink.AllTraces(), 4)
		for _, td := range b.sink.AllTraces() {
			assert.LessOrEqual(t, td.SpanCount(), maxEmission)
		}
	})
}

func TestReceiversInParallel(t *testing.T) {
	const receivers, batches, traces, children = 4, 50, 20, 3
	b := newBed(t, func(c *Config) {
		c.E2E.Settle, c.E2E.MaxTraces = time.Millisecond, 300
	})
	var wg sync.WaitGroup
	for r := range receivers {
		wg.Go(func() {
			for i := range batches {
				assert.NoError(t, b.ConsumeTraces(context.Background(), numbered((r*batches+i)*traces, traces, children)))
				b.host.store.SetSynced(i%2 == 0) // a new generation
			}
		})
	}
	wg.Wait()
	b.stop()
	stamped, spans := stampedIn(b.sink.AllTraces())
	assert.Equal(t, receivers*batches*traces*(children+1), spans, "no span is lost")
	late, surplus := b.counter("late_spans"), b.counter("surplus_roots")
	assert.LessOrEqual(t, int64(receivers*batches*traces-stamped), late+surplus, "a root without latency is counted")
}

func (b *bed) counter(name string) int64 {
	b.t.Helper()
	m, err := b.tel.GetMetric("otelcol_processor_guid_routing_" + name)
	require.NoError(b.t, err)
	return m.Data.(metricdata.Sum[int64]).DataPoints[0].Value
}

func TestShutdownWhileReceiversSend(t *testing.T) {
	b := newBed(t, nil)
	var wg sync.WaitGroup
	var accepted int
	var mu sync.Mutex
	for r := range 3 {
		wg.Go(func() {
			for i := range 1000 {
				if err := b.ConsumeTraces(context.Background(), numbered(r*1000+i, 1, 1)); err != nil {
					assert.ErrorIs(t, err, errStopped)
					return
				}
				mu.Lock()
				accepted += 2
				mu.Unlock()
			}
		})
	}
	time.Sleep(2 * time.Millisecond)
	b.stop()
	wg.Wait()
	assert.Equal(t, accepted, b.sink.SpanCount(), "what was accepted came out")
}

// benchmark sends batches of whole traces; copying the input is not counted.
func benchmark(b *testing.B, traces, children int, change func(*Config)) {
	cfg := createDefaultConfig().(*Config)
	cfg.E2E.Settle = 5 * time.Millisecond
	if change != nil {
		change(cfg)
	}
	p, err := NewFactory().CreateTraces(context.Background(), settings(componenttest.NewTelemetry()), cfg, consumertest.NewNop())
	require.NoError(b, err)
	require.NoError(b, p.Start(context.Background(), newHost()))
	const prepared = 64
	spans, done := traces*(children+1), 0
	batches := make([]ptrace.Traces, prepared)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i%prepared == 0 {
			b.StopTimer()
			for j := range batches {
				batches[j] = numbered((i+j)*traces, traces, children)
			}
			b.StartTimer()
		}
		if err := p.ConsumeTraces(context.Background(), batches[i%prepared]); err != nil {
			b.Fatal(err)
		}
		done += spans
	}
	b.StopTimer()
	b.ReportMetric(float64(done)/b.Elapsed().Seconds(), "spans/s")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(done), "ns/span")
	require.NoError(b, p.Shutdown(context.Background()))
}

// BenchmarkConsumeTraces is attribution and tracking together, in the batches
// that clients send: a UDP packet, an OTLP request.
func BenchmarkConsumeTraces(b *testing.B) {
	for _, size := range []struct{ traces, children int }{{1, 9}, {50, 9}, {500, 9}} {
		b.Run(fmt.Sprintf("%dspans", size.traces*(size.children+1)), func(b *testing.B) {
			benchmark(b, size.traces, size.children, nil)
		})
	}
	b.Run("500spans/childrenOnly", func(b *testing.B) { benchmarkChildren(b) })
	b.Run("500spans/attributionOnly", func(b *testing.B) { benchmark(b, 50, 9, noLatency) })
	b.Run("500spans/onArrival", func(b *testing.B) { benchmark(b, 50, 9, func(c *Config) { c.E2E.Settle = 0 }) })
}

// benchmarkChildren is the steady path: spans of open traces, nothing to hold.
// The batch is the same one each time, since nothing is taken out of it.
func benchmarkChildren(b *testing.B) {
	p, err := NewFactory().CreateTraces(context.Background(), settings(componenttest.NewTelemetry()), createDefaultConfig(), consumertest.NewNop())
	require.NoError(b, err)
	require.NoError(b, p.Start(context.Background(), newHost()))
	td := numbered(0, 50, 10)
	td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().RemoveIf(isRoot)
	b.ReportAllocs()
	for b.Loop() {
		if err := p.ConsumeTraces(context.Background(), td); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*500)/b.Elapsed().Seconds(), "spans/s")
	require.NoError(b, p.Shutdown(context.Background()))
}
