package jaegerreceiver

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.uber.org/zap"
)

// complaintInterval keeps a flood of bad packets from flooding the log; the
// counters have every packet.
const complaintInterval = 10 * time.Second

// delivery hands traces of one protocol to the next component and accounts for them.
type delivery struct {
	protocol    string
	next        consumer.Traces
	report      *receiverhelper.ObsReport
	account     *account
	flush       FlushConfig
	retry       RetryConfig
	peerAddress bool
	logger      *zap.Logger

	lastComplaint atomic.Int64 // Unix time in nanoseconds
}

// flushed delivers traces of so many UDP packets. There is nobody to tell about
// a failure, so what the next component refuses for now is tried again.
func (d *delivery) flushed(ctx context.Context, traces ptrace.Traces, packets int) {
	spans := traces.SpanCount()
	operation := d.report.StartTracesOp(ctx)
	err := d.persist(operation, traces)
	d.report.EndTracesOp(operation, d.protocol, spans, err)
	switch {
	case err == nil:
		d.account.accepted(packets, spans)
	case ctx.Err() != nil:
		d.account.dropped(packets, reasonShutdown)
	default:
		d.account.dropped(packets, reasonRefused)
		d.complain("spans dropped, the next component refused them", zap.Error(err), zap.Int("spans", spans))
	}
}

// persist tries until the next component takes the traces, refuses them for good,
// or the time for retries is over.
func (d *delivery) persist(ctx context.Context, traces ptrace.Traces) error {
	err := d.consume(ctx, traces)
	if err == nil || consumererror.IsPermanent(err) {
		return err
	}
	start := time.Now()
	for pause := d.retry.InitialInterval; time.Since(start)+pause <= d.retry.MaxElapsedTime; {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
		if err = d.consume(ctx, traces); err == nil || consumererror.IsPermanent(err) {
			return err
		}
		pause = min(2*pause, d.retry.MaxInterval)
	}
	return err
}

// once delivers the traces of one request, whose sender is told the outcome.
func (d *delivery) once(ctx context.Context, traces ptrace.Traces) error {
	spans := traces.SpanCount()
	operation := d.report.StartTracesOp(ctx)
	err := d.consume(operation, traces)
	d.report.EndTracesOp(operation, d.protocol, spans, err)
	if err != nil {
		d.account.dropped(1, reasonRefused)
		d.complain("spans refused by the next component", zap.Error(err), zap.Int("spans", spans))
		return err
	}
	d.account.accepted(1, spans)
	return nil
}

// consume calls the next component. A panic in the pipeline costs these traces
// and not the process.
func (d *delivery) consume(ctx context.Context, traces ptrace.Traces) (err error) {
	defer func() {
		if crash := recover(); crash != nil {
			d.logger.Error("the next component panicked", zap.Any("panic", crash), zap.Stack("stack"))
			err = consumererror.NewPermanent(fmt.Errorf("panic in the next component: %v", crash))
		}
	}()
	return d.next.ConsumeTraces(ctx, traces)
}

// complain logs a warning, at most one in complaintInterval.
func (d *delivery) complain(message string, fields ...zap.Field) {
	now, last := time.Now().UnixNano(), d.lastComplaint.Load()
	if last != 0 && now-last < int64(complaintInterval) || !d.lastComplaint.CompareAndSwap(last, now) {
		return
	}
	d.logger.Warn(message+" (further warnings are held back for a while; see the metrics)",
		append(fields, zap.String("protocol", d.protocol))...)
}
