package tracelatency

import (
	"encoding/binary"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

func numbered(n uint64) pcommon.TraceID {
	var id pcommon.TraceID
	binary.BigEndian.PutUint64(id[:8], n*0x9E3779B97F4A7C15)
	binary.BigEndian.PutUint64(id[8:], n+1)
	return id
}

func TestFloodOfTenTimesTheBoundIsShedAndRecoveredFrom(t *testing.T) {
	const bound = 40_000
	tracker, err := New[int](Config{Settle: settle, MaxAge: maxAge, MaxTraces: bound})
	require.NoError(t, err)
	var exits []Exit[int]
	for i := range 10 * bound {
		exits = tracker.ObserveRoot(0, &Span{Trace: numbered(uint64(i)), Start: 1, End: 2}, i, exits)
		if i%1000 == 0 {
			require.LessOrEqual(t, tracker.Stats().Open, bound)
		}
	}
	stats := tracker.Stats()
	assert.Equal(t, uint64(len(exits)), stats.Finished[position(Evicted)].Rooted)
	assert.Equal(t, 10*bound, len(exits)+stats.Open)
	exits = tracker.Expire(settle, exits)
	assert.Len(t, exits, 10*bound, "no root is lost")

	exits = tracker.ObserveRoot(settle, &Span{Trace: numbered(1 << 40), Start: 1, End: 2}, 0, exits[:0])
	exits = tracker.Expire(2*settle, exits)
	require.Len(t, exits, 1)
	assert.Equal(t, Reason(Complete), exits[0].Reason)
}

func TestSequentialAndHalfIDsSpreadOverTheShards(t *testing.T) {
	makers := map[string]func(uint64) pcommon.TraceID{
		"random":          numbered,
		"64 bit, counted": func(n uint64) pcommon.TraceID { id := numbered(n); clear(id[:8]); return id },
		"128 bit, counted": func(n uint64) pcommon.TraceID {
			var id pcommon.TraceID
			id[0] = 0xab
			binary.BigEndian.PutUint64(id[8:], n+1)
			return id
		},
	}
	for name, id := range makers {
		t.Run(name, func(t *testing.T) {
			const bound = 32_768
			tracker, err := New[int](Config{Settle: settle, MaxAge: maxAge, MaxTraces: bound})
			require.NoError(t, err)
			for i := range uint64(bound * 9 / 10) {
				tracker.ObserveChild(0, &Span{Trace: id(i), Start: 1, End: 2}, nil)
			}
			assert.Equal(t, bound*9/10, tracker.Stats().Open, "nothing was evicted at 90 %% of the bound")
		})
	}
}

func TestConcurrentCallersLoseNothing(t *testing.T) {
	const callers, traces = 4, 2000
	tracker, err := New[int](Config{Settle: 5, MaxAge: 50, MaxTraces: 1000})
	require.NoError(t, err)
	var mu sync.Mutex
	left := map[int]int{}
	take := func(exits []Exit[int]) {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range exits {
			left[e.Root]++
		}
	}
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for i := range traces {
				s := &Span{Trace: numbered(uint64(i)), Start: 1, End: 2}
				if i%callers == caller {
					take(tracker.ObserveRoot(time.Duration(i), s, i, nil))
				} else {
					take(tracker.ObserveChild(time.Duration(i), s, nil))
				}
				if i%100 == 0 {
					take(tracker.Expire(time.Duration(i), nil))
					tracker.Next()
					tracker.Stats()
				}
			}
		})
	}
	wg.Wait()
	take(tracker.Drain(traces, nil))
	assert.Len(t, left, traces)
	for root, times := range left {
		assert.Equal(t, 1, times, "root %d", root)
	}
	assert.Zero(t, tracker.Stats().Open)
}

// TestMemoryOfAnOpenTrace measures the tracker's own memory; what the caller
// keeps of a root comes on top.
func TestMemoryOfAnOpenTrace(t *testing.T) {
	const open, allowed = 1_000_000, 200
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	tracker, err := New[[3]uintptr](Config{Settle: settle, MaxAge: maxAge, MaxTraces: 2 * open})
	require.NoError(t, err)
	for i := range uint64(open) {
		tracker.ObserveChild(0, &Span{Trace: numbered(i), Start: 1, End: 2}, nil)
	}
	perTrace := float64(heap()-before) / open
	runtime.KeepAlive(tracker)
	t.Logf("%.0f bytes per open trace", perTrace)
	assert.LessOrEqual(t, perTrace, float64(allowed))
}

func TestSpansOfOpenTracesCostNoAllocation(t *testing.T) {
	tracker, err := New[int](Config{Settle: settle, MaxAge: maxAge, MaxTraces: 1000})
	require.NoError(t, err)
	tracker.ObserveRoot(0, &Span{Trace: numbered(1), Start: 1, End: 2}, 1, nil)
	s := Span{Trace: numbered(1), Start: 5, End: 9}
	assert.Zero(t, testing.AllocsPerRun(1000, func() { tracker.ObserveChild(1, &s, nil) }))
}

// BenchmarkObserve is the steady state: traces of eight spans, the root last,
// 1000 of them open, each finished before its place is needed.
func BenchmarkObserve(b *testing.B) {
	const spansPerTrace, open = 8, 1000
	tracker, err := New[int](Config{Settle: open, MaxAge: 10 * open, MaxTraces: 50_000})
	require.NoError(b, err)
	exits := make([]Exit[int], 0, 4*open)
	var now time.Duration
	b.ReportAllocs()
	b.ResetTimer()
	for n := range b.N {
		trace := n / spansPerTrace
		s := Span{Trace: numbered(uint64(trace)), Start: 1, End: pcommon.Timestamp(n)}
		if n%spansPerTrace != spansPerTrace-1 {
			exits = tracker.ObserveChild(now, &s, exits)
			continue
		}
		now++
		exits = tracker.ObserveRoot(now, &s, trace, exits)
		if now%100 == 0 {
			exits = tracker.Expire(now, exits)[:0]
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "spans/s")
}

// BenchmarkObserveParallel is the same stream from several receivers at once.
func BenchmarkObserveParallel(b *testing.B) {
	tracker, err := New[int](Config{Settle: time.Second, MaxAge: time.Minute, MaxTraces: 50_000})
	require.NoError(b, err)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		var n uint64
		for pb.Next() {
			n++
			s := Span{Trace: numbered(n / 8), Start: 1, End: pcommon.Timestamp(n)}
			tracker.ObserveChild(0, &s, nil)
		}
	})
}
