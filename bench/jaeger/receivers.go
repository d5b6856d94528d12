package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync/atomic"

	contrib "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/jaegerreceiver"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	governor "github.com/governor-project/governor/receiver/jaegerreceiver"
)

// The receivers that are compared.
const (
	nameGovernor = "governor"
	nameContrib  = "contrib"
)

// names is the order of a turn.
func names() []string { return []string{nameGovernor, nameContrib} }

// counter is the pipeline behind a receiver: it counts spans and forgets them.
type counter struct{ spans atomic.Int64 }

func (*counter) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (c *counter) ConsumeTraces(_ context.Context, traces ptrace.Traces) error {
	c.spans.Add(int64(traces.SpanCount()))
	return nil
}

// startReceiver starts the named receiver with its default configuration, of
// which the endpoint of thrift_compact alone is set. Its telemetry is what a
// collector has by default: metrics are recorded, traces are not, warnings go to
// standard error.
func startReceiver(ctx context.Context, name, endpoint string, next consumer.Traces) (component.Component, error) {
	if !slices.Contains(names(), name) {
		return nil, fmt.Errorf("receiver %q: must be one of %v", name, names())
	}
	factory := governor.NewFactory()
	if name == nameContrib {
		factory = contrib.NewFactory()
	}
	cfg := factory.CreateDefaultConfig()
	settings := map[string]any{"protocols": map[string]any{"thrift_compact": map[string]any{"endpoint": endpoint}}}
	if err := confmap.NewFromStringMap(settings).Unmarshal(cfg); err != nil {
		return nil, fmt.Errorf("configuration of %s: %w", name, err)
	}
	r, err := factory.CreateTraces(ctx, receiverSettings(factory.Type()), cfg, next)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", name, err)
	}
	if err := r.Start(ctx, componenttest.NewNopHost()); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return r, nil
}

func receiverSettings(kind component.Type) receiver.Settings {
	telemetry := componenttest.NewNopTelemetrySettings()
	telemetry.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	telemetry.Logger = zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig()),
		zapcore.Lock(os.Stderr), zapcore.WarnLevel))
	return receiver.Settings{
		ID: component.NewID(kind), TelemetrySettings: telemetry, BuildInfo: component.NewDefaultBuildInfo(),
	}
}
