package jaegerreceiver

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/agent"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	jaegertranslator "github.com/open-telemetry/opentelemetry-collector-contrib/pkg/translator/jaeger"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	//lint:ignore SA1019 its users are who this test is for
	oteljaeger "go.opentelemetry.io/otel/exporters/jaeger"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// regenerate, when set, makes TestCorpus capture its files anew, and fail, so that
// no golden changes unnoticed. Node.js must find the package jaeger-client.
const regenerate = "GOVERNOR_REGENERATE"

// captured is what a real client sent: testdata/corpus/CLIENT/{udp,http}-NAME.bin.
type captured struct {
	client, name string
	protocol     string
	packet       []byte
}

func corpus(t testing.TB) []captured {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "corpus", "*", "*.bin"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var all []captured
	for _, file := range files {
		packet, err := os.ReadFile(file)
		require.NoError(t, err)
		c := captured{filepath.Base(filepath.Dir(file)), strings.TrimSuffix(filepath.Base(file), ".bin"), protocolCompact, packet}
		switch {
		case strings.HasPrefix(c.name, "http-"):
			c.protocol = protocolHTTP
		case c.client == "npm-jaeger-client":
			c.protocol = protocolBinary
		}
		all = append(all, c)
	}
	return all
}

// oracle decodes with the Apache Thrift library and translates with contrib's translator.
func oracle(t testing.TB, c captured) ptrace.Traces {
	t.Helper()
	ctx, memory := context.Background(), &thrift.TMemoryBuffer{Buffer: bytes.NewBuffer(c.packet)}
	var p thrift.TProtocol = thrift.NewTBinaryProtocolConf(memory, nil)
	if c.protocol == protocolCompact {
		p = thrift.NewTCompactProtocolConf(memory, nil)
	}
	batch := jaeger.NewBatch()
	if c.protocol == protocolHTTP {
		require.NoError(t, batch.Read(ctx, p))
	} else {
		_, _, _, err := p.ReadMessageBegin(ctx)
		require.NoError(t, err)
		var args agent.AgentEmitBatchArgs
		require.NoError(t, args.Read(ctx, p))
		batch = args.Batch
	}
	traces, err := jaegertranslator.ThriftToTraces(batch)
	require.NoError(t, err)
	return traces
}

// Each capture goes through sockets and queue to the next component, where it is
// what contrib's translator makes of it.
func TestCorpus(t *testing.T) {
	if os.Getenv(regenerate) != "" {
		captureNpmClient(t)
		captureOTelExporter(t)
		t.Fatal("testdata/corpus was captured anew: look at the difference, then run without " + regenerate)
	}
	spans := map[string]int{
		"npm-jaeger-client/udp-one": 1, "npm-jaeger-client/udp-rich": 3, "npm-jaeger-client/udp-many": 40, "npm-jaeger-client/http-rich": 3,
		"otel-exporter-jaeger/udp-rich": 2, "otel-exporter-jaeger/http-rich": 2,
	}
	all := corpus(t)
	require.Len(t, all, len(spans))
	for _, c := range all {
		t.Run(c.client+"/"+c.name, func(t *testing.T) {
			next := &sink{}
			cfg := quick(c.protocol, nil)
			cfg.PeerAddress = false
			r := run(t, cfg, next)
			if c.protocol == protocolHTTP {
				web := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
				response, err := web.Post("http://"+r.at(c.protocol)+"/api/traces", "application/x-thrift", bytes.NewReader(c.packet))
				require.NoError(t, err)
				require.NoError(t, response.Body.Close())
				assert.Equal(t, http.StatusAccepted, response.StatusCode)
			} else {
				send(t, dial(t, r.at(c.protocol)), c.packet)
			}
			r.settle(t, 1)
			r.stop(t)
			require.Len(t, next.traces, 1)
			assert.Equal(t, plain(oracle(t, c)), plain(next.traces[0]))
			assert.Equal(t, spans[c.client+"/"+c.name], next.spans())
			assert.Equal(t, "corpus", next.traces[0].ResourceSpans().At(0).Resource().Attributes().AsRaw()["service.name"])
		})
	}
}

func captureNpmClient(t *testing.T) {
	out, err := exec.Command("node", filepath.Join("testdata", "corpus", "npm-jaeger-client", "generate.js")).CombinedOutput()
	require.NoError(t, err, string(out))
}

func captureOTelExporter(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer conn.Close()
	bodies := make(chan []byte, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- body
	}))
	defer server.Close()
	host, port, err := net.SplitHostPort(conn.LocalAddr().String())
	require.NoError(t, err)
	exportRich(t, oteljaeger.WithAgentEndpoint(oteljaeger.WithAgentHost(host), oteljaeger.WithAgentPort(port)))
	buffer := make([]byte, maxDatagram)
	n, err := conn.Read(buffer)
	require.NoError(t, err)
	exportRich(t, oteljaeger.WithCollectorEndpoint(oteljaeger.WithEndpoint(server.URL)))
	for name, packet := range map[string][]byte{"udp-rich": buffer[:n], "http-rich": <-bodies} {
		require.NoError(t, os.WriteFile(filepath.Join("testdata", "corpus", "otel-exporter-jaeger", name+".bin"), packet, 0o644))
	}
}

// exportRich sends a failed client span with an event and a link below a server span.
func exportRich(t *testing.T, endpoint oteljaeger.EndpointOption) {
	exporter, err := oteljaeger.New(endpoint)
	require.NoError(t, err)
	ctx := context.Background()
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter),
		trace.WithResource(resource.NewSchemaless(attribute.String("service.name", "corpus"), attribute.StringSlice("a.list", []string{"x", "y"}))))
	tracer := provider.Tracer("library", oteltrace.WithInstrumentationVersion("1.2.3"))
	inner, root := tracer.Start(ctx, "GET /", oteltrace.WithSpanKind(oteltrace.SpanKindServer), oteltrace.WithAttributes(attribute.Int("http.status_code", 503)))
	_, child := tracer.Start(inner, "query", oteltrace.WithSpanKind(oteltrace.SpanKindClient), oteltrace.WithLinks(oteltrace.LinkFromContext(inner)),
		oteltrace.WithAttributes(attribute.Bool("cached", false), attribute.Float64("ratio", 0.25)))
	child.AddEvent("retry", oteltrace.WithAttributes(attribute.Int("attempt", 2)))
	child.SetStatus(codes.Error, "no rows")
	child.End()
	root.End()
	require.NoError(t, provider.Shutdown(ctx))
}
