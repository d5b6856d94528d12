package guidroutingprocessor

import (
	"context"
	"errors"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// tracesProcessor attributes spans and has the latency of their traces worked out.
type tracesProcessor struct {
	*router
	next    consumer.Traces
	latency *latency // nil when e2e is switched off
}

func newTracesProcessor(r *router, next consumer.Traces) (*tracesProcessor, error) {
	p := &tracesProcessor{router: r, next: next}
	if !r.cfg.E2E.Enabled {
		return p, nil
	}
	var err error
	if p.latency, err = newLatency(r.cfg.E2E, next, r.telemetry, r.set.Logger); err != nil {
		return nil, err
	}
	return p, r.telemetry.observe(p.latency.tracker.Stats)
}

// Start implements component.Component.
func (p *tracesProcessor) Start(ctx context.Context, host component.Host) error {
	if err := p.router.Start(ctx, host); err != nil {
		return err
	}
	if p.latency != nil {
		p.latency.start()
	}
	return nil
}

// Shutdown implements component.Component: no batch is taken any more, the roots
// that are held go out, stamped, and the goroutine has ended when it returns.
func (p *tracesProcessor) Shutdown(ctx context.Context) error {
	err := p.router.Shutdown(ctx)
	if p.latency != nil {
		err = errors.Join(err, p.latency.shutdown(ctx))
	}
	return err
}

// ConsumeTraces implements consumer.Traces.
func (p *tracesProcessor) ConsumeTraces(ctx context.Context, td ptrace.Traces) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	pass := p.begin(ctx)
	td.ResourceSpans().RemoveIf(func(rs ptrace.ResourceSpans) bool {
		return pass.resource(rs.Resource().Attributes(), spans(rs))
	})
	pass.end(ctx)
	if td.ResourceSpans().Len() == 0 {
		return nil
	}
	if p.latency != nil {
		return p.latency.consume(ctx, td)
	}
	return p.next.ConsumeTraces(ctx, td)
}
