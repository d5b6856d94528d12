// Package tracelatency works out the end-to-end latency of traces: latest span
// end − earliest span start, over all spans of the trace, whoever reported them
// and in whatever order they came.
//
// It is a pure room: no I/O, no clock, no goroutine. Time comes in as an
// argument, and whoever calls decides when to look for traces that are done.
// It needs no span but the root: of every other span it keeps two timestamps'
// worth of knowledge per trace, so a child can go on its way at once.
//
// What happens to a trace:
//
//   - Its first span opens it. Every further span widens [start, end] and counts.
//   - Its root, the span without a parent, is held. Of several roots the one
//     that starts first (then: with the smallest span ID) is held; the others
//     leave at once with reason surplus, so a trace has at most one latency.
//   - With a root and no new span for Config.Settle it is complete.
//   - Config.MaxAge after its first span it times out, with or without a root.
//   - When another trace needs its place (Config.MaxTraces) it is evicted, the
//     oldest first; Drain evicts what is left.
//   - A span of a finished trace is late: it opens no second trace.
//
// Defined corner cases:
//
//   - Zero-length spans are ordinary spans.
//   - A span whose end is before its start counts as ending when it starts.
//   - A timestamp of zero is unknown: a span with only an end lies at its end, a
//     span with only a start at its start, a span with neither only counts.
//     All three kinds are counted in Stats.InvalidTimes.
//   - Duplicated spans change nothing but the number of spans. A duplicated
//     root is surplus.
//   - Trace IDs are compared whole: a 64-bit ID (upper half zero) is the same
//     trace only as the same 64-bit ID.
//   - A span without a trace ID belongs to no trace: untraceable.
//   - Span links do not matter.
//   - A time argument that goes back counts as "no time has passed"; one that
//     jumps ahead ages every trace by the jump.
package tracelatency

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// Attributes of the root span of a finished trace.
const (
	AttrDuration = "governor.e2e.duration_ms" // double, milliseconds
	AttrSpans    = "governor.e2e.spans"       // int, spans received, duplicates included
	AttrOutcome  = "governor.e2e.outcome"     // string, an Outcome
)

// Outcome says why a trace was finished. Every trace has exactly one.
type Outcome string

// The outcomes.
const (
	Complete Outcome = "complete" // it has its root and was quiet for Settle
	Timeout  Outcome = "timeout"  // it reached MaxAge
	Evicted  Outcome = "evicted"  // another trace needed its place, or Drain was called
)

// Outcomes lists all outcomes, in the order of Stats.Finished.
func Outcomes() []Outcome { return []Outcome{Complete, Timeout, Evicted} }

// Reason says why a root left the tracker: an Outcome, or that its trace's
// latency is not its to carry.
type Reason string

// The reasons beside the outcomes. Roots that leave for one of these carry no latency.
const (
	Surplus     Reason = "surplus"     // the trace has a root that starts earlier
	Late        Reason = "late"        // the trace was finished before the root came
	Untraceable Reason = "untraceable" // it has no trace ID
)

// Span is what the tracker needs to know of a span.
type Span struct {
	Trace pcommon.TraceID
	ID    pcommon.SpanID    // decides between roots that start together
	Start pcommon.Timestamp // nanoseconds since 1970; 0 means unknown
	End   pcommon.Timestamp // nanoseconds since 1970; 0 means unknown
}

// Result is the latency of one finished trace.
type Result struct {
	Start   pcommon.Timestamp // earliest start; 0 when no span had a timestamp
	End     pcommon.Timestamp // latest end, never before Start
	Spans   int               // spans received, the root and duplicates included
	Outcome Outcome
}

// Milliseconds is the end-to-end latency in ms, for AttrDuration.
func (r Result) Milliseconds() float64 { return float64(r.End-r.Start) / 1e6 }

// Seconds is the end-to-end latency in s.
func (r Result) Seconds() float64 { return float64(r.End-r.Start) / 1e9 }

// Stamp writes the result onto the trace's root span.
func (r Result) Stamp(root ptraceSpan) {
	attrs := root.Attributes()
	attrs.PutDouble(AttrDuration, r.Milliseconds())
	attrs.PutInt(AttrSpans, int64(r.Spans))
	attrs.PutStr(AttrOutcome, string(r.Outcome))
}

// ptraceSpan is the part of ptrace.Span that Stamp needs.
type ptraceSpan interface{ Attributes() pcommon.Map }

// Exit is one root that leaves the tracker.
type Exit[R any] struct {
	Root    R
	Reason  Reason // an Outcome as a Reason, or Surplus, Late, Untraceable
	Stamped bool   // Result is this root's to carry
	Result  Result
}

// Config bounds a tracker. The zero value is refused by New.
type Config struct {
	Settle    time.Duration // quiet time after which a trace with a root is complete; ≥ 0
	MaxAge    time.Duration // age at which a trace is finished anyway; > 0, ≥ Settle
	MaxTraces int           // most open traces, and so most held roots; ≥ 1
}

// Stats counts what has happened since New, except Open and Held, which are now.
type Stats struct {
	Open, Held   int
	Finished     [3]FinishedCount // by outcome, in the order of Outcomes
	Late         uint64           // spans of finished traces, roots included
	Surplus      uint64           // roots beside the one that was held
	Untraceable  uint64           // spans without a trace ID
	InvalidTimes uint64           // spans with an unknown start or end, or that end before they start
}

// FinishedCount is the number of traces finished with one outcome.
type FinishedCount struct {
	Rooted   uint64 // gave a latency
	Rootless uint64 // their root never came: no latency
}

func (s *Stats) add(o *Stats) {
	s.Open += o.Open
	s.Held += o.Held
	for i := range s.Finished {
		s.Finished[i].Rooted += o.Finished[i].Rooted
		s.Finished[i].Rootless += o.Finished[i].Rootless
	}
	s.Late += o.Late
	s.Surplus += o.Surplus
	s.Untraceable += o.Untraceable
	s.InvalidTimes += o.InvalidTimes
}

// bounds gives the interval that a span covers. ok is false when the span has
// no timestamp; odd is true when a timestamp was unknown or out of order.
func (s *Span) bounds() (start, end pcommon.Timestamp, ok, odd bool) {
	switch {
	case s.Start == 0 && s.End == 0:
		return 0, 0, false, true
	case s.Start == 0:
		return s.End, s.End, true, true
	case s.End < s.Start: // an unknown end, too
		return s.Start, s.Start, true, true
	}
	return s.Start, s.End, true, false
}
