package guidroutingprocessor

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/ptrace"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/governor-project/governor/processor/guidroutingprocessor/internal/metadatatest"
)

const (
	settle = defaultSettle
	slack  = 25 * time.Millisecond // slackOf(settle)
)

// timed runs a test in a bubble, where time passes when everybody waits.
func timed(t *testing.T, change func(*Config), test func(t *testing.T, b *bed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, change)
		test(t, b)
		b.stop()
	})
}

func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (b *bed) stamped(name string, ms float64, spans int64, outcome string) {
	b.t.Helper()
	s, ok := b.out()[name]
	require.True(b.t, ok, "%s has not come out", name)
	assert.Equal(b.t, map[string]any{
		"governor.e2e.duration_ms": ms, "governor.e2e.spans": spans, "governor.e2e.outcome": outcome,
	}, s.Attributes().AsRaw())
}

func (b *bed) unstamped(name string) {
	b.t.Helper()
	s, ok := b.out()[name]
	require.True(b.t, ok, "%s has not come out", name)
	assert.Empty(b.t, s.Attributes().AsRaw())
}

func TestChildrenPassAtOnceAndTheRootWhenItsTraceIsQuiet(t *testing.T) {
	timed(t, nil, func(t *testing.T, b *bed) {
		both := spanOf(batchOf(map[string]any{"service.name": "hotrod-42"}), "root", 1, true, 0, 50)
		b.send(spanOf(both, "child", 1, false, 10, 40))
		assert.Len(t, b.out(), 1)
		b.unstamped("child")
		assert.Equal(t, "hotrod-42", b.sink.AllTraces()[0].ResourceSpans().At(0).Resource().Attributes().AsRaw()["service.name"])
		wait(settle - time.Millisecond)
		b.send(child("straggler", 1, 40, 90))
		wait(settle - time.Millisecond)
		assert.NotContains(t, b.out(), "root")
		wait(time.Millisecond + slack)
		b.stamped("root", 90, 3, "complete")

	})
}

func TestRootKeepsItsResourceAndScope(t *testing.T) {
	timed(t, nil, func(t *testing.T, b *bed) {
		td := spanOf(batchOf(map[string]any{"service.name": "hotrod-42", "k": "v"}), "root", 1, true, 0, 50)
		spanOf(td, "root2", 2, true, 0, 60)
		rs := td.ResourceSpans().At(0)
		rs.SetSchemaUrl("resource-schema")
		rs.Resource().SetDroppedAttributesCount(3)
		rs.ScopeSpans().At(0).SetSchemaUrl("scope-schema")
		rs.ScopeSpans().At(0).Scope().SetName("tracer")
		rs.ScopeSpans().At(0).Scope().Attributes().PutStr("a", "b")
		b.send(td)
		assert.Empty(t, b.sink.AllTraces(), "there was nothing but roots: no empty batch goes on")
		wait(settle + slack)
		require.Len(t, b.sink.AllTraces(), 1)
		require.Equal(t, 1, b.sink.AllTraces()[0].ResourceSpans().Len(), "two roots, one resource")
		got := b.sink.AllTraces()[0].ResourceSpans().At(0)
		assert.Equal(t, "resource-schema", got.SchemaUrl())
		assert.Equal(t, uint32(3), got.Resource().DroppedAttributesCount())
		attrs := got.Resource().Attributes().AsRaw()
		assert.Equal(t, "v", attrs["k"])
		assert.Equal(t, "shop", attrs["governor.app"])
		assert.Equal(t, "guid", attrs["governor.attribution"])
		require.Equal(t, 1, got.ScopeSpans().Len())
		assert.Equal(t, "scope-schema", got.ScopeSpans().At(0).SchemaUrl())
		assert.Equal(t, "tracer", got.ScopeSpans().At(0).Scope().Name())
		assert.Equal(t, map[string]any{"a": "b"}, got.ScopeSpans().At(0).Scope().Attributes().AsRaw())
		b.stamped("root", 50, 1, "complete")
		b.stamped("root2", 60, 1, "complete")
	})
}

func TestTraceThatNeverRestsTimesOut(t *testing.T) {
	timed(t, func(c *Config) { c.E2E.MaxAge = time.Second }, func(t *testing.T, b *bed) {
		b.send(root("root", 1, 0, 50))
		for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i"} {
			wait(100 * time.Millisecond)
			b.send(child(name, 1, 0, 60))
		}
		assert.NotContains(t, b.out(), "root")
		wait(100*time.Millisecond + slack)
		b.stamped("root", 60, 10, "timeout")
	})
}

func TestMissingRootAndLateSpans(t *testing.T) {
	timed(t, func(c *Config) { c.E2E.MaxAge = time.Second }, func(t *testing.T, b *bed) {
		b.send(child("orphan", 1, 0, 50))
		wait(time.Second + slack)
		b.send(root("too late", 1, 0, 90))
		b.unstamped("too late")
		metadatatest.AssertEqualProcessorGUIDRoutingTraces(t, b.tel, []metricdata.DataPoint[int64]{
			ints(0, "outcome", "complete", "root", "present"), ints(0, "outcome", "complete", "root", "missing"),
			ints(0, "outcome", "timeout", "root", "present"), ints(1, "outcome", "timeout", "root", "missing"),
			ints(0, "outcome", "evicted", "root", "present"), ints(0, "outcome", "evicted", "root", "missing"),
		}, anyTime)
		metadatatest.AssertEqualProcessorGUIDRoutingLateSpans(t, b.tel, []metricdata.DataPoint[int64]{ints(1)}, anyTime)
		metadatatest.AssertEqualProcessorGUIDRoutingOpenTraces(t, b.tel, []metricdata.DataPoint[int64]{ints(0)}, anyTime)
	})
}

func TestOfSeveralRootsTheEarliestCarriesTheLatency(t *testing.T) {
	timed(t, nil, func(t *testing.T, b *bed) {
		b.send(root("second", 1, 10, 80))
		b.send(root("first", 1, 0, 50))
		b.unstamped("second")
		wait(settle + slack)
		b.stamped("first", 80, 2, "complete")
		metadatatest.AssertEqualProcessorGUIDRoutingSurplusRoots(t, b.tel, []metricdata.DataPoint[int64]{ints(1)}, anyTime)
	})
}

func TestOddSpansPass(t *testing.T) {
	timed(t, nil, func(t *testing.T, b *bed) {
		td := root("untraceable", 1, 0, 50)
		spanOf(td, "untraceable child", 1, false, 0, 50)
		eachSpan(td, func(_ ptrace.ResourceSpans, s ptrace.Span) { s.SetTraceID([16]byte{}) })
		b.send(td)
		b.unstamped("untraceable")
		b.unstamped("untraceable child")
		b.send(root("negative", 2, 50, 0))
		wait(settle + slack)
		b.stamped("negative", 0, 1, "complete")
		metadatatest.AssertEqualProcessorGUIDRoutingUntraceableSpans(t, b.tel, []metricdata.DataPoint[int64]{ints(2)}, anyTime)
		metadatatest.AssertEqualProcessorGUIDRoutingInvalidTimeSpans(t, b.tel, []metricdata.DataPoint[int64]{ints(1)}, anyTime)
	})
}

func TestShutdownSendsHeldRootsStamped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, nil)
		b.send(root("quiet", 1, 0, 50))
		time.Sleep(settle) // due, but the flusher waits for its slack
		b.send(root("young", 2, 0, 60))
		metadatatest.AssertEqualProcessorGUIDRoutingHeldRoots(t, b.tel, []metricdata.DataPoint[int64]{ints(2)}, anyTime)
		b.stop()
		b.stamped("quiet", 50, 1, "complete")
		b.stamped("young", 60, 1, "evicted")
		metadatatest.AssertEqualProcessorGUIDRoutingHeldRoots(t, b.tel, []metricdata.DataPoint[int64]{ints(0)}, anyTime)
		assert.ErrorIs(t, b.ConsumeTraces(context.Background(), root("after", 3, 0, 1)), errStopped)
	})
}

func TestShutdownSaysWhatItCouldNotSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, nil)
		b.send(root("a", 1, 0, 50))
		b.send(root("b", 2, 0, 50))
		b.sink.refuse(100, errRefused)
		begin := time.Now()
		assert.EqualError(t, b.Shutdown(context.Background()), "2 held root spans were dropped: queue is full")
		assert.Zero(t, time.Since(begin), "no pauses at shutdown")
	})
}

func TestSettleZeroStampsOnArrivalWithWhatIsKnown(t *testing.T) {
	timed(t, func(c *Config) { c.E2E.Settle = 0 }, func(t *testing.T, b *bed) {
		b.send(child("before", 1, -5, 10))
		td := spanOf(batchOf(map[string]any{"service.name": "hotrod-42"}), "root", 1, true, 0, 50)
		b.send(spanOf(td, "with it", 1, false, 10, 70)) // after its root, in the same batch
		b.stamped("root", 75, 3, "complete")
		b.send(child("after", 1, 0, 100))
		b.send(root("again", 1, 0, 50))
		b.unstamped("again")
		metadatatest.AssertEqualProcessorGUIDRoutingLateSpans(t, b.tel, []metricdata.DataPoint[int64]{ints(2)}, anyTime)
		b.send(child("orphan", 2, 0, 1))
		wait(defaultMaxAge + slack)
		metadatatest.AssertEqualProcessorGUIDRoutingOpenTraces(t, b.tel, []metricdata.DataPoint[int64]{ints(0)}, anyTime)
	})
}

func TestRefusedBatchLeavesNothingBehindAndCanBeSentAgain(t *testing.T) {
	timed(t, nil, func(t *testing.T, b *bed) {
		batch := func() ptrace.Traces { return spanOf(root("root", 1, 0, 50), "child", 1, false, 0, 60) }
		b.sink.refuse(1, errRefused)
		assert.ErrorIs(t, b.ConsumeTraces(context.Background(), batch()), errRefused)
		wait(settle + slack)
		assert.Empty(t, b.out())
		b.send(batch())
		wait(settle + slack)
		b.stamped("root", 60, 2, "complete")
	})
}

func TestHeldRootsAreTriedAgain(t *testing.T) {
	for name, spoils := range map[string]bool{"reader": false, "mutating consumer": true} {
		t.Run(name, func(t *testing.T) {
			timed(t, nil, func(t *testing.T, b *bed) {
				b.sink.spoils = spoils
				b.send(root("root", 1, 0, 50))
				b.sink.refuse(len(retryPauses), errRefused)
				wait(settle + slack + retryPauses[0] + retryPauses[1])
				b.stamped("root", 50, 1, "complete")
			})
		})
	}
}

func TestRootsThatNobodyTakesAreCounted(t *testing.T) {
	for name, test := range map[string]struct {
		err      error
		attempts int
	}{
		"again and again": {errRefused, 1 + len(retryPauses)},
		"permanently":     {consumererror.NewPermanent(errRefused), 1},
	} {
		t.Run(name, func(t *testing.T) {
			timed(t, nil, func(t *testing.T, b *bed) {
				b.send(root("root", 1, 0, 50))
				b.sink.refuse(100, test.err)
				wait(time.Minute)
				assert.Equal(t, 100-test.attempts, b.sink.left())
				metadatatest.AssertEqualProcessorGUIDRoutingDroppedRecords(t, b.tel,
					[]metricdata.DataPoint[int64]{ints(1, "signal", "traces", "reason", "downstream")}, anyTime)
				b.sink.refuse(0, nil)
				b.send(root("next", 2, 0, 50))
				wait(settle + slack)
				b.stamped("next", 50, 1, "complete")
			})
		})
	}
}

func TestLatencySwitchedOffLeavesSpansAlone(t *testing.T) {
	timed(t, noLatency, func(t *testing.T, b *bed) {
		b.send(root("root", 1, 0, 50))
		b.unstamped("root")
	})
}

func TestDurationMetricHasAppOutcomeAndExemplar(t *testing.T) {
	timed(t, nil, func(t *testing.T, b *bed) {
		b.send(spanOf(batchOf(map[string]any{"service.name": "hotrod-42"}), "root", 1, true, 0, 50))
		wait(settle + slack)
		got, err := b.tel.GetMetric("governor.e2e.duration")
		require.NoError(t, err)
		assert.Equal(t, "s", got.Unit)
		points := got.Data.(metricdata.Histogram[float64]).DataPoints
		require.Len(t, points, 1)
		assert.Equal(t, ints(0, "app", "shop", "outcome", "complete").Attributes, points[0].Attributes)
		assert.InDelta(t, 0.05, points[0].Sum, 1e-9)
		require.Len(t, points[0].Exemplars, 1)
		assert.Equal(t, []byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, points[0].Exemplars[0].TraceID)
	})
}

// The recipe of README.md: with a view the duration is an exponential histogram.
func TestViewMakesTheDurationExponential(t *testing.T) {
	tel := componenttest.NewTelemetry(componenttest.WithMetricOptions(sdkmetric.WithView(sdkmetric.NewView(
		sdkmetric.Instrument{Name: "governor.e2e.duration"},
		sdkmetric.Stream{Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxScale: 20, MaxSize: 160}},
	))))
	p, err := NewFactory().CreateTraces(context.Background(), settings(tel), createDefaultConfig(), consumertest.NewNop())
	require.NoError(t, err)
	require.NoError(t, p.Start(context.Background(), newHost()))
	require.NoError(t, p.ConsumeTraces(context.Background(), root("root", 1, 0, 50)))
	require.NoError(t, p.Shutdown(context.Background()))
	got, err := tel.GetMetric("governor.e2e.duration")
	require.NoError(t, err)
	assert.IsType(t, metricdata.ExponentialHistogram[float64]{}, got.Data)
}
