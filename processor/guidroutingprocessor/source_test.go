package guidroutingprocessor

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.uber.org/zap"

	"github.com/governor-project/governor/internal/inventory"
)

func TestProcessorsOfOneConfigurationShareAnInventory(t *testing.T) {
	var opened, closed int
	f := &factory{sources: newSources(func(component.Host, *Config, *zap.Logger) (inventory.Reader, func(), error) {
		opened++
		return &inventory.Store{}, func() { closed++ }, nil
	})}
	ctx, set := context.Background(), settings(componenttest.NewTelemetry())
	one, other := createDefaultConfig(), createDefaultConfig()
	traces, err := f.createTraces(ctx, set, one, consumertest.NewNop())
	require.NoError(t, err)
	metrics, err := f.createMetrics(ctx, set, one, consumertest.NewNop())
	require.NoError(t, err)
	logs, err := f.createLogs(ctx, set, other, consumertest.NewNop())
	require.NoError(t, err)
	all := []component.Component{traces, metrics, logs}
	for _, c := range all {
		require.NoError(t, c.Start(ctx, componenttest.NewNopHost()))
	}
	assert.Equal(t, 2, opened, "one for each configuration")
	for i, c := range all {
		require.NoError(t, c.Shutdown(ctx))
		require.NoError(t, c.Shutdown(ctx), "shutting down again is harmless")
		assert.Equal(t, i, closed, "the last user closes")
	}
	assert.Empty(t, f.sources.used)
}

func TestStartFailsWithTheInventory(t *testing.T) {
	f := &factory{sources: newSources(func(component.Host, *Config, *zap.Logger) (inventory.Reader, func(), error) {
		return nil, nil, errors.New("no such engine")
	})}
	p, err := f.createTraces(context.Background(), settings(componenttest.NewTelemetry()), createDefaultConfig(), consumertest.NewNop())
	require.NoError(t, err)
	require.EqualError(t, p.Start(context.Background(), componenttest.NewNopHost()), "no such engine")
	require.NoError(t, p.Shutdown(context.Background()))
}

// Without an extension and without an engine the processor works: it finds nothing.
func TestOwnInventoryWithoutEngine(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	cfg.Endpoint = "unix://" + filepath.Join(t.TempDir(), "docker.sock")
	sink := new(consumertest.TracesSink)
	p, err := NewFactory().CreateTraces(context.Background(), settings(componenttest.NewTelemetry()), cfg, sink)
	require.NoError(t, err)
	require.NoError(t, p.Start(context.Background(), componenttest.NewNopHost()))
	require.NoError(t, p.ConsumeTraces(context.Background(), child("c", 1, 0, 1)))
	require.NoError(t, p.Shutdown(context.Background()))
	assert.Equal(t, 1, sink.SpanCount())
}

func TestExtensionsInventoryIsPreferred(t *testing.T) {
	h := newHost()
	reader, closeFeed, err := openInventory(h, createDefaultConfig().(*Config), zap.NewNop())
	require.NoError(t, err)
	assert.Same(t, &h.store, reader)
	closeFeed()
}
