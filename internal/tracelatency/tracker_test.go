package tracelatency

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

const (
	settle = 200 * time.Millisecond
	maxAge = 10 * time.Second
)

// bed drives one tracker whose roots are names.
type bed struct {
	*Tracker[string]
	t   *testing.T
	now time.Duration
}

func newBed(t *testing.T, cfg Config) *bed {
	tracker, err := New[string](cfg)
	require.NoError(t, err)
	return &bed{Tracker: tracker, t: t}
}

func standard(t *testing.T) *bed {
	return newBed(t, Config{Settle: settle, MaxAge: maxAge, MaxTraces: 100})
}

func traceID(n byte) pcommon.TraceID { return pcommon.TraceID{15: n} }

// span lies between start and end milliseconds after an arbitrary instant.
func span(trace byte, start, end int) *Span {
	const origin = 1_700_000_000_000
	return &Span{Trace: traceID(trace),
		Start: pcommon.Timestamp((origin + start) * 1e6), End: pcommon.Timestamp((origin + end) * 1e6)}
}

func (b *bed) child(s *Span) []Exit[string]          { return b.ObserveChild(b.now, s, nil) }
func (b *bed) root(n string, s *Span) []Exit[string] { return b.ObserveRoot(b.now, s, n, nil) }

func (b *bed) expireAfter(d time.Duration) []Exit[string] {
	b.now += d
	return b.Expire(b.now, nil)
}

// one asserts that exactly one root left, stamped.
func (b *bed) one(exits []Exit[string], root string, why Outcome, ms float64, spans int) {
	b.t.Helper()
	require.Len(b.t, exits, 1)
	e := exits[0]
	assert.Equal(b.t, root, e.Root)
	assert.Equal(b.t, Reason(why), e.Reason)
	assert.Equal(b.t, why, e.Result.Outcome)
	assert.True(b.t, e.Stamped)
	assert.InDelta(b.t, ms, e.Result.Milliseconds(), 1e-9)
	assert.Equal(b.t, spans, e.Result.Spans)
}

func TestLatencyCoversAllSpansNotJustTheRoot(t *testing.T) {
	b := standard(t)
	assert.Empty(t, b.child(span(1, 5, 70)))
	assert.Empty(t, b.root("r", span(1, 0, 50)))
	assert.Empty(t, b.child(span(1, -3, 20)), "clock skew: a child before its root")
	assert.Empty(t, b.expireAfter(settle-1))
	b.one(b.expireAfter(1), "r", Complete, 73, 3)
	assert.Zero(t, b.Stats().Open)
	assert.Zero(t, b.Stats().Held)
}

func TestQuietTimeBeginsAgainWithEverySpan(t *testing.T) {
	b := standard(t)
	b.root("r", span(1, 0, 50))
	for range 5 {
		assert.Empty(t, b.expireAfter(settle-1))
		b.child(span(1, 1, 2))
	}
	b.one(b.expireAfter(settle), "r", Complete, 50, 6)
}

func TestTraceThatNeverRestsTimesOut(t *testing.T) {
	b := standard(t)
	b.root("r", span(1, 0, 50))
	spans := 1
	for b.now+settle/2 < maxAge {
		assert.Empty(t, b.expireAfter(settle/2))
		b.child(span(1, 1, 2))
		spans++
	}
	b.one(b.expireAfter(settle/2), "r", Timeout, 50, spans)
}

func TestMissingRootTimesOutWithoutLatency(t *testing.T) {
	b := standard(t)
	b.child(span(1, 0, 50))
	assert.Empty(t, b.expireAfter(maxAge-1))
	assert.Equal(t, 1, b.Stats().Open, "children wait for their root, however quiet it is")
	assert.Empty(t, b.expireAfter(1))
	assert.Equal(t, FinishedCount{Rootless: 1}, b.Stats().Finished[1])
	assert.Equal(t, []Exit[string]{{Root: "r", Reason: Late}}, b.root("r", span(1, 0, 50)))
}

func TestLateSpansOpenNoSecondTrace(t *testing.T) {
	b := standard(t)
	b.root("r", span(1, 0, 50))
	b.expireAfter(settle)
	assert.Empty(t, b.child(span(1, 0, 90)))
	assert.Equal(t, []Exit[string]{{Root: "again", Reason: Late}}, b.root("again", span(1, 0, 50)))
	assert.Equal(t, uint64(2), b.Stats().Late)
	assert.Zero(t, b.Stats().Open)
}

func TestEarliestRootIsHeldWhateverTheOrder(t *testing.T) {
	early, late := span(1, 0, 50), span(1, 10, 80)
	for name, order := range map[string][2]*Span{"early first": {early, late}, "late first": {late, early}} {
		t.Run(name, func(t *testing.T) {
			b := standard(t)
			names := map[*Span]string{early: "early", late: "late"}
			assert.Empty(t, b.root(names[order[0]], order[0]))
			assert.Equal(t, []Exit[string]{{Root: "late", Reason: Surplus}}, b.root(names[order[1]], order[1]))
			b.one(b.expireAfter(settle), "early", Complete, 80, 2)
			assert.Equal(t, uint64(1), b.Stats().Surplus)
		})
	}
}

func TestRootsThatStartTogetherAreOrderedByID(t *testing.T) {
	b := standard(t)
	first, second := span(1, 0, 5), span(1, 0, 5)
	first.ID, second.ID = pcommon.SpanID{7: 9}, pcommon.SpanID{7: 3}
	b.root("nine", first)
	assert.Equal(t, "nine", b.root("three", second)[0].Root)
	assert.Equal(t, "copy", b.root("copy", second)[0].Root, "a duplicate: the first one stays")
	b.one(b.expireAfter(settle), "three", Complete, 5, 3)
}

func TestDuplicatedSpansOnlyCount(t *testing.T) {
	b := standard(t)
	b.root("r", span(1, 0, 50))
	for range 3 {
		b.child(span(1, 10, 40))
	}
	b.one(b.expireAfter(settle), "r", Complete, 50, 4)
}

func TestOddTimestamps(t *testing.T) {
	at := func(ms int) pcommon.Timestamp { return span(1, ms, 0).Start }
	for name, test := range map[string]struct {
		spans []Span
		ms    float64
		odd   uint64
	}{
		"zero length":        {[]Span{{Start: at(7), End: at(7)}}, 0, 0},
		"negative":           {[]Span{{Start: at(7), End: at(2)}}, 0, 1},
		"negative widens up": {[]Span{{Start: at(0), End: at(5)}, {Start: at(9), End: at(2)}}, 9, 1},
		"no start":           {[]Span{{Start: at(1), End: at(5)}, {End: at(9)}}, 8, 1},
		"no end":             {[]Span{{Start: at(1), End: at(5)}, {Start: at(9)}}, 8, 1},
		"no start, first":    {[]Span{{End: at(9)}, {Start: at(1), End: at(5)}}, 8, 1},
		"no times":           {[]Span{{Start: at(1), End: at(5)}, {}}, 4, 1},
		"never any time":     {[]Span{{}, {}}, 0, 2},
		"the largest":        {[]Span{{Start: 1, End: ^pcommon.Timestamp(0)}}, float64(^uint64(0)-1) / 1e6, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := standard(t)
			for i := range test.spans {
				test.spans[i].Trace = traceID(1)
				if i == 0 {
					b.root("r", &test.spans[i])
				} else {
					b.child(&test.spans[i])
				}
			}
			b.one(b.expireAfter(settle), "r", Complete, test.ms, len(test.spans))
			assert.Equal(t, test.odd, b.Stats().InvalidTimes)
		})
	}
}

func TestTraceIDsAreComparedWhole(t *testing.T) {
	b := standard(t)
	short, long := span(1, 0, 10), span(1, 0, 20)
	long.Trace[0] = 7 // same lower half
	b.root("64", short)
	b.root("128", long)
	assert.Equal(t, 2, b.Stats().Open)
	assert.Len(t, b.expireAfter(settle), 2)
}

func TestSpansWithoutTraceIDAreNotTracked(t *testing.T) {
	b := standard(t)
	assert.Empty(t, b.child(span(0, 0, 1)))
	assert.Equal(t, []Exit[string]{{Root: "r", Reason: Untraceable}}, b.root("r", span(0, 0, 1)))
	assert.Equal(t, Stats{Untraceable: 2}, b.Stats())
}

func TestTimeThatGoesBackStandsStill(t *testing.T) {
	b := standard(t)
	b.now = time.Hour
	b.root("r", span(1, 0, 50))
	b.now = 0
	b.child(span(1, 0, 60))
	assert.Empty(t, b.Expire(b.now, nil))
	b.now = time.Hour + settle
	b.one(b.Expire(b.now, nil), "r", Complete, 60, 2)
}

func TestTimeThatJumpsAheadFinishesEverything(t *testing.T) {
	b := standard(t)
	b.root("r", span(1, 0, 50))
	b.child(span(2, 0, 50))
	b.one(b.expireAfter(1000*time.Hour), "r", Complete, 50, 1)
	assert.Zero(t, b.Stats().Open)
}

func TestOldestIsEvictedForRoom(t *testing.T) {
	b := newBed(t, Config{Settle: settle, MaxAge: maxAge, MaxTraces: 2})
	b.root("a", span(1, 0, 1))
	b.now++
	b.root("b", span(2, 0, 2))
	b.child(span(1, 0, 9)) // being seen last does not make it young
	b.one(b.child(span(3, 0, 1)), "a", Evicted, 9, 2)
	assert.Equal(t, 2, b.Stats().Open)
	b.child(span(1, 0, 9))
	assert.Equal(t, uint64(1), b.Stats().Late)
}

func TestWhatIsDueIsNotCalledEvicted(t *testing.T) {
	b := newBed(t, Config{Settle: settle, MaxAge: maxAge, MaxTraces: 1})
	b.root("a", span(1, 0, 1))
	b.now += settle
	b.one(b.child(span(2, 0, 1)), "a", Complete, 1, 1)
}

func TestDrainStampsEverything(t *testing.T) {
	b := standard(t)
	b.root("done", span(1, 0, 1))
	b.now += settle
	b.root("young", span(2, 0, 2))
	b.child(span(3, 0, 3))
	exits := b.Drain(b.now, nil)
	require.Len(t, exits, 2)
	b.one(exits[:1], "done", Complete, 1, 1)
	b.one(exits[1:], "young", Evicted, 2, 1)
	stats := b.Stats()
	assert.Equal(t, [3]FinishedCount{{Rooted: 1}, {}, {Rooted: 1, Rootless: 1}}, stats.Finished)
	assert.Zero(t, stats.Open)
}

func TestConcludeFinishesWithWhatIsKnown(t *testing.T) {
	b := newBed(t, Config{MaxAge: maxAge, MaxTraces: 10})
	b.child(span(1, 0, 70))
	b.child(span(1, 0, 50))
	result, ok := b.Conclude(b.now, traceID(1))
	require.True(t, ok)
	assert.InDelta(t, 70.0, result.Milliseconds(), 1e-9)
	assert.Equal(t, Complete, result.Outcome)
	assert.Equal(t, FinishedCount{Rooted: 1}, b.Stats().Finished[0])
	_, ok = b.Conclude(b.now, traceID(1))
	assert.False(t, ok)
	b.child(span(1, 0, 90))
	assert.Equal(t, uint64(1), b.Stats().Late)
}

func TestNextIsWhenExpireHasWork(t *testing.T) {
	b := standard(t)
	_, ok := b.Next()
	assert.False(t, ok)
	b.now = time.Second
	b.child(span(1, 0, 1))
	next, _ := b.Next()
	assert.Equal(t, time.Second+maxAge, next)
	b.now = 2 * time.Second
	b.root("r", span(2, 0, 1))
	next, _ = b.Next()
	assert.Equal(t, 2*time.Second+settle, next)
	b.now = next
	assert.Len(t, b.Expire(b.now, nil), 1)
}

func TestStampWritesTheContractsAttributes(t *testing.T) {
	root := ptrace.NewSpan()
	Result{Start: 1e9, End: 1.5e9 + 1000, Spans: 3, Outcome: Timeout}.Stamp(root)
	assert.Equal(t, map[string]any{
		"governor.e2e.duration_ms": 500.001, "governor.e2e.spans": int64(3), "governor.e2e.outcome": "timeout",
	}, root.Attributes().AsRaw())
	assert.InDelta(t, 0.500001, Result{Start: 1e9, End: 1.5e9 + 1000}.Seconds(), 1e-12)
}

func TestConfigReportsEverythingAtOnce(t *testing.T) {
	_, err := New[int](Config{Settle: -1, MaxAge: 0, MaxTraces: -3})
	require.EqualError(t, err, `settle: -1ns is not allowed; it is 0 or more, for example 200ms
max_age: 0s is not allowed; it is above 0, for example 30s
max_traces: -3 is not allowed; it lies between 1 and 1073741824`)
	_, err = New[int](Config{Settle: time.Minute, MaxAge: time.Second, MaxTraces: 1})
	require.EqualError(t, err, "settle: 1m0s is above max_age: 1s; a trace would never be complete")
}

func TestShardsShareTheBoundExactly(t *testing.T) {
	for _, limit := range []int{1, 2047, 4096, 50_000, 1_000_003} {
		tracker, err := New[int](Config{MaxAge: maxAge, MaxTraces: limit})
		require.NoError(t, err)
		sum := 0
		for i := range tracker.shards {
			sum += tracker.shards[i].limit
		}
		assert.Equal(t, limit, sum)
	}
}

func TestOutcomesAreInTheOrderOfStats(t *testing.T) {
	for i, outcome := range Outcomes() {
		assert.Equal(t, i, position(outcome))
	}
}
