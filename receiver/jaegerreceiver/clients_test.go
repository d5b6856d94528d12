package jaegerreceiver

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	"github.com/opentracing/opentracing-go"
	"github.com/opentracing/opentracing-go/ext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	jaegerclient "github.com/uber/jaeger-client-go"
	"github.com/uber/jaeger-client-go/transport"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"
	//lint:ignore SA1019 its users are who this test is for
	oteljaeger "go.opentelemetry.io/otel/exporters/jaeger"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// jaegerTrace sends a server span with a failed client span below it, through the
// real jaeger-client-go.
func jaegerTrace(sender jaegerclient.Transport) {
	tracer, closer := jaegerclient.NewTracer("shop", jaegerclient.NewConstSampler(true), jaegerclient.NewRemoteReporter(sender))
	root := tracer.StartSpan("GET /", ext.SpanKindRPCServer)
	child := tracer.StartSpan("query", opentracing.ChildOf(root.Context()), ext.SpanKindRPCClient)
	ext.Error.Set(child, true)
	child.Finish()
	root.Finish()
	_ = closer.Close()
}

func checkJaegerTrace(t *testing.T, next *sink) {
	t.Helper()
	rs := next.traces[0].ResourceSpans().At(0)
	attributes := rs.Resource().Attributes().AsRaw()
	assert.Equal(t, "shop", attributes["service.name"])
	assert.Equal(t, "Jaeger-Go-2.30.0", attributes["opencensus.exporterversion"])
	assert.Equal(t, "127.0.0.1", attributes["network.peer.address"])
	spans := map[string]ptrace.Span{}
	for _, span := range rs.ScopeSpans().At(0).Spans().All() {
		spans[span.Name()] = span
	}
	root, child := spans["GET /"], spans["query"]
	assert.Equal(t, ptrace.SpanKindServer, root.Kind())
	assert.Equal(t, ptrace.SpanKindClient, child.Kind())
	assert.Equal(t, root.SpanID(), child.ParentSpanID())
	assert.Equal(t, root.TraceID(), child.TraceID())
	assert.Equal(t, ptrace.StatusCodeError, child.Status().Code())
}

func TestJaegerClientOverUDP(t *testing.T) {
	next := &sink{}
	r := run(t, quick(protocolCompact, nil), next)
	sender, err := jaegerclient.NewUDPTransport(r.at(protocolCompact), 0)
	require.NoError(t, err)
	jaegerTrace(sender)
	require.Eventually(t, func() bool { return next.spans() == 2 }, 5*time.Second, time.Millisecond)
	r.stop(t)
	checkJaegerTrace(t, next)
}

func TestJaegerClientOverHTTP(t *testing.T) {
	next := &sink{}
	r := run(t, quick(protocolHTTP, nil), next)
	jaegerTrace(transport.NewHTTPTransport("http://"+r.at(protocolHTTP)+"/api/traces?format=jaeger.thrift",
		transport.HTTPRoundTripper(&http.Transport{DisableKeepAlives: true})))
	require.Eventually(t, func() bool { return next.spans() == 2 }, 5*time.Second, time.Millisecond)
	r.stop(t)
	checkJaegerTrace(t, next)
	assert.Equal(t, 1, r.count(t, "packets_accepted", "protocol", protocolHTTP))
}

func TestOpenTelemetryJaegerExporter(t *testing.T) {
	host := func(r *rig, protocol string) (string, string) {
		address, port, err := net.SplitHostPort(r.at(protocol))
		require.NoError(t, err)
		return address, port
	}
	for protocol, endpoint := range map[string]func(*rig) oteljaeger.EndpointOption{
		protocolCompact: func(r *rig) oteljaeger.EndpointOption {
			address, port := host(r, protocolCompact)
			return oteljaeger.WithAgentEndpoint(oteljaeger.WithAgentHost(address), oteljaeger.WithAgentPort(port))
		},
		protocolHTTP: func(r *rig) oteljaeger.EndpointOption {
			return oteljaeger.WithCollectorEndpoint(oteljaeger.WithEndpoint("http://"+r.at(protocolHTTP)+"/api/traces"),
				oteljaeger.WithHTTPClient(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}))
		},
	} {
		t.Run(protocol, func(t *testing.T) {
			next := &sink{}
			r := run(t, quick(protocol, nil), next)
			exporter, err := oteljaeger.New(endpoint(r))
			require.NoError(t, err)
			provider := trace.NewTracerProvider(trace.WithSyncer(exporter),
				trace.WithResource(resource.NewSchemaless(attribute.String("service.name", "shop"))))
			_, span := provider.Tracer("test").Start(context.Background(), "operation")
			span.AddEvent("cache miss")
			span.End()
			require.Eventually(t, func() bool { return next.spans() == 1 }, 5*time.Second, time.Millisecond)
			require.NoError(t, provider.Shutdown(context.Background()))
			r.stop(t)
			rs := next.traces[0].ResourceSpans().At(0)
			assert.Equal(t, "shop", rs.Resource().Attributes().AsRaw()["service.name"])
			got := rs.ScopeSpans().At(0).Spans().At(0)
			assert.Equal(t, "operation", got.Name())
			assert.Equal(t, span.SpanContext().TraceID().String(), got.TraceID().String())
			assert.Equal(t, "cache miss", got.Events().At(0).Name())
		})
	}
}

func TestHTTPAnswers(t *testing.T) {
	var refusal error
	next := &sink{refuse: func(context.Context, int) error { return refusal }}
	cfg := quick(protocolHTTP, nil)
	cfg.Protocols.ThriftHTTP.Get().MaxRequestBodySize = 4000
	r := run(t, cfg, next)
	web := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	good := message(t, protocolHTTP, "shop", 2)
	for _, c := range []struct {
		name, method, path, format string
		body                       []byte
		refusal                    error
		status                     int
	}{
		{"accepted", "POST", "/api/traces", "application/x-thrift", good, nil, 202},
		{"accepted, other name", "POST", "/api/traces?format=jaeger.thrift", "application/vnd.apache.thrift.binary; charset=x", good, nil, 202},
		{"truncated", "POST", "/api/traces", "application/x-thrift", good[:20], nil, 400},
		{"empty", "POST", "/api/traces", "application/x-thrift", nil, nil, 400},
		{"other format", "POST", "/api/traces", "application/json", good, nil, 400},
		{"no format", "POST", "/api/traces", "", good, nil, 400},
		{"too large", "POST", "/api/traces", "application/x-thrift", make([]byte, 5000), nil, 413},
		{"refused for now", "POST", "/api/traces", "application/x-thrift", good, errors.New("busy"), 503},
		{"refused for good", "POST", "/api/traces", "application/x-thrift", good, consumererror.NewPermanent(errors.New("never")), 400},
		{"other method", "GET", "/api/traces", "", nil, nil, 405},
		{"other path", "POST", "/api/v2/spans", "application/x-thrift", good, nil, 404},
	} {
		refusal = c.refusal
		request, err := http.NewRequest(c.method, "http://"+r.at(protocolHTTP)+c.path, bytes.NewReader(c.body))
		require.NoError(t, err)
		if c.format != "" {
			request.Header.Set("Content-Type", c.format)
		}
		response, err := web.Do(request)
		require.NoError(t, err, c.name)
		require.NoError(t, response.Body.Close())
		assert.Equal(t, c.status, response.StatusCode, c.name)
		if c.status == http.StatusServiceUnavailable {
			assert.Equal(t, "1", response.Header.Get("Retry-After"))
		}
	}
	r.stop(t)
	assert.Equal(t, 9, r.count(t, "packets_received"))
	assert.Equal(t, 2, r.count(t, "packets_accepted"))
	assert.Equal(t, 4, r.dropped(t, reasonUndecodable))
	assert.Equal(t, 1, r.dropped(t, reasonOversized))
	assert.Equal(t, 2, r.dropped(t, reasonRefused))
}

func TestGRPC(t *testing.T) {
	var refusal error
	next := &sink{refuse: func(context.Context, int) error { return refusal }}
	r := run(t, quick(protocolGRPC, nil), next)
	conn, err := grpc.NewClient(r.at(protocolGRPC), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	api := api_v2.NewCollectorServiceClient(conn)
	request := &api_v2.PostSpansRequest{Batch: model.Batch{
		Process: &model.Process{ServiceName: "shop"},
		Spans: []*model.Span{{
			TraceID: model.NewTraceID(1, 2), SpanID: 3, OperationName: "operation", StartTime: time.Unix(1_790_000_000, 0), Duration: time.Second,
		}},
	}}
	_, err = api.PostSpans(context.Background(), request)
	require.NoError(t, err)
	refusal = errors.New("busy")
	_, err = api.PostSpans(context.Background(), request)
	assert.Equal(t, codes.Unavailable, status.Code(err))
	refusal = consumererror.NewPermanent(errors.New("never"))
	_, err = api.PostSpans(context.Background(), request)
	assert.Equal(t, codes.InvalidArgument, status.Code(err))
	require.NoError(t, conn.Close())
	r.stop(t)

	rs := next.traces[0].ResourceSpans().At(0)
	assert.Equal(t, map[string]any{"service.name": "shop", "network.peer.address": "127.0.0.1"}, rs.Resource().Attributes().AsRaw())
	assert.Equal(t, "operation", rs.ScopeSpans().At(0).Spans().At(0).Name())
	assert.Equal(t, 3, r.count(t, "packets_received", "protocol", protocolGRPC))
	assert.Equal(t, 1, r.count(t, "spans_accepted"))
	assert.Equal(t, 2, r.dropped(t, reasonRefused))
}

func TestPortInUse(t *testing.T) {
	for _, protocol := range []string{protocolHTTP, protocolGRPC} {
		first := run(t, quick(protocol, nil), &sink{})
		taken := first.at(protocol)
		cfg := quick(protocol, nil)
		if protocol == protocolHTTP {
			cfg.Protocols.ThriftHTTP.Get().NetAddr.Endpoint = taken
		} else {
			cfg.Protocols.GRPC.Get().NetAddr.Endpoint = taken
		}
		second := build(t, cfg, &sink{})
		err := second.Start(context.Background(), componenttest.NewNopHost())
		require.EqualError(t, err, "jaeger receiver: "+protocol+": listen on tcp "+taken+": listen tcp "+taken+": bind: address already in use")
		second.stop(t)
		first.stop(t)
	}
}
