package jaegerthrift

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opentracing/opentracing-go"
	"github.com/opentracing/opentracing-go/ext"
	"github.com/opentracing/opentracing-go/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	client "github.com/uber/jaeger-client-go"
	"github.com/uber/jaeger-client-go/transport"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// regenerate, when set, makes TestCorpus write its files anew, and fail, so that
// no golden changes unnoticed.
const regenerate = "GOVERNOR_REGENERATE"

// captured returns the packets that the real jaeger-client-go sent: emitBatch
// messages over UDP, or the bodies it posts over HTTP.
func captured(t testing.TB, http bool) map[string][]byte {
	t.Helper()
	pattern := "udp-*.bin"
	if http {
		pattern = "http-*.bin"
	}
	files, err := filepath.Glob(filepath.Join("testdata", "jaeger-client-go", pattern))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	packets := map[string][]byte{}
	for _, file := range files {
		packets[filepath.Base(file)], err = os.ReadFile(file)
		require.NoError(t, err)
	}
	return packets
}

func TestCorpus(t *testing.T) {
	if os.Getenv(regenerate) != "" {
		writeCorpus(t)
		t.Fatal("testdata/jaeger-client-go was written anew: look at the difference, then run without " + regenerate)
	}
	spans := map[string]int{"udp-one.bin": 1, "udp-rich.bin": 4, "udp-many.bin": 40, "http-rich.bin": 4}
	for _, w := range []wire{wires()[0], wires()[3]} {
		for name, packet := range captured(t, w.bare) {
			got := decodeOne(t, w, packet)
			want, err := oracleOf(w, packet)
			require.NoError(t, err)
			assert.Equal(t, plain(want), plain(got), name)
			assert.Equal(t, spans[name], got.SpanCount(), name)
			resource := got.ResourceSpans().At(0).Resource().Attributes().AsRaw()
			assert.Equal(t, "corpus", resource["service.name"], name)
			assert.Equal(t, "192.0.2.1", resource["ip"], name)
			assert.Equal(t, "Jaeger-Go-2.30.0", resource["opencensus.exporterversion"], name)
		}
	}
}

func TestCorpusTruncatedAtEveryByte(t *testing.T) {
	var d Decoder
	for _, w := range []wire{wires()[0], wires()[3]} {
		for name, packet := range captured(t, w.bare) {
			traces := ptrace.NewTraces()
			for n := range packet {
				_, err := w.decode(&d, packet[:n], traces)
				require.Error(t, err, "%s cut to %d bytes", name, n)
			}
			require.Zero(t, traces.ResourceSpans().Len())
		}
	}
}

func writeCorpus(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer conn.Close()
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { body, _ = io.ReadAll(r.Body) }))
	defer server.Close()
	for name, act := range map[string]func(opentracing.Tracer){"one": oneSpan, "rich": richSpans, "many": manySpans} {
		udp, err := client.NewUDPTransport(conn.LocalAddr().String(), 60000)
		require.NoError(t, err)
		trace(udp, act)
		buffer := make([]byte, 65536)
		n, err := conn.Read(buffer)
		require.NoError(t, err)
		writePacket(t, "udp-"+name, buffer[:n])
	}
	trace(transport.NewHTTPTransport(server.URL+"?format=jaeger.thrift", transport.HTTPBatchSize(1000)), richSpans)
	writePacket(t, "http-rich", body)
}

// trace runs the real client with a clock and random numbers that repeat.
func trace(sender client.Transport, act func(opentracing.Tracer)) {
	now, number := time.Unix(1_790_000_000, 0), uint64(0x1000)
	reporter := client.NewRemoteReporter(sender, client.ReporterOptions.BufferFlushInterval(time.Hour))
	tracer, closer := client.NewTracer("corpus", client.NewConstSampler(true), reporter,
		client.TracerOptions.TimeNow(func() time.Time { now = now.Add(137 * time.Microsecond); return now }),
		client.TracerOptions.RandomNumber(func() uint64 { number += 0x1357; return number }),
		client.TracerOptions.Gen128Bit(true), client.TracerOptions.HighTraceIDGenerator(func() uint64 { return 0xabcdef }),
		client.TracerOptions.Tag("ip", "192.0.2.1"))
	act(tracer)
	closer.Close()
}

// writePacket replaces this host's name, which the client puts in, by as many
// other letters.
func writePacket(t *testing.T, name string, packet []byte) {
	host, err := os.Hostname()
	require.NoError(t, err)
	packet = bytes.ReplaceAll(packet, []byte(host), []byte(strings.Repeat("h", len(host))))
	directory := filepath.Join("testdata", "jaeger-client-go")
	require.NoError(t, os.MkdirAll(directory, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(directory, name+".bin"), packet, 0o644))
}

func oneSpan(tracer opentracing.Tracer) { tracer.StartSpan("one").Finish() }

func richSpans(tracer opentracing.Tracer) {
	root := tracer.StartSpan("GET /", ext.SpanKindRPCServer, opentracing.Tag{Key: "http.status_code", Value: uint16(404)})
	child := tracer.StartSpan("query", opentracing.ChildOf(root.Context()), ext.SpanKindRPCClient,
		opentracing.Tag{Key: "rows", Value: 17}, opentracing.Tag{Key: "ratio", Value: 0.25},
		opentracing.Tag{Key: "cached", Value: false}, opentracing.Tag{Key: "raw", Value: []byte{0, 1, 254}})
	child.LogFields(log.Event("retry"), log.Int64("attempt", 2), log.Bool("last", true), log.Float64("delay", 0.5))
	ext.Error.Set(child, true)
	child.Finish()
	later := tracer.StartSpan("write behind", opentracing.FollowsFrom(root.Context()))
	later.SetTag("http.status_message", "späť")
	later.Finish()
	joined := tracer.StartSpan("join", opentracing.ChildOf(root.Context()), opentracing.FollowsFrom(later.Context()))
	joined.Finish()
	root.Finish()
}

func manySpans(tracer opentracing.Tracer) {
	root := tracer.StartSpan("root", ext.SpanKindRPCServer)
	for i := range 39 {
		tracer.StartSpan("step", opentracing.ChildOf(root.Context()), opentracing.Tag{Key: "i", Value: i}).Finish()
	}
	root.Finish()
}
