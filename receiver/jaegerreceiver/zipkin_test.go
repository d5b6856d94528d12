package jaegerreceiver

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/agent"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/zipkincore"
	jaegertranslator "github.com/open-telemetry/opentelemetry-collector-contrib/pkg/translator/jaeger"
	zipkinconverter "github.com/open-telemetry/opentelemetry-collector-contrib/pkg/translator/zipkin/zipkinthriftconverter"
	"github.com/opentracing/opentracing-go/ext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	jaegerclient "github.com/uber/jaeger-client-go"
	clientthrift "github.com/uber/jaeger-client-go/thrift"
	clientagent "github.com/uber/jaeger-client-go/thrift-gen/agent"
	clientzipkin "github.com/uber/jaeger-client-go/thrift-gen/zipkincore"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"pgregory.net/rapid"
)

// zipkinMessage is an emitZipkinBatch message, written by the Apache Thrift library.
func zipkinMessage(t require.TestingT, spans ...*zipkincore.Span) []byte {
	ctx, buffer := context.Background(), thrift.NewTMemoryBuffer()
	p := thrift.NewTCompactProtocolConf(buffer, nil)
	require.NoError(t, p.WriteMessageBegin(ctx, emitZipkinBatch, thrift.ONEWAY, 1))
	require.NoError(t, (&agent.AgentEmitZipkinBatchArgs{Spans: spans}).Write(ctx, p))
	return bytes.Clone(buffer.Bytes())
}

func zipkinSpan(service string, id int64) *zipkincore.Span {
	start, duration := int64(1_790_000_000_000_000), int64(2500)
	host := &zipkincore.Endpoint{ServiceName: service, Ipv4: 127<<24 | 1, Port: 80}
	return &zipkincore.Span{
		TraceID: 7, ID: id, Name: "operation", Timestamp: &start, Duration: &duration,
		Annotations: []*zipkincore.Annotation{
			{Timestamp: start, Value: zipkincore.SERVER_RECV, Host: host},
			{Timestamp: start + 1000, Value: "cache miss", Host: host},
			{Timestamp: start + duration, Value: zipkincore.SERVER_SEND, Host: host},
		},
		BinaryAnnotations: []*zipkincore.BinaryAnnotation{
			{Key: "http.url", Value: []byte("/cart"), AnnotationType: zipkincore.AnnotationType_STRING, Host: host},
		},
	}
}

// The real client of Jaeger builds the spans and the client's own thrift writes them.
func jaegerClientZipkinPacket(t require.TestingT, service string) []byte {
	tracer, closer := jaegerclient.NewTracer(service, jaegerclient.NewConstSampler(true), jaegerclient.NewNullReporter())
	root := tracer.StartSpan("GET /", ext.SpanKindRPCServer)
	root.SetTag("http.url", "/cart").LogKV("event", "cache miss")
	root.Finish()
	buffer := clientthrift.NewTMemoryBufferLen(1024)
	client := clientagent.NewAgentClientFactory(buffer, clientthrift.NewTCompactProtocolFactoryConf(nil))
	spans := []*clientzipkin.Span{jaegerclient.BuildZipkinThrift(root.(*jaegerclient.Span))}
	require.NoError(t, client.EmitZipkinBatch(context.Background(), spans))
	require.NoError(t, closer.Close())
	return bytes.Clone(buffer.Bytes())
}

func TestZipkinDelivers(t *testing.T) {
	for name, packet := range map[string][]byte{
		"apache thrift":    zipkinMessage(t, zipkinSpan("shop", 3)),
		"jaeger-client-go": jaegerClientZipkinPacket(t, "shop"),
	} {
		t.Run(name, func(t *testing.T) {
			next := &sink{}
			r := run(t, quick(protocolZipkin, nil), next)
			send(t, dial(t, r.at(protocolZipkin)), packet)
			r.settle(t, 1)
			r.stop(t)
			require.Equal(t, 1, next.spans())
			assert.Equal(t, "127.0.0.1", next.peers[0].String())
			rs := next.traces[0].ResourceSpans().At(0)
			assert.Equal(t, "shop", rs.Resource().Attributes().AsRaw()["service.name"])
			assert.Equal(t, "127.0.0.1", rs.Resource().Attributes().AsRaw()["network.peer.address"])
			span := rs.ScopeSpans().At(0).Spans().At(0)
			assert.Equal(t, ptrace.SpanKindServer, span.Kind())
			assert.Equal(t, "/cart", span.Attributes().AsRaw()["http.url"])
			require.Equal(t, 1, span.Events().Len())
			assert.Equal(t, "cache miss", span.Events().At(0).Name())
			assert.Equal(t, 1, r.count(t, "packets_accepted", "protocol", protocolZipkin))
			assert.Equal(t, len(packet), r.count(t, "bytes_received", "protocol", protocolZipkin))
		})
	}
}

// Each port takes its own message and survives the others'.
func TestMessagesOfOtherPortsCostOnePacketEach(t *testing.T) {
	good := map[string][]byte{
		protocolCompact: message(t, protocolCompact, "shop", 1),
		protocolBinary:  message(t, protocolBinary, "shop", 1),
		protocolZipkin:  zipkinMessage(t, zipkinSpan("shop", 3)),
	}
	for protocol, own := range good {
		t.Run(protocol, func(t *testing.T) {
			next := &sink{}
			r := run(t, quick(protocol, nil), next)
			conn := dial(t, r.at(protocol))
			for _, packet := range good {
				send(t, conn, packet)
			}
			send(t, conn, own[:len(own)-2], nil, own)
			r.settle(t, 6)
			r.stop(t)
			assert.Equal(t, 2, r.count(t, "packets_accepted"))
			assert.Equal(t, 4, r.dropped(t, reasonUndecodable))
			assert.Equal(t, 2, next.spans())
		})
	}
}

func TestZipkinSpansWithoutAServiceNameAreKept(t *testing.T) {
	traces, err := decodeZipkin(zipkinMessage(t, &zipkincore.Span{TraceID: 1, ID: 2, Name: "bare"}))
	require.NoError(t, err)
	assert.Equal(t, "unknown-service-name", traces.ResourceSpans().At(0).Resource().Attributes().AsRaw()["service.name"])
}

func TestWhatSaysNothingInZipkinIsLeftOut(t *testing.T) {
	span := zipkinSpan("shop", 3)
	span.BinaryAnnotations = append(span.BinaryAnnotations, &zipkincore.BinaryAnnotation{}, &zipkincore.BinaryAnnotation{Key: "last"})
	traces, err := decodeZipkin(zipkinMessage(t, &zipkincore.Span{}, span, &zipkincore.Span{}))
	require.NoError(t, err)
	require.Equal(t, 1, traces.SpanCount())
	assert.Equal(t, map[string]any{"http.url": "/cart", "last": false},
		traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).Attributes().AsRaw())
}

func TestHostileZipkin(t *testing.T) {
	header := "\x82\x81\x01\x0f" + emitZipkinBatch
	good := zipkinMessage(t, zipkinSpan("shop", 3))
	cases := map[string]string{
		"empty":                 "",
		"no arguments":          header,
		"no spans":              header + "\x00",
		"spans of a wrong type": header + "\x18\x02ab\x00",
		"list beyond packet":    header + "\x19\xfc\xff\xff\xff\x7f\x00",
		"negative list":         header + "\x19\xfc\xff\xff\xff\xff\x0f\x00",
		"list of annotations":   header + "\x19\x1c\x69\xfc\xff\xff\xff\x7f\x00",
		"string beyond packet":  header + "\x19\x1c\x38\xff\xff\xff\x7f\x00",
		"endless length":        header + "\x19\x1c\x38\xff\xff\xff\xff\xff\xff\xff\xff\x00",
		"skipped map":           header + "\x1b\xff\xff\xff\x7f\x88\x00",
		"skipped set":           header + "\x1a\xf8\xff\xff\xff\x7f\x00",
		"deep":                  header + "\x1c" + string(bytes.Repeat([]byte{0x1c}, 1000)),
		"reply":                 "\x82\x41\x01\x0f" + emitZipkinBatch + string(good[19:]),
		"other method":          "\x82\x81\x01\x0fsubmitZipkinBat" + string(good[19:]),
		"binary protocol":       "\x80\x01\x00\x04\x00\x00\x00\x0f" + emitZipkinBatch + "\x00\x00\x00\x01\x00",
	}
	for n := range good {
		cases[fmt.Sprintf("cut to %d bytes", n)] = string(good[:n])
	}
	for name, packet := range cases {
		var err error
		cost := allocated(func() { _, err = decodeZipkin([]byte(packet)) })
		assert.Error(t, err, name)
		assert.LessOrEqual(t, cost, uint64(zipkinFixedCost+zipkinCostPerByte*len(packet)), name)
	}
}

// The cheapest elements to write: what they cost to keep stays within the bound.
func TestDenseZipkinPacketsStayWithinTheBound(t *testing.T) {
	const n = 60_000 // a length of three bytes
	list := "\xfc\xe0\xd4\x03"
	header := "\x82\x81\x01\x0f" + emitZipkinBatch
	for name, packet := range map[string]string{
		"spans":              header + "\x19" + list + strings.Repeat("\x00", n) + "\x00",
		"annotations":        header + "\x19\x1c\x69" + list + strings.Repeat("\x00", n) + "\x00\x00",
		"binary annotations": header + "\x19\x1c\x89" + list + strings.Repeat("\x00", n) + "\x00\x00",
		"spans with an ID":   header + "\x19\xfc\xa0\x9c\x01" + strings.Repeat("\x16\x02\x00", n/3) + "\x00",
		"named tags":         header + "\x19\x1c\x89\xfc\x98\x75" + strings.Repeat("\x18\x01a\x00", n/4) + "\x00\x00",
		"tags of a peer":     header + "\x19\x1c\x89\xfc\xa0\x9c\x01" + strings.Repeat("\x4c\x00\x00", n/3) + "\x00\x00",
		"named annotations":  header + "\x19\x1c\x69\xfc\xa0\x9c\x01" + strings.Repeat("\x28\x01a\x00", n/3) + "\x00\x00",
	} {
		var err error
		cost := allocated(func() { _, err = decodeZipkin([]byte(packet)) })
		require.NoError(t, err, name)
		assert.LessOrEqual(t, cost, uint64(zipkinFixedCost+zipkinCostPerByte*len(packet)), name)
		t.Logf("%s: %d bytes of heap for each byte", name, cost/uint64(len(packet)))
	}
}

func genZipkinSpan() *rapid.Generator[*zipkincore.Span] {
	text := rapid.SampledFrom([]string{"", "cs", "cr", "sr", "ss", "ms", "lc", "ca", "sa", "error", "http.status_code", "jaeger.version", `{"event":"x","a":"b"}`, "слово"})
	number := rapid.OneOf(rapid.Int64Range(0, 3), rapid.Int64())
	optional := func(t *rapid.T, name string) *int64 {
		if !rapid.Bool().Draw(t, name+" set") {
			return nil
		}
		n := number.Draw(t, name)
		return &n
	}
	host := func(t *rapid.T) *zipkincore.Endpoint {
		if !rapid.Bool().Draw(t, "host set") {
			return nil
		}
		return &zipkincore.Endpoint{
			ServiceName: rapid.SampledFrom([]string{"", "shop", "db"}).Draw(t, "service"), Ipv4: rapid.Int32().Draw(t, "ipv4"),
			Port: rapid.Int16().Draw(t, "port"), Ipv6: rapid.SampledFrom([][]byte{nil, make([]byte, 16)}).Draw(t, "ipv6"),
		}
	}
	return rapid.Custom(func(t *rapid.T) *zipkincore.Span {
		span := &zipkincore.Span{
			TraceID: number.Draw(t, "trace"), ID: number.Draw(t, "id"), Name: text.Draw(t, "name"), Debug: rapid.Bool().Draw(t, "debug"),
			ParentID: optional(t, "parent"), Timestamp: optional(t, "timestamp"), Duration: optional(t, "duration"), TraceIDHigh: optional(t, "high"),
		}
		for range rapid.IntRange(0, 5).Draw(t, "annotations") {
			span.Annotations = append(span.Annotations, &zipkincore.Annotation{Timestamp: number.Draw(t, "at"), Value: text.Draw(t, "value"), Host: host(t)})
		}
		for range rapid.IntRange(0, 5).Draw(t, "binary annotations") {
			kind := rapid.Int64Range(-1, 7).Draw(t, "type")
			if kind == int64(zipkincore.AnnotationType_DOUBLE) {
				kind = 0 // NaN equals nothing
			}
			span.BinaryAnnotations = append(span.BinaryAnnotations, &zipkincore.BinaryAnnotation{
				Key: text.Draw(t, "key"), Value: rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "bytes"),
				AnnotationType: zipkincore.AnnotationType(kind), Host: host(t),
			})
		}
		return span
	})
}

// zipkinOracle reads with the library alone and converts the whole trace at once.
func zipkinOracle(packet []byte) (ptrace.Traces, error) {
	ctx := context.Background()
	p := thrift.NewTCompactProtocolConf(&thrift.TMemoryBuffer{Buffer: bytes.NewBuffer(packet)}, nil)
	if _, _, _, err := p.ReadMessageBegin(ctx); err != nil {
		return ptrace.Traces{}, err
	}
	var args agent.AgentEmitZipkinBatchArgs
	if err := args.Read(ctx, p); err != nil {
		return ptrace.Traces{}, err
	}
	args.Spans = slices.DeleteFunc(args.Spans, blank)
	for _, span := range args.Spans {
		span.BinaryAnnotations = slices.DeleteFunc(span.BinaryAnnotations, nameless)
	}
	trace, _ := zipkinconverter.ToDomain(args.Spans)
	return jaegertranslator.ProtoToTraces([]*model.Batch{{Spans: trace.Spans}})
}

func TestZipkinDecodesToWhatContribTranslates(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		packet := zipkinMessage(rt, rapid.SliceOfN(genZipkinSpan(), 0, 6).Draw(rt, "spans")...)
		want, err := zipkinOracle(packet)
		require.NoError(rt, err)
		got, err := decodeZipkin(packet)
		require.NoError(rt, err)
		require.Equal(rt, plain(want), plain(got))
	})
}

func BenchmarkZipkin(b *testing.B) {
	spans := make([]*zipkincore.Span, 19)
	for i := range spans {
		spans[i] = zipkinSpan("shop", int64(i+1))
	}
	packet := string(zipkinMessage(b, spans...))
	g := newZipkinGatherer()
	b.SetBytes(int64(len(packet)))
	b.ReportAllocs()
	for b.Loop() {
		if err := g.add(packet, "192.0.2.1"); err != nil {
			b.Fatal(err)
		}
		g.Take()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(spans)), "ns/span")
}
