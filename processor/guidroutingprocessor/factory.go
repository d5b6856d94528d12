package guidroutingprocessor

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/processor"

	"github.com/governor-project/governor/processor/guidroutingprocessor/internal/metadata"
)

// NewFactory makes the factory of the guid_routing processor. The processors
// that it makes from one configuration share one inventory.
func NewFactory() processor.Factory {
	f := &factory{sources: newSources(openInventory)}
	return processor.NewFactory(
		metadata.Type,
		createDefaultConfig,
		processor.WithTraces(f.createTraces, metadata.TracesStability),
		processor.WithMetrics(f.createMetrics, metadata.MetricsStability),
		processor.WithLogs(f.createLogs, metadata.LogsStability),
	)
}

type factory struct{ sources *sources }

func (f *factory) createTraces(_ context.Context, set processor.Settings, cfg component.Config, next consumer.Traces) (processor.Traces, error) {
	r, err := newRouter(set, cfg.(*Config), f.sources, signalTraces)
	if err != nil {
		return nil, err
	}
	return newTracesProcessor(r, next)
}

func (f *factory) createMetrics(_ context.Context, set processor.Settings, cfg component.Config, next consumer.Metrics) (processor.Metrics, error) {
	r, err := newRouter(set, cfg.(*Config), f.sources, signalMetrics)
	if err != nil {
		return nil, err
	}
	return &metricsProcessor{router: r, next: next}, nil
}

func (f *factory) createLogs(_ context.Context, set processor.Settings, cfg component.Config, next consumer.Logs) (processor.Logs, error) {
	r, err := newRouter(set, cfg.(*Config), f.sources, signalLogs)
	if err != nil {
		return nil, err
	}
	return &logsProcessor{router: r, next: next}, nil
}
