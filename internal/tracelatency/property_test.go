package tracelatency

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"pgregory.net/rapid"
)

// arrival is one span with its place in the stream.
type arrival struct {
	Span
	root bool
	name int
}

func drawArrivals(t *rapid.T, traces int) []arrival {
	timestamp := rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64Range(1e9, 1e9+1000), rapid.Uint64())
	var all []arrival
	for trace := range traces {
		for range rapid.IntRange(1, 8).Draw(t, "spans") {
			all = append(all, arrival{name: len(all), root: rapid.IntRange(0, 3).Draw(t, "root") == 0, Span: Span{
				Trace: pcommon.TraceID{7: byte(trace % 2), 15: byte(trace/2 + 1)},
				ID:    pcommon.SpanID{7: byte(rapid.IntRange(0, 2).Draw(t, "id"))},
				Start: pcommon.Timestamp(timestamp.Draw(t, "start")),
				End:   pcommon.Timestamp(timestamp.Draw(t, "end")),
			}})
		}
	}
	return rapid.Permutation(all).Draw(t, "order")
}

// bruteForce is the definition, over the whole trace: which root, which latency.
func bruteForce(spans []arrival) (root int, result Result) {
	root = -1
	var best arrival
	var starts, ends []pcommon.Timestamp
	for _, s := range spans {
		switch {
		case s.Start == 0 && s.End == 0:
		case s.Start == 0:
			starts, ends = append(starts, s.End), append(ends, s.End)
		default:
			starts, ends = append(starts, s.Start), append(ends, max(s.Start, s.End))
		}
		if s.root && (root < 0 || s.Start < best.Start || s.Start == best.Start && string(s.ID[:]) < string(best.ID[:])) {
			root, best = s.name, s
		}
	}
	result = Result{Spans: len(spans)}
	if len(starts) > 0 {
		result.Start, result.End = slices.Min(starts), slices.Max(ends)
	}
	return root, result
}

func send(tracker *Tracker[int], now time.Duration, a arrival, exits []Exit[int]) []Exit[int] {
	if a.root {
		return tracker.ObserveRoot(now, &a.Span, a.name, exits)
	}
	return tracker.ObserveChild(now, &a.Span, exits)
}

// When no trace is cut short, any order and timing gives what brute force gives.
func TestResultEqualsBruteForceOverTheWholeTrace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream := drawArrivals(t, rapid.IntRange(1, 12).Draw(t, "traces"))
		tracker, err := New[int](Config{Settle: time.Second, MaxAge: time.Minute, MaxTraces: 12})
		require.NoError(t, err)
		var now time.Duration
		var exits []Exit[int]
		whole := map[pcommon.TraceID][]arrival{}
		for _, a := range stream {
			now += time.Duration(rapid.Int64Range(0, int64(time.Second)/100).Draw(t, "pause"))
			whole[a.Trace] = append(whole[a.Trace], a)
			exits = send(tracker, now, a, exits)
			if rapid.Bool().Draw(t, "expire") {
				exits = tracker.Expire(now, exits)
			}
		}
		exits = tracker.Expire(now+time.Minute, exits)

		got := map[int]Result{}
		for _, e := range exits {
			if e.Stamped {
				got[e.Root] = e.Result
			} else {
				assert.Equal(t, Surplus, e.Reason)
			}
		}
		want := map[int]Result{}
		for _, spans := range whole {
			if root, result := bruteForce(spans); root >= 0 {
				result.Outcome = Complete
				want[root] = result
			}
		}
		assert.Equal(t, want, got)
	})
}

// modelTrace is a trace of the reference model, which keeps everything.
type modelTrace struct {
	spans            []arrival
	opened, lastSeen time.Duration
}

// model is the tracker as one would write it without caring about memory or
// speed: slices, searched from end to end.
type model struct {
	open     []*modelTrace // in order of opening
	ids      map[pcommon.TraceID]*modelTrace
	finished map[pcommon.TraceID]bool
	cfg      Config
	exits    map[int]Exit[int]
	late     uint64
}

func (m *model) finish(tr *modelTrace, why Outcome) {
	root, result := bruteForce(tr.spans)
	result.Outcome = why
	if root >= 0 {
		m.exits[root] = Exit[int]{Root: root, Reason: Reason(why), Stamped: true, Result: result}
	}
	for _, s := range tr.spans {
		if s.root && s.name != root {
			m.exits[s.name] = Exit[int]{Root: s.name, Reason: Surplus}
		}
	}
	id := tr.spans[0].Trace
	delete(m.ids, id)
	m.finished[id] = true
	m.open = slices.DeleteFunc(m.open, func(o *modelTrace) bool { return o == tr })
}

func (m *model) expire(now time.Duration) {
	for _, tr := range slices.Clone(m.open) {
		hasRoot := slices.ContainsFunc(tr.spans, func(a arrival) bool { return a.root })
		switch {
		case hasRoot && now-tr.lastSeen >= m.cfg.Settle:
			m.finish(tr, Complete)
		case now-tr.opened >= m.cfg.MaxAge:
			m.finish(tr, Timeout)
		}
	}
}

func (m *model) send(now time.Duration, a arrival) {
	if m.finished[a.Trace] {
		m.late++
		if a.root {
			m.exits[a.name] = Exit[int]{Root: a.name, Reason: Late}
		}
		return
	}
	tr := m.ids[a.Trace]
	if tr == nil {
		if len(m.open) >= m.cfg.MaxTraces {
			m.expire(now)
		}
		if len(m.open) >= m.cfg.MaxTraces {
			m.finish(m.open[0], Evicted)
		}
		tr = &modelTrace{opened: now}
		m.open, m.ids[a.Trace] = append(m.open, tr), tr
	}
	tr.spans, tr.lastSeen = append(tr.spans, a), now
}

// With any pauses, bounds and moments of expiry the tracker does what the model
// does: every root leaves once, for the same reason, with the same latency;
// every trace has one outcome; the bound holds at all times.
func TestTrackerEqualsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream := drawArrivals(t, rapid.IntRange(1, 12).Draw(t, "traces"))
		cfg := Config{
			Settle:    time.Duration(rapid.IntRange(0, 20).Draw(t, "settle")),
			MaxAge:    time.Duration(rapid.IntRange(20, 60).Draw(t, "max age")),
			MaxTraces: rapid.IntRange(1, 12).Draw(t, "bound"),
		}
		tracker, err := New[int](cfg)
		require.NoError(t, err)
		// The model forgets no finished trace: give the tracker's memory the room that its bound would not.
		tracker.shards[0].finished.init(time.Hour, 1000)
		m := &model{cfg: cfg, ids: map[pcommon.TraceID]*modelTrace{}, finished: map[pcommon.TraceID]bool{}, exits: map[int]Exit[int]{}}

		var now time.Duration
		var exits []Exit[int]
		for _, a := range stream {
			step := rapid.IntRange(-5, 15).Draw(t, "step") // a clock may go back
			exits = send(tracker, now+time.Duration(step), a, exits)
			now += time.Duration(max(step, 0))
			m.send(now, a)
			if rapid.Bool().Draw(t, "expire") {
				exits = tracker.Expire(now, exits)
				m.expire(now)
			}
			stats := tracker.Stats()
			assert.LessOrEqual(t, stats.Open, cfg.MaxTraces)
			assert.LessOrEqual(t, stats.Held, stats.Open)
		}
		exits = tracker.Drain(now, exits)
		m.expire(now)
		for len(m.open) > 0 {
			m.finish(m.open[0], Evicted)
		}
		got := map[int]Exit[int]{}
		for _, e := range exits {
			_, twice := got[e.Root]
			assert.False(t, twice, "root %d left twice", e.Root)
			got[e.Root] = e
		}
		assert.Equal(t, m.exits, got)
		assertCounts(t, tracker.Stats(), m, stream)
	})
}

func assertCounts(t *rapid.T, stats Stats, m *model, stream []arrival) {
	roots, stamped, finished := 0, uint64(0), uint64(0)
	for _, a := range stream {
		if a.root {
			roots++
		}
	}
	for _, e := range m.exits {
		if e.Stamped {
			stamped++
		}
	}
	var rooted uint64
	for _, f := range stats.Finished {
		rooted += f.Rooted
		finished += f.Rooted + f.Rootless
	}
	assert.Len(t, m.exits, roots, "no root is lost")
	assert.Equal(t, stamped, rooted)
	assert.Equal(t, uint64(len(m.finished)), finished, "every trace has one outcome")
	assert.Equal(t, m.late, stats.Late)
	assert.Zero(t, stats.Open)
	assert.Zero(t, stats.Held)
}
