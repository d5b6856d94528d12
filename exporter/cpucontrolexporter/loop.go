package cpucontrolexporter

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.uber.org/zap"

	"github.com/governor-project/governor/internal/actuate"
	"github.com/governor-project/governor/internal/control"
)

const (
	// adoptWithin is how long containers that a crashed run had changed may take to
	// show up in the inventory before their originals are restored.
	adoptWithin = 3 * time.Second
	// adoptRetry separates further attempts, should that fail.
	adoptRetry = time.Minute
	// openRetry separates attempts to open a container that could not be opened.
	openRetry = 5 * time.Second
)

// loop is the control loop. One goroutine owns it, from run to its return;
// after that shutdown does.
type loop struct {
	*controller
	host     component.Host
	pool     control.Pool
	actuator *actuate.Actuator
	adoptAt  time.Time // when what was not taken over is restored

	view       view
	generation uint64
	viewed     bool
	closed     map[string]time.Time // containers that could not be opened, and when to try again
	degraded   bool

	snap  control.Snapshot // reused
	state control.State
	last  time.Time
}

// run waits for the initial delay; then it ticks when statistics arrive, at
// once when containers come or go, and by the clock when neither happens.
func (l *loop) run(ctx context.Context) {
	timer := time.NewTimer(l.cfg.InitialDelay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return
	case <-timer.C:
	}
	changes, cancel := l.edges.reader.Subscribe()
	defer cancel()
	timer.Reset(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			l.tick(ctx, time.Now())
			timer.Reset(l.cfg.Interval)
		case <-changes:
			l.tick(ctx, time.Now())
		case <-l.fresh:
			if now := time.Now(); now.Sub(l.last) >= l.cfg.Interval/2 {
				l.tick(ctx, now)
				timer.Reset(l.cfg.Interval * 3 / 2) // the next statistics come before that
			}
		}
	}
}

// tick is one turn: who is there, what is known, what follows, do it.
func (l *loop) tick(ctx context.Context, now time.Time) {
	began := time.Now()
	l.last = now
	l.refresh(ctx, now)
	l.snapshot(ctx, now)
	plan, state := control.Decide(l.snap, l.state)
	l.state = state
	for _, out := range l.actuator.Apply(ctx, now, plan.Changes) {
		l.record(out)
	}
	l.actuator.CheckDrift(now)
	if denied := l.actuator.Denied(); denied != nil && !l.degraded {
		l.degraded = true
		l.report(l.host, denied)
	}
	l.status.Store(&status{
		at: now, enforcing: l.actuator.Enforcing(), apps: plan.Apps, stale: plan.Stale,
		journal: l.actuator.Touched(), suppressed: plan.SuppressedCPUs,
	})
	l.telemetry.ExporterCPUControlTickDuration.Record(ctx, time.Since(began).Seconds())
}

// refresh follows the inventory: what is not managed any more gets its limits
// back, what has ended is forgotten.
func (l *loop) refresh(ctx context.Context, now time.Time) {
	reader := l.edges.reader
	if generation := reader.Generation(); !l.viewed || generation != l.generation {
		l.viewed, l.generation = true, generation
		l.view = newView(reader.Containers(), l.cfg.Apps)
		l.signals.keep(l.view.containers, l.view.apps)
		l.closed = map[string]time.Time{}
		if reader.Synced() {
			l.dismiss(ctx, now)
		}
	}
	if !now.Before(l.adoptAt) {
		l.adoptAt = now.Add(adoptRetry)
		l.logError("limits that an earlier run had changed could not be restored", l.actuator.RestoreAdoptees(ctx, now))
	}
}

func (l *loop) dismiss(ctx context.Context, now time.Time) {
	gone := l.actuator.Known()
	for i := range l.view.refs {
		delete(gone, l.view.refs[i].ID)
	}
	for id := range gone { // ended, paused, or not managed any more
		l.logError("limits could not be restored", l.actuator.Release(ctx, now, id))
	}
}

// snapshot gathers what is known now.
func (l *loop) snapshot(ctx context.Context, now time.Time) {
	l.snap.Now, l.snap.Outer, l.snap.Pool = now, l.cfg.OuterInterval, l.pool
	l.snap.Apps = append(l.snap.Apps[:0], l.view.apps...)
	l.snap.Containers = l.snap.Containers[:0]
	for i := range l.view.refs {
		if now.Before(l.closed[l.view.refs[i].ID]) {
			continue
		}
		known, err := l.actuator.Ensure(ctx, l.view.refs[i], now)
		if err != nil {
			l.complain(now, l.view.refs[i], err)
			continue
		}
		c := l.view.containers[i]
		c.Current, c.Original, c.Blocked = known.Current, known.Original, known.Blocked
		l.snap.Containers = append(l.snap.Containers, c)
	}
	l.signals.read(&l.snap)
}

// complain says that a container cannot be opened, and puts the next attempt
// off; one that has just begun or ended is no problem.
func (l *loop) complain(now time.Time, ref actuate.Ref, err error) {
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if _, said := l.closed[ref.ID]; !said {
		l.logger.Error("container cannot be controlled", zap.String("container", ref.Name), zap.Error(err))
	}
	l.closed[ref.ID] = now.Add(openRetry)
}

func (l *loop) logError(message string, err error) {
	if err != nil {
		l.logger.Error(message, zap.Error(err))
	}
}
