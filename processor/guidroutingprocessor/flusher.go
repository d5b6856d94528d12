package guidroutingprocessor

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/governor-project/governor/internal/tracelatency"
)

// flusher owns the goroutine that sends out the roots of traces that are done.
// Its timer runs only while a trace is open.
type flusher struct {
	tracker *tracelatency.Tracker[heldRoot]
	now     func() time.Duration
	slack   time.Duration
	out     *outlet

	alarm  atomic.Int64  // instant at which the timer fires; never when no trace is open
	wake   chan struct{} // an earlier instant is wanted
	quit   chan struct{}
	done   chan struct{}
	starts sync.Once
	stops  sync.Once
	exits  []exit // reused by the goroutine
}

const never = math.MaxInt64

// slackOf is how long a trace that is done may wait for others, so that roots
// leave in batches: an eighth of settle, at most 50 ms. A busy processor wakes
// up 40 times per second with the default settle, whatever its load.
func slackOf(settle time.Duration) time.Duration {
	return min(max(settle/8, time.Millisecond), 50*time.Millisecond)
}

func newFlusher(tracker *tracelatency.Tracker[heldRoot], now func() time.Duration, slack time.Duration, out *outlet) *flusher {
	f := &flusher{
		tracker: tracker, now: now, slack: slack, out: out,
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	f.alarm.Store(never)
	return f
}

func (f *flusher) start() { f.starts.Do(func() { go f.run() }) }

// stop ends the goroutine, if there is one, and waits for it.
func (f *flusher) stop() {
	f.starts.Do(func() { close(f.done) }) // never started
	f.stops.Do(func() { close(f.quit) })
	<-f.done
}

// expect makes sure that the timer fires soon after due. To be called after the
// tracker knows the trace.
func (f *flusher) expect(due time.Duration) {
	if f.alarm.Load() <= int64(due+f.slack) {
		return
	}
	select {
	case f.wake <- struct{}{}:
	default: // it is awake already and will see what the tracker knows
	}
}

func (f *flusher) run() {
	defer close(f.done)
	timer := time.NewTimer(never)
	defer timer.Stop()
	for {
		select {
		case <-f.quit:
			return
		case <-f.wake:
		case <-timer.C:
			f.flush()
		}
		timer.Reset(f.arm())
	}
}

// arm sets the alarm to the next instant at which a trace is due. It says
// "never" before it looks: whoever adds a trace after the look wakes it again.
func (f *flusher) arm() time.Duration {
	f.alarm.Store(never)
	next, ok := f.tracker.Next()
	if !ok {
		return never
	}
	next += f.slack
	f.alarm.Store(int64(next))
	return max(next-f.now(), 0)
}

func (f *flusher) flush() {
	f.exits = f.tracker.Expire(f.now(), f.exits[:0])
	_ = f.out.emit(context.Background(), f.exits) // counted and logged there
	clear(f.exits)
	if cap(f.exits) > largestBatch {
		f.exits = nil
	}
}
