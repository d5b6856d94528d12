package cpucontrolexporter

import (
	"context"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"

	"github.com/governor-project/governor/exporter/cpucontrolexporter/internal/metadata"
)

// NewFactory returns the factory of the cpu_control exporter. The traces and
// the metrics of one configuration share one controller: together they close
// one loop.
func NewFactory() exporter.Factory {
	shared := &controllers{open: openHost, byConfig: map[*Config]*controller{}}
	return exporter.NewFactory(
		metadata.Type,
		createDefaultConfig,
		exporter.WithTraces(shared.createTraces, metadata.TracesStability),
		exporter.WithMetrics(shared.createMetrics, metadata.MetricsStability),
	)
}

// controllers holds one controller a configuration, until it is shut down.
type controllers struct {
	open     hostOpener
	mu       sync.Mutex
	byConfig map[*Config]*controller
}

func (s *controllers) get(set exporter.Settings, cfg *Config) (*controller, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.byConfig[cfg]; ok {
		return c, nil
	}
	c, err := newController(set, cfg, s.open)
	if err != nil {
		return nil, err
	}
	s.byConfig[cfg] = c
	return c, nil
}

// drop lets a later start of the same configuration begin anew.
func (s *controllers) drop(cfg *Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byConfig, cfg)
}

func (s *controllers) createTraces(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Traces, error) {
	c, err := s.get(set, cfg.(*Config))
	if err != nil {
		return nil, err
	}
	return exporterhelper.NewTraces(ctx, set, cfg, c.consumeTraces, s.options(c)...)
}

func (s *controllers) createMetrics(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Metrics, error) {
	c, err := s.get(set, cfg.(*Config))
	if err != nil {
		return nil, err
	}
	return exporterhelper.NewMetrics(ctx, set, cfg, c.consumeMetrics, s.options(c)...)
}

// options: no queue and no retry, since an old sample is worth nothing.
func (s *controllers) options(c *controller) []exporterhelper.Option {
	return []exporterhelper.Option{
		exporterhelper.WithCapabilities(consumer.Capabilities{MutatesData: false}),
		exporterhelper.WithTimeout(exporterhelper.TimeoutConfig{Timeout: 0}),
		exporterhelper.WithStart(c.start),
		exporterhelper.WithShutdown(func(ctx context.Context) error {
			defer s.drop(c.cfg)
			return c.shutdown(ctx)
		}),
	}
}
