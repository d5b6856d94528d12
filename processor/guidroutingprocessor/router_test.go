package guidroutingprocessor

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/governor-project/governor/processor/guidroutingprocessor/internal/metadatatest"
)

func ints(value int64, attrs ...string) metricdata.DataPoint[int64] {
	var set []attribute.KeyValue
	for i := 0; i < len(attrs); i += 2 {
		set = append(set, attribute.String(attrs[i], attrs[i+1]))
	}
	return metricdata.DataPoint[int64]{Value: value, Attributes: attribute.NewSet(set...)}
}

var anyTime = metricdatatest.IgnoreTimestamp()

func noLatency(c *Config) { c.E2E.Enabled = false }

func TestResourceIsDescribedFromTheInventory(t *testing.T) {
	for name, test := range map[string]struct{ in, out map[string]any }{
		"of Governor": {
			in: map[string]any{"service.name": "hotrod-42", "other": "kept"},
			out: map[string]any{
				"service.name": "hotrod-42", "other": "kept", "container.id": frontID, "container.name": "shop-front",
				"container.image.name": "hotrod:1", "governor.guid": "hotrod-42", "governor.app": "shop",
				"governor.class": "latency_critical", "governor.attribution": "guid",
			},
		},
		"of somebody else, with claims": {
			in: map[string]any{"container.id": plainID[:12], "governor.app": "shop", "governor.guid": "x", "governor.class": int64(7)},
			out: map[string]any{
				"container.id": plainID, "container.name": "plain", "container.image.name": "redis",
				"governor.class": "unmanaged", "governor.attribution": "container_id",
			},
		},
		"unknown": {
			in:  map[string]any{"service.name": "elsewhere", "governor.app": "theirs"},
			out: map[string]any{"service.name": "elsewhere", "governor.app": "theirs"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, noLatency)
			defer b.stop()
			b.send(spanOf(batchOf(test.in), "s", 1, true, 0, 1))
			assert.Equal(t, test.out, b.sink.AllTraces()[0].ResourceSpans().At(0).Resource().Attributes().AsRaw())
		})
	}
}

func TestServiceName(t *testing.T) {
	for _, test := range []struct{ mode, id, want string }{
		{"keep", frontID, "mine"}, {"app", frontID, "shop"}, {"guid", frontID, "hotrod-42"},
		{"app", plainID, "mine"}, {"guid", plainID, "mine"}, // it has neither
	} {
		b := newBed(t, func(c *Config) { noLatency(c); c.ServiceName = test.mode })
		b.send(spanOf(batchOf(map[string]any{"service.name": "mine", "container.id": test.id}), "s", 1, true, 0, 1))
		got, _ := b.sink.AllTraces()[0].ResourceSpans().At(0).Resource().Attributes().Get("service.name")
		assert.Equal(t, test.want, got.Str(), "%+v", test)
		b.stop()
	}
}

func TestUnattributedIsDroppedAndCounted(t *testing.T) {
	b := newBed(t, func(c *Config) { noLatency(c); c.Unattributed = "drop" })
	defer b.stop()
	mixed := spanOf(batchOf(map[string]any{"service.name": "elsewhere"}), "lost", 1, false, 0, 1)
	spanOf(mixed, "lost too", 1, false, 0, 1)
	spanOf(batchOf(map[string]any{"container.id": plainID}), "kept", 1, true, 0, 1).
		ResourceSpans().MoveAndAppendTo(mixed.ResourceSpans())
	b.send(mixed)
	b.send(child("lost as a whole", 2, 0, 1))
	assert.Len(t, b.out(), 1)
	assert.Contains(t, b.out(), "kept")
	assert.Len(t, b.sink.AllTraces(), 1, "no empty batch goes on")

	metadatatest.AssertEqualProcessorGUIDRoutingAttributedResources(t, b.tel,
		[]metricdata.DataPoint[int64]{ints(1, "signal", "traces", "rule", "container_id")}, anyTime)
	metadatatest.AssertEqualProcessorGUIDRoutingAttributedRecords(t, b.tel,
		[]metricdata.DataPoint[int64]{ints(1, "signal", "traces", "rule", "container_id")}, anyTime)
	metadatatest.AssertEqualProcessorGUIDRoutingUnattributedResources(t, b.tel,
		[]metricdata.DataPoint[int64]{ints(2, "signal", "traces")}, anyTime)
	metadatatest.AssertEqualProcessorGUIDRoutingUnattributedRecords(t, b.tel,
		[]metricdata.DataPoint[int64]{ints(3, "signal", "traces")}, anyTime)
	metadatatest.AssertEqualProcessorGUIDRoutingDroppedRecords(t, b.tel,
		[]metricdata.DataPoint[int64]{ints(3, "signal", "traces", "reason", "unattributed")}, anyTime)
}

func TestMetricsAreAttributed(t *testing.T) {
	tel, sink := componenttest.NewTelemetry(), new(consumertest.MetricsSink)
	cfg := createDefaultConfig().(*Config)
	cfg.Unattributed = "drop"
	p, err := NewFactory().CreateMetrics(context.Background(), settings(tel), cfg, sink)
	require.NoError(t, err)
	require.NoError(t, p.Start(context.Background(), newHost()))

	md := pmetric.NewMetrics()
	known := md.ResourceMetrics().AppendEmpty()
	known.Resource().Attributes().PutStr("container.id", frontID)
	metrics := known.ScopeMetrics().AppendEmpty().Metrics()
	metrics.AppendEmpty().SetEmptyGauge().DataPoints().AppendEmpty()
	metrics.AppendEmpty().SetEmptySum().DataPoints().AppendEmpty()
	metrics.AppendEmpty().SetEmptyHistogram().DataPoints().AppendEmpty()
	metrics.AppendEmpty().SetEmptyExponentialHistogram().DataPoints().AppendEmpty()
	metrics.AppendEmpty().SetEmptySummary().DataPoints().AppendEmpty()
	metrics.AppendEmpty() // without data
	md.ResourceMetrics().AppendEmpty()
	require.NoError(t, p.ConsumeMetrics(context.Background(), md))

	require.Equal(t, 1, sink.AllMetrics()[0].ResourceMetrics().Len())
	app, _ := sink.AllMetrics()[0].ResourceMetrics().At(0).Resource().Attributes().Get("governor.app")
	assert.Equal(t, "shop", app.Str())
	metadatatest.AssertEqualProcessorGUIDRoutingAttributedRecords(t, tel,
		[]metricdata.DataPoint[int64]{ints(5, "signal", "metrics", "rule", "container_id")}, anyTime)

	only := pmetric.NewMetrics()
	only.ResourceMetrics().AppendEmpty()
	require.NoError(t, p.ConsumeMetrics(context.Background(), only))
	assert.Len(t, sink.AllMetrics(), 1)
	require.NoError(t, p.Shutdown(context.Background()))
	assert.ErrorIs(t, p.ConsumeMetrics(context.Background(), md), errStopped)
}

func TestLogsAreAttributedByTheirSender(t *testing.T) {
	tel, sink := componenttest.NewTelemetry(), new(consumertest.LogsSink)
	cfg := createDefaultConfig().(*Config)
	cfg.Unattributed = "drop"
	p, err := NewFactory().CreateLogs(context.Background(), settings(tel), cfg, sink)
	require.NoError(t, err)
	require.NoError(t, p.Start(context.Background(), newHost()))

	batch := func() plog.Logs {
		ld := plog.NewLogs()
		records := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
		records.AppendEmpty()
		records.AppendEmpty()
		return ld
	}
	ctx := client.NewContext(context.Background(), client.Info{Addr: &net.TCPAddr{IP: net.IPv4(172, 17, 0, 3)}})
	require.NoError(t, p.ConsumeLogs(ctx, batch()))
	require.NoError(t, p.ConsumeLogs(context.Background(), batch()))
	require.Len(t, sink.AllLogs(), 1)
	name, _ := sink.AllLogs()[0].ResourceLogs().At(0).Resource().Attributes().Get("container.name")
	assert.Equal(t, "plain", name.Str())
	metadatatest.AssertEqualProcessorGUIDRoutingAttributedRecords(t, tel,
		[]metricdata.DataPoint[int64]{ints(2, "signal", "logs", "rule", "peer_ip")}, anyTime)
	metadatatest.AssertEqualProcessorGUIDRoutingDroppedRecords(t, tel,
		[]metricdata.DataPoint[int64]{ints(2, "signal", "logs", "reason", "unattributed")}, anyTime)
	require.NoError(t, p.Shutdown(context.Background()))
	assert.ErrorIs(t, p.ConsumeLogs(context.Background(), batch()), errStopped)
}
