package guidroutingprocessor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"
)

// maxEmission is the largest batch of roots, in spans. After a flood many
// leave at once, and the next component may bound its batches.
const maxEmission = 1024

// retryPauses are the pauses before the second and later attempts to send roots
// on. They are short: exporters have queues with long retries of their own, and
// meanwhile no other root leaves.
var retryPauses = [...]time.Duration{50 * time.Millisecond, 200 * time.Millisecond}

// outlet sends roots on. Nobody waits for the answer, since their batches were
// accepted before: it tries a few times and then counts them as dropped.
type outlet struct {
	next      consumer.Traces
	telemetry *telemetry
	logger    *zap.Logger
	hurried   chan struct{} // closed at shutdown: no more pauses
	once      sync.Once
}

func newOutlet(next consumer.Traces, tel *telemetry, logger *zap.Logger) *outlet {
	return &outlet{next: next, telemetry: tel, logger: logger, hurried: make(chan struct{})}
}

func (o *outlet) hurry() { o.once.Do(func() { close(o.hurried) }) }

// emit sends the roots on, in batches. The error names what was dropped.
func (o *outlet) emit(ctx context.Context, exits []exit) error {
	var errs []error
	for len(exits) > 0 {
		n := min(len(exits), maxEmission)
		if err := o.deliver(ctx, assemble(exits[:n], o.telemetry)); err != nil {
			o.telemetry.dropped(ctx, int64(n), reasonDownstream)
			err = fmt.Errorf("%d held root spans were dropped: %w", n, err)
			o.logger.Error("the next component does not take root spans", zap.Error(err))
			errs = append(errs, err)
		}
		exits = exits[n:]
	}
	return errors.Join(errs...)
}

func (o *outlet) deliver(ctx context.Context, td ptrace.Traces) error {
	for _, pause := range retryPauses {
		err := o.next.ConsumeTraces(ctx, o.expendable(td))
		if err == nil || consumererror.IsPermanent(err) || ctx.Err() != nil {
			return err
		}
		o.wait(ctx, pause)
	}
	return o.next.ConsumeTraces(ctx, td)
}

// expendable is td, or a copy if the next component may change it and fail.
func (o *outlet) expendable(td ptrace.Traces) ptrace.Traces {
	if !o.next.Capabilities().MutatesData {
		return td
	}
	duplicate := ptrace.NewTraces()
	td.CopyTo(duplicate)
	return duplicate
}

func (o *outlet) wait(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-o.hurried:
	}
}
