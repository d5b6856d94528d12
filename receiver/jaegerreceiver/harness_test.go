package jaegerreceiver

import (
	"bytes"
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/agent"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configgrpc"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/governor-project/governor/receiver/jaegerreceiver/internal/metadata"
)

// sink is the next component. It keeps what it took, and fails as told.
type sink struct {
	mu     sync.Mutex
	traces []ptrace.Traces
	peers  []net.Addr
	calls  int
	// refuse, when set, answers for each call, counted from 1.
	refuse func(ctx context.Context, call int) error
}

func (s *sink) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (s *sink) ConsumeTraces(ctx context.Context, traces ptrace.Traces) error {
	s.mu.Lock()
	s.calls++
	call, refuse := s.calls, s.refuse
	s.mu.Unlock()
	if refuse != nil {
		if err := refuse(ctx, call); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.traces = append(s.traces, traces)
	s.peers = append(s.peers, client.FromContext(ctx).Addr)
	return nil
}

func (s *sink) spans() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, traces := range s.traces {
		n += traces.SpanCount()
	}
	return n
}

func (s *sink) attempts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// rig is a receiver at work with its metrics.
type rig struct {
	*jaegerReceiver
	telemetry *componenttest.Telemetry
}

// quick returns a configuration of one protocol on a free loopback port.
func quick(protocol string, change func(*UDPConfig)) *Config {
	cfg := createDefaultConfig().(*Config)
	cfg.Retry.InitialInterval, cfg.Retry.MaxElapsedTime = time.Millisecond, 100*time.Millisecond
	udp := defaultUDP("127.0.0.1:0")
	if change != nil {
		change(&udp)
	}
	switch protocol {
	case protocolCompact:
		cfg.Protocols.ThriftCompact = configoptional.Some(udp)
	case protocolBinary:
		cfg.Protocols.ThriftBinary = configoptional.Some(udp)
	case protocolZipkin:
		cfg.Protocols.ZipkinCompact = configoptional.Some(udp)
	case protocolHTTP:
		http := confighttp.NewDefaultServerConfig()
		http.NetAddr.Endpoint = "127.0.0.1:0"
		cfg.Protocols.ThriftHTTP = configoptional.Some(http)
	case protocolGRPC:
		grpc := configgrpc.NewDefaultServerConfig()
		grpc.NetAddr.Endpoint = "127.0.0.1:0"
		cfg.Protocols.GRPC = configoptional.Some(grpc)
	}
	return cfg
}

func build(t testing.TB, cfg *Config, next consumer.Traces) *rig {
	t.Helper()
	telemetry := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, telemetry.Shutdown(context.Background())) })
	set := receivertest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = telemetry.NewTelemetrySettings()
	r, err := newReceiver(cfg, set, next)
	require.NoError(t, err)
	return &rig{r, telemetry}
}

func run(t testing.TB, cfg *Config, next consumer.Traces) *rig {
	t.Helper()
	r := build(t, cfg, next)
	require.NoError(t, r.Start(context.Background(), componenttest.NewNopHost()))
	return r
}

func (r *rig) stop(t testing.TB) {
	t.Helper()
	require.NoError(t, r.Shutdown(context.Background()))
}

func (r *rig) at(protocol string) string { return r.servers[protocol].address().String() }

// count reads a counter, summed over the attributes that are not asked for.
func (r *rig) count(t testing.TB, name string, attributes ...string) int {
	t.Helper()
	metric, err := r.telemetry.GetMetric("otelcol_receiver_jaeger_" + name)
	if err != nil {
		return 0 // never counted
	}
	total := 0
	for _, point := range metric.Data.(metricdata.Sum[int64]).DataPoints {
		matches := true
		for i := 0; i < len(attributes); i += 2 {
			value, _ := point.Attributes.Value(attribute.Key(attributes[i]))
			matches = matches && value.AsString() == attributes[i+1]
		}
		if matches {
			total += int(point.Value)
		}
	}
	return total
}

func (r *rig) dropped(t testing.TB, why reason) int {
	t.Helper()
	return r.count(t, "packets_dropped", "reason", why.String())
}

// settle waits until the account of so many sent packets is complete.
func (r *rig) settle(t testing.TB, sent int) {
	t.Helper()
	require.Eventually(t, func() bool {
		return r.count(t, "packets_accepted")+r.count(t, "packets_dropped") == sent
	}, 10*time.Second, 5*time.Millisecond, "sent = accepted + dropped")
}

func dial(t testing.TB, address string) *net.UDPConn {
	t.Helper()
	conn, err := net.Dial("udp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.UDPConn)
}

func send(t testing.TB, conn *net.UDPConn, packets ...[]byte) {
	t.Helper()
	for _, packet := range packets {
		_, err := conn.Write(packet)
		require.NoError(t, err)
	}
}

// message is an emitBatch message, written by the Apache Thrift library.
func message(t testing.TB, protocol, service string, spans int) []byte {
	t.Helper()
	batch := &jaeger.Batch{Process: &jaeger.Process{ServiceName: service}, Spans: []*jaeger.Span{}}
	for i := range spans {
		batch.Spans = append(batch.Spans, &jaeger.Span{TraceIdLow: 1, SpanId: int64(i + 1), OperationName: "operation"})
	}
	ctx, buffer := context.Background(), thrift.NewTMemoryBuffer()
	var p thrift.TProtocol = thrift.NewTBinaryProtocolConf(buffer, nil)
	if protocol == protocolCompact {
		p = thrift.NewTCompactProtocolConf(buffer, nil)
	}
	if protocol == protocolHTTP {
		require.NoError(t, batch.Write(ctx, p))
		return bytes.Clone(buffer.Bytes())
	}
	require.NoError(t, p.WriteMessageBegin(ctx, "emitBatch", thrift.ONEWAY, 1))
	require.NoError(t, (&agent.AgentEmitBatchArgs{Batch: batch}).Write(ctx, p))
	return bytes.Clone(buffer.Bytes())
}
