//go:build docker

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	jaegeragent "github.com/jaegertracing/jaeger-idl/thrift-gen/agent"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	"github.com/opentracing/opentracing-go/ext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	jaegerclient "github.com/uber/jaeger-client-go"
	clientthrift "github.com/uber/jaeger-client-go/thrift"
	clientagent "github.com/uber/jaeger-client-go/thrift-gen/agent"
	clientzipkin "github.com/uber/jaeger-client-go/thrift-gen/zipkincore"
	"github.com/uber/jaeger-client-go/transport"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"
	//lint:ignore SA1019 its users are who this test is for
	oteljaeger "go.opentelemetry.io/otel/exporters/jaeger"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// jaegerSenders send one span "operation" of a service, each by a client of its protocol.
var jaegerSenders = map[string]func(t *testing.T, service string){
	"thrift_compact by jaeger-client-go": func(t *testing.T, service string) {
		sender, err := jaegerclient.NewUDPTransport("127.0.0.1:6831", 0)
		require.NoError(t, err)
		traceWithJaegerClient(service, sender)
	},
	"thrift_http by jaeger-client-go": func(_ *testing.T, service string) {
		traceWithJaegerClient(service, transport.NewHTTPTransport("http://127.0.0.1:14268/api/traces?format=jaeger.thrift"))
	},
	"thrift_compact by the OpenTelemetry exporter": func(t *testing.T, service string) {
		traceWithOpenTelemetry(t, service, oteljaeger.WithAgentEndpoint(oteljaeger.WithAgentHost("127.0.0.1"), oteljaeger.WithAgentPort("6831")))
	},
	"thrift_http by the OpenTelemetry exporter": func(t *testing.T, service string) {
		traceWithOpenTelemetry(t, service, oteljaeger.WithCollectorEndpoint(oteljaeger.WithEndpoint("http://127.0.0.1:14268/api/traces")))
	},
	"grpc by the api_v2 client":              sendGRPC,
	"thrift_binary by the thrift library":    sendBinary,
	"zipkin_compact by jaeger-client-go":     sendZipkin,
	"thrift_binary by the npm jaeger-client": func(t *testing.T, service string) { replay(t, "udp-one.bin", service) },
	"thrift_http by the npm jaeger-client":   func(t *testing.T, service string) { replay(t, "http-rich.bin", service) },
}

func traceWithJaegerClient(service string, sender jaegerclient.Transport) {
	tracer, closer := jaegerclient.NewTracer(service, jaegerclient.NewConstSampler(true), jaegerclient.NewRemoteReporter(sender))
	tracer.StartSpan("operation", ext.SpanKindRPCServer).Finish()
	_ = closer.Close()
}

func traceWithOpenTelemetry(t *testing.T, service string, endpoint oteljaeger.EndpointOption) {
	exporter, err := oteljaeger.New(endpoint)
	require.NoError(t, err)
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(resource.NewSchemaless(attribute.String("service.name", service))))
	_, span := provider.Tracer("test").Start(t.Context(), "operation")
	span.End()
	require.NoError(t, provider.Shutdown(t.Context()))
}

func sendGRPC(t *testing.T, service string) {
	conn, err := grpc.NewClient("127.0.0.1:14250", grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	_, err = api_v2.NewCollectorServiceClient(conn).PostSpans(t.Context(), &api_v2.PostSpansRequest{Batch: model.Batch{
		Process: &model.Process{ServiceName: service},
		Spans:   []*model.Span{{TraceID: model.NewTraceID(1, 2), SpanID: 3, OperationName: "operation", StartTime: time.Now(), Duration: time.Second}},
	}})
	require.NoError(t, err)
}

func sendBinary(t *testing.T, service string) {
	buffer := thrift.NewTMemoryBuffer()
	client := jaegeragent.NewAgentClientFactory(buffer, thrift.NewTBinaryProtocolFactoryConf(nil))
	require.NoError(t, client.EmitBatch(t.Context(), &jaeger.Batch{
		Process: &jaeger.Process{ServiceName: service},
		Spans:   []*jaeger.Span{{TraceIdLow: 1, SpanId: 2, OperationName: "operation", StartTime: time.Now().UnixMicro(), Duration: 1000}},
	}))
	sendUDP(t, "127.0.0.1:6832", buffer.Bytes())
}

func sendZipkin(t *testing.T, service string) {
	tracer, closer := jaegerclient.NewTracer(service, jaegerclient.NewConstSampler(true), jaegerclient.NewNullReporter())
	defer closer.Close()
	span := tracer.StartSpan("operation", ext.SpanKindRPCServer)
	span.Finish()
	buffer := clientthrift.NewTMemoryBufferLen(1024)
	client := clientagent.NewAgentClientFactory(buffer, clientthrift.NewTCompactProtocolFactoryConf(nil))
	require.NoError(t, client.EmitZipkinBatch(t.Context(), []*clientzipkin.Span{jaegerclient.BuildZipkinThrift(span.(*jaegerclient.Span))}))
	sendUDP(t, "127.0.0.1:5775", buffer.Bytes())
}

// replay sends what the npm package once sent, with another name of the same length
// for its service.
func replay(t *testing.T, capture, service string) {
	packet, err := os.ReadFile(filepath.Join("..", "..", "receiver", "jaegerreceiver", "testdata", "corpus", "npm-jaeger-client", capture))
	require.NoError(t, err)
	require.Len(t, service, len("corpus"))
	packet = bytes.ReplaceAll(packet, []byte("corpus"), []byte(service))
	if capture == "udp-one.bin" {
		sendUDP(t, "127.0.0.1:6832", packet)
		return
	}
	response, err := http.Post("http://127.0.0.1:14268/api/traces", "application/x-thrift", bytes.NewReader(packet))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusAccepted, response.StatusCode)
}

func sendUDP(t *testing.T, address string, packet []byte) {
	conn, err := net.Dial("udp", address)
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write(packet)
	require.NoError(t, err)
}

// storedSpan is a span in the agent's file of traces.
type storedSpan struct{ service, peer, name string }

// storedSpans reads data/traces.jsonl; a line that is being written is left out.
func storedSpans(t *testing.T, dir string) map[storedSpan]int {
	t.Helper()
	file, err := os.Open(filepath.Join(dir, "data", "traces.jsonl"))
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	defer file.Close()
	found := map[storedSpan]int{}
	for lines := bufio.NewReader(file); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return found
		}
		traces, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(line)
		require.NoError(t, err)
		for _, rs := range traces.ResourceSpans().All() {
			attributes := rs.Resource().Attributes().AsRaw()
			for _, ss := range rs.ScopeSpans().All() {
				for _, span := range ss.Spans().All() {
					found[storedSpan{fmt.Sprint(attributes["service.name"]), fmt.Sprint(attributes["network.peer.address"]), span.Name()}]++
				}
			}
		}
	}
}

func TestJaegerClientsOfEveryProtocol(t *testing.T) {
	a := startAgent(t, t.TempDir(), nil)
	services := map[string]string{}
	for name, send := range jaegerSenders {
		services[name] = fmt.Sprintf("shop%02d", len(services))
		send(t, services[name])
	}
	for name, service := range services {
		a.eventually(name+": the span is stored", startTimeout, func() bool {
			for span := range storedSpans(t, a.dir) {
				if span.service == service && span.peer == "127.0.0.1" {
					return true
				}
			}
			return false
		})
	}
	a.stop()
}

// Bytes that are no batch, on every UDP port, and a batch afterwards.
func TestJaegerPacketsOfOtherProtocolsAreSurvived(t *testing.T) {
	a := startAgent(t, t.TempDir(), nil)
	zipkin := "\x82\x81\x01\x0femitZipkinBatch\x19\xfc\xff\xff\xff\x7f"
	for _, port := range []string{"6831", "6832", "5775"} {
		for _, packet := range []string{zipkin, "\x82\x81\x01\x09emitBatch\x1c\x1c\x18\x00\x00\x19\xfc\xff\xff\xff\x7f",
			"\x80\x01\x00\x04\x00\x00\x00\x0femitZipkinBatch\x00\x00\x00\x01\x0f\x00\x01\x0c\x7f\xff\xff\xff", "x", ""} {
			sendUDP(t, "127.0.0.1:"+port, []byte(packet))
		}
	}
	sendZipkin(t, "after")
	a.eventually("the span is stored", startTimeout, func() bool {
		return storedSpans(t, a.dir)[storedSpan{"after", "127.0.0.1", "operation"}] == 1
	})
	a.stop()
}

// packetReporter sends every span as a packet of its own before Finish returns.
type packetReporter struct {
	sender jaegerclient.Transport
	sent   atomic.Int64
}

func (r *packetReporter) Report(span *jaegerclient.Span) {
	if _, err := r.sender.Append(span); err != nil {
		return
	}
	if _, err := r.sender.Flush(); err == nil {
		r.sent.Add(1)
	}
}

func (r *packetReporter) Close() { _ = r.sender.Close() }

// Clients send while the agent is told to stop, and go on: each span that the
// kernel had taken before the signal is stored.
func TestJaegerSignalUnderLoadLosesNoSpan(t *testing.T) {
	a := startAgent(t, t.TempDir(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	defer clients.Wait()
	defer cancel()
	reporters := map[string]*packetReporter{}
	for _, service := range []string{"one", "two", "three"} {
		sender, err := jaegerclient.NewUDPTransport("127.0.0.1:6831", 0)
		require.NoError(t, err)
		reporter := &packetReporter{sender: sender}
		reporters[service] = reporter
		tracer, closer := jaegerclient.NewTracer(service, jaegerclient.NewConstSampler(true), reporter)
		clients.Go(func() {
			defer closer.Close()
			for i := 0; ctx.Err() == nil; i++ {
				tracer.StartSpan(strconv.Itoa(i)).Finish()
				time.Sleep(100 * time.Microsecond) // bounded load
			}
		})
	}
	time.Sleep(2 * time.Second)
	before := map[string]int64{}
	for service, reporter := range reporters {
		before[service] = reporter.sent.Load()
	}
	a.signal(syscall.SIGTERM)
	require.Zero(t, a.wait(), "exit status after SIGTERM")
	stored := storedSpans(t, a.dir)
	for service, n := range before {
		assert.Greater(t, n, int64(500))
		lost := 0
		for i := range n {
			if stored[storedSpan{service, "127.0.0.1", strconv.FormatInt(i, 10)}] != 1 {
				lost++
			}
		}
		assert.Zero(t, lost, "of %d spans of %s sent before the signal", n, service)
	}
}

// account is the agent's own count of the packets of a protocol, by what became of them.
func account(t *testing.T, protocol string) (total int, by map[string]int) {
	t.Helper()
	response, err := http.Get("http://127.0.0.1:8888/metrics")
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	line := regexp.MustCompile(`(?m)^otelcol_receiver_jaeger_packets_(accepted|dropped)_total\{.*protocol="` + protocol + `"(?:,reason="(\w+)")?,receiver="jaeger"\} (\S+)$`)
	by = map[string]int{}
	for _, match := range line.FindAllStringSubmatch(string(text), -1) {
		value, err := strconv.ParseFloat(match[3], 64)
		require.NoError(t, err)
		by[match[1]+match[2]] = int(value)
		total += int(value)
	}
	return total, by
}

// A flood of good, bad and oversized packets: the agent's counters add up to what
// was sent, and what they call accepted is stored.
func TestJaegerFloodIsAccountedFor(t *testing.T) {
	a := startAgent(t, t.TempDir(), nil)
	buffer := thrift.NewTMemoryBuffer()
	client := jaegeragent.NewAgentClientFactory(buffer, thrift.NewTCompactProtocolFactoryConf(nil))
	require.NoError(t, client.EmitBatch(t.Context(), &jaeger.Batch{
		Process: &jaeger.Process{ServiceName: "flood"},
		Spans:   []*jaeger.Span{{TraceIdLow: 1, SpanId: 2, OperationName: "operation", StartTime: time.Now().UnixMicro(), Duration: 1000}},
	}))
	good, oversized := buffer.Bytes(), make([]byte, 65_100)
	const senders, rounds = 8, 1500
	var wait sync.WaitGroup
	for range senders {
		conn, err := net.Dial("udp", "127.0.0.1:6831")
		require.NoError(t, err)
		wait.Go(func() {
			defer conn.Close()
			for range rounds {
				for _, packet := range [][]byte{good, good[:len(good)-1], good, oversized} {
					_, err := conn.Write(packet)
					assert.NoError(t, err)
				}
			}
		})
	}
	wait.Wait()
	const sent = 4 * senders * rounds
	a.eventually("sent = accepted + dropped", startTimeout, func() bool { total, _ := account(t, "thrift_compact"); return total == sent })
	_, by := account(t, "thrift_compact")
	t.Logf("%d sent: %v", sent, by)
	// Whether the kernel has to drop depends on the machine; the receiver's own test forces it to.
	assert.Positive(t, by["accepted"])
	assert.Positive(t, by["droppedundecodable"])
	assert.Positive(t, by["droppedoversized"])
	a.stop()
	assert.Equal(t, by["accepted"], storedSpans(t, a.dir)[storedSpan{"flood", "127.0.0.1", "operation"}])
}
