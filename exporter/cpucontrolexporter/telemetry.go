package cpucontrolexporter

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/governor-project/governor/internal/actuate"
	"github.com/governor-project/governor/internal/api"
	"github.com/governor-project/governor/internal/control"
)

// record keeps a decision for the API, counts it, and logs it.
func (l *loop) record(out actuate.Outcome) {
	mode := modeObserve
	if l.cfg.Mode == modeEnforce && !l.degraded {
		mode = modeEnforce
	}
	d := api.Decision{
		Time: out.At, Pool: l.pool.CPUs.String(), ContainerID: out.ID, Container: out.Name, App: out.App,
		Class: string(out.Class), Resource: out.Resource.String(),
		Before: out.Before.Text(out.Resource), After: out.After.Text(out.Resource),
		Rule: string(out.Rule), Reason: out.Reason, Mode: mode, Result: string(out.Result),
	}
	if out.Err != nil {
		d.Error = out.Err.Error()
	}
	l.history.add(d)
	ctx := context.Background()
	resource := attribute.String("resource", d.Resource)
	l.telemetry.ExporterCPUControlDecisions.Add(ctx, 1, metric.WithAttributes(
		attribute.String("rule", d.Rule), resource, attribute.String("result", d.Result)))
	if out.Rule == control.RuleDriftReassert {
		l.telemetry.ExporterCPUControlDrift.Add(ctx, 1, metric.WithAttributes(resource))
	}
	l.log(d, out.Result)
}

func (l *loop) log(d api.Decision, result actuate.Result) {
	fields := []zap.Field{
		zap.String("container", d.Container), zap.String("app", d.App), zap.String("resource", d.Resource),
		zap.String("before", d.Before), zap.String("after", d.After), zap.String("rule", d.Rule),
		zap.String("reason", d.Reason), zap.String("result", d.Result),
	}
	switch {
	case result == actuate.Failed || result == actuate.GivenUp:
		l.logger.Warn("decision", append(fields, zap.String("error", d.Error))...)
	case d.Rule == string(control.RuleDriftReassert):
		l.logger.Warn("decision", fields...)
	default:
		l.logger.Info("decision", fields...)
	}
}

// observeStatus registers what is read from the last tick's status.
func (c *controller) observeStatus() error {
	t := c.telemetry
	return errors.Join(
		t.RegisterExporterCPUControlEnforcingCallback(func(_ context.Context, o metric.Int64Observer) error {
			if c.status.Load().enforcing {
				o.Observe(1)
			} else {
				o.Observe(0)
			}
			return nil
		}),
		t.RegisterExporterCPUControlJournalContainersCallback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(c.status.Load().journal))
			return nil
		}),
		t.RegisterExporterCPUControlStaleContainersCallback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(c.status.Load().stale))
			return nil
		}),
		t.RegisterExporterCPUControlSuppressedCpusCallback(func(_ context.Context, o metric.Float64Observer) error {
			o.Observe(c.status.Load().suppressed)
			return nil
		}),
		t.RegisterExporterCPUControlSlackCallback(func(_ context.Context, o metric.Float64Observer) error {
			for _, a := range c.status.Load().apps {
				if a.Latency.Count > 0 && !a.Objective.IsZero() {
					o.Observe(a.Slack, metric.WithAttributes(attribute.String("app", a.Name)))
				}
			}
			return nil
		}),
		t.RegisterExporterCPUControlViolationSecondsCallback(func(_ context.Context, o metric.Float64Observer) error {
			for _, a := range c.status.Load().apps {
				if !a.Objective.IsZero() {
					o.Observe(a.ViolationSeconds, metric.WithAttributes(attribute.String("app", a.Name)))
				}
			}
			return nil
		}),
	)
}
