package guidroutingprocessor

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"

	"github.com/governor-project/governor/internal/tracelatency"
)

// latency takes roots out of batches, has their traces followed, and sends the
// roots on, stamped, when their traces are done.
//
// A batch is tracked after the next component has accepted what is left of it:
// a batch that is refused leaves no trace here, and its sender may send it again.
type latency struct {
	tracker   *tracelatency.Tracker[heldRoot]
	onArrival bool // settle is 0: roots are stamped in place, none is held
	settle    time.Duration
	maxAge    time.Duration
	next      consumer.Traces
	out       *outlet
	flusher   *flusher
	telemetry *telemetry
	origin    time.Time // instants of the tracker count from here, by the monotonic clock
	batches   sync.Pool // of *batch
}

// exit is a root that leaves the tracker.
type exit = tracelatency.Exit[heldRoot]

func newLatency(cfg E2EConfig, next consumer.Traces, tel *telemetry, logger *zap.Logger) (*latency, error) {
	tracker, err := tracelatency.New[heldRoot](cfg.tracker())
	if err != nil {
		return nil, err
	}
	l := &latency{
		tracker: tracker, onArrival: cfg.Settle == 0, settle: cfg.Settle, maxAge: cfg.MaxAge,
		next: next, telemetry: tel, origin: time.Now(),
		batches: sync.Pool{New: func() any { return new(batch) }},
	}
	l.out = newOutlet(next, tel, logger)
	l.flusher = newFlusher(tracker, l.now, slackOf(cfg.Settle), l.out)
	return l, nil
}

func (l *latency) now() time.Duration { return time.Since(l.origin) }

func (l *latency) start() { l.flusher.start() }

// shutdown sends out every root that is held. No batch may be on its way.
func (l *latency) shutdown(ctx context.Context) error {
	l.out.hurry()
	l.flusher.stop()
	return l.out.emit(ctx, l.tracker.Drain(l.now(), nil))
}

func (l *latency) consume(ctx context.Context, td ptrace.Traces) error {
	if l.onArrival {
		l.stampOnArrival(td)
		return l.next.ConsumeTraces(ctx, td)
	}
	b := l.batches.Get().(*batch)
	defer l.recycle(b)
	b.take(td)
	if td.ResourceSpans().Len() > 0 {
		if err := l.next.ConsumeTraces(ctx, td); err != nil {
			return err
		}
	}
	l.track(b)
	return nil
}

// track tells the tracker about a batch. What has to leave at once goes out
// here, in the sender's time and not in a queue that could grow; it belongs to
// batches that were accepted long ago, so that the outcome, which is counted,
// is not this sender's.
func (l *latency) track(b *batch) {
	now := l.now()
	for i := range b.children {
		b.exits = l.tracker.ObserveChild(now, &b.children[i], b.exits)
	}
	for i := range b.roots {
		b.exits = l.tracker.ObserveRoot(now, &b.roots[i].span, b.roots[i].root, b.exits)
	}
	due := now + l.maxAge
	if len(b.roots) > 0 {
		due = now + l.settle
	}
	l.flusher.expect(due)
	if len(b.exits) > 0 {
		_ = l.out.emit(context.Background(), b.exits) // counted and logged there
	}
}

// stampOnArrival stamps each root with what is known when its batch, which is
// looked at as a whole, arrives.
func (l *latency) stampOnArrival(td ptrace.Traces) {
	now := l.now()
	eachSpan(td, func(_ ptrace.ResourceSpans, s ptrace.Span) {
		seen := observation(s)
		l.tracker.ObserveChild(now, &seen, nil) // no root is held, so none can leave
	})
	eachSpan(td, func(rs ptrace.ResourceSpans, s ptrace.Span) {
		if !isRoot(s) {
			return
		}
		if result, ok := l.tracker.Conclude(now, s.TraceID()); ok {
			result.Stamp(s)
			l.telemetry.latency(appOf(rs.Resource()), s, &result)
		}
	})
	l.flusher.expect(now + l.maxAge)
}

func (l *latency) recycle(b *batch) {
	if b.reset() {
		l.batches.Put(b)
	}
}
