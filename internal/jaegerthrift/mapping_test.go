package jaegerthrift

import (
	"math"
	"testing"

	"github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

func stringTag(key, value string) *jaeger.Tag {
	return &jaeger.Tag{Key: key, VType: jaeger.TagType_STRING, VStr: &value}
}

func boolTag(key string, value bool) *jaeger.Tag {
	return &jaeger.Tag{Key: key, VType: jaeger.TagType_BOOL, VBool: &value}
}

func longTag(key string, value int64) *jaeger.Tag {
	return &jaeger.Tag{Key: key, VType: jaeger.TagType_LONG, VLong: &value}
}

func doubleTag(key string, value float64) *jaeger.Tag {
	return &jaeger.Tag{Key: key, VType: jaeger.TagType_DOUBLE, VDouble: &value}
}

func decodeOne(t testing.TB, w wire, packet []byte) ptrace.Traces {
	t.Helper()
	var d Decoder
	traces := ptrace.NewTraces()
	_, err := w.decode(&d, packet, traces)
	require.NoError(t, err)
	return traces
}

// withoutNaN replaces NaN, which does not equal itself.
func withoutNaN(traces ptrace.Traces) ptrace.Traces {
	clean := func(attrs pcommon.Map) {
		for _, value := range attrs.All() {
			if value.Type() == pcommon.ValueTypeDouble && math.IsNaN(value.Double()) {
				value.SetStr("NaN")
			}
		}
	}
	for _, rs := range traces.ResourceSpans().All() {
		clean(rs.Resource().Attributes())
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				clean(span.Attributes())
				for _, event := range span.Events().All() {
					clean(event.Attributes())
				}
			}
		}
	}
	return traces
}

// mappingCase is one row of the mapping: what a span (or process) says and what
// becomes of it. contrib's translator must agree with each row.
type mappingCase struct {
	name    string
	process *jaeger.Process
	span    *jaeger.Span
	check   func(*testing.T, pcommon.Map, ptrace.Span)
}

func mappingCases() []mappingCase {
	tagged := func(tags ...*jaeger.Tag) *jaeger.Span { return &jaeger.Span{SpanId: 1, Tags: tags} }
	follows, child := jaeger.SpanRefType_FOLLOWS_FROM, jaeger.SpanRefType_CHILD_OF
	status := func(code ptrace.StatusCode, message string, left map[string]any) func(*testing.T, pcommon.Map, ptrace.Span) {
		return func(t *testing.T, _ pcommon.Map, s ptrace.Span) {
			require.Equal(t, code, s.Status().Code())
			require.Equal(t, message, s.Status().Message())
			require.Equal(t, left, s.Attributes().AsRaw())
		}
	}
	kind := func(want ptrace.SpanKind) func(*testing.T, pcommon.Map, ptrace.Span) {
		return func(t *testing.T, _ pcommon.Map, s ptrace.Span) {
			require.Equal(t, want, s.Kind())
			require.Zero(t, s.Attributes().Len(), "span.kind is removed")
		}
	}
	resource := func(want map[string]any) func(*testing.T, pcommon.Map, ptrace.Span) {
		return func(t *testing.T, attrs pcommon.Map, _ ptrace.Span) { require.Equal(t, want, attrs.AsRaw()) }
	}
	attributes := func(want map[string]any) func(*testing.T, pcommon.Map, ptrace.Span) {
		return func(t *testing.T, _ pcommon.Map, s ptrace.Span) { require.Equal(t, want, s.Attributes().AsRaw()) }
	}
	none := map[string]any{}
	return []mappingCase{
		{"service name", &jaeger.Process{ServiceName: "shop"}, tagged(), resource(map[string]any{"service.name": "shop"})},
		{"no service name", &jaeger.Process{}, tagged(), resource(none)},
		{"a tag wins over the service name", &jaeger.Process{ServiceName: "shop", Tags: []*jaeger.Tag{stringTag("service.name", "tag")}},
			tagged(), resource(map[string]any{"service.name": "tag"})},
		{"hostname becomes host.name", &jaeger.Process{Tags: []*jaeger.Tag{stringTag("hostname", "h")}},
			tagged(), resource(map[string]any{"host.name": "h"})},
		{"hostname beside host.name stays", &jaeger.Process{Tags: []*jaeger.Tag{stringTag("hostname", "h"), stringTag("host.name", "n")}},
			tagged(), resource(map[string]any{"hostname": "h", "host.name": "n"})},
		{"jaeger.version", &jaeger.Process{Tags: []*jaeger.Tag{stringTag("jaeger.version", "Go-2.30.0")}},
			tagged(), resource(map[string]any{"opencensus.exporterversion": "Jaeger-Go-2.30.0"})},
		{"scope tags stay attributes", nil, tagged(stringTag("otel.scope.name", "lib")), attributes(map[string]any{"otel.scope.name": "lib"})},
		{"128-bit trace ID", nil, &jaeger.Span{TraceIdHigh: 0x0102030405060708, TraceIdLow: 0x090a0b0c0d0e0f10, SpanId: -2},
			func(t *testing.T, _ pcommon.Map, s ptrace.Span) {
				require.Equal(t, pcommon.TraceID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, s.TraceID())
				require.Equal(t, pcommon.SpanID{255, 255, 255, 255, 255, 255, 255, 254}, s.SpanID())
			}},
		{"64-bit trace ID", nil, &jaeger.Span{TraceIdLow: 1}, func(t *testing.T, _ pcommon.Map, s ptrace.Span) {
			require.Equal(t, pcommon.TraceID{15: 1}, s.TraceID())
		}},
		{"times", nil, &jaeger.Span{StartTime: 1_000_001, Duration: 500}, func(t *testing.T, _ pcommon.Map, s ptrace.Span) {
			require.Equal(t, pcommon.Timestamp(1_000_001_000), s.StartTimestamp())
			require.Equal(t, pcommon.Timestamp(1_000_501_000), s.EndTimestamp())
		}},
		{"parent from the field", nil, &jaeger.Span{SpanId: 1, ParentSpanId: 9, References: []*jaeger.SpanRef{{RefType: child, SpanId: 8}}},
			func(t *testing.T, _ pcommon.Map, s ptrace.Span) {
				require.Equal(t, pcommon.SpanID{7: 9}, s.ParentSpanID())
				require.Equal(t, 1, s.Links().Len(), "the other reference stays a link")
			}},
		{"parent from CHILD_OF, before FOLLOWS_FROM", nil, &jaeger.Span{SpanId: 1, References: []*jaeger.SpanRef{{RefType: follows, SpanId: 7}, {RefType: child, SpanId: 8}}},
			func(t *testing.T, _ pcommon.Map, s ptrace.Span) {
				require.Equal(t, pcommon.SpanID{7: 8}, s.ParentSpanID())
				require.Equal(t, 1, s.Links().Len())
				require.Equal(t, pcommon.SpanID{7: 7}, s.Links().At(0).SpanID())
				require.Equal(t, map[string]any{"opentracing.ref_type": "follows_from"}, s.Links().At(0).Attributes().AsRaw())
			}},
		{"parent from FOLLOWS_FROM, which stays a link", nil, &jaeger.Span{SpanId: 1, References: []*jaeger.SpanRef{{RefType: follows, SpanId: 7}}},
			func(t *testing.T, _ pcommon.Map, s ptrace.Span) {
				require.Equal(t, pcommon.SpanID{7: 7}, s.ParentSpanID())
				require.Equal(t, 1, s.Links().Len())
			}},
		{"a reference into another trace is a link only", nil, &jaeger.Span{SpanId: 1, References: []*jaeger.SpanRef{{RefType: child, TraceIdLow: 5, SpanId: 7}}},
			func(t *testing.T, _ pcommon.Map, s ptrace.Span) {
				require.True(t, s.ParentSpanID().IsEmpty())
				require.Equal(t, map[string]any{"opentracing.ref_type": "child_of"}, s.Links().At(0).Attributes().AsRaw())
			}},
		{"tag types", nil, tagged(stringTag("s", "x"), boolTag("b", true), longTag("l", -3), doubleTag("d", 2.5),
			&jaeger.Tag{Key: "y", VType: jaeger.TagType_BINARY, VBinary: []byte{1, 2}}),
			attributes(map[string]any{"s": "x", "b": true, "l": int64(-3), "d": 2.5, "y": []byte{1, 2}})},
		{"unset values are zero", nil, tagged(&jaeger.Tag{Key: "s"}, &jaeger.Tag{Key: "b", VType: jaeger.TagType_BOOL},
			&jaeger.Tag{Key: "l", VType: jaeger.TagType_LONG}, &jaeger.Tag{Key: "d", VType: jaeger.TagType_DOUBLE}),
			attributes(map[string]any{"s": "", "b": false, "l": int64(0), "d": 0.0})},
		{"the last of two equal keys wins", nil, tagged(stringTag("k", "1"), stringTag("other", "2"), longTag("k", 3)),
			attributes(map[string]any{"k": int64(3), "other": "2"})},
		{"kind client", nil, tagged(stringTag("span.kind", "client")), kind(ptrace.SpanKindClient)},
		{"kind server", nil, tagged(stringTag("span.kind", "server")), kind(ptrace.SpanKindServer)},
		{"kind producer", nil, tagged(stringTag("span.kind", "producer")), kind(ptrace.SpanKindProducer)},
		{"kind consumer", nil, tagged(stringTag("span.kind", "consumer")), kind(ptrace.SpanKindConsumer)},
		{"kind internal", nil, tagged(stringTag("span.kind", "internal")), kind(ptrace.SpanKindInternal)},
		{"kind unknown", nil, tagged(stringTag("span.kind", "Server")), kind(ptrace.SpanKindUnspecified)},
		{"kind of the wrong type", nil, tagged(stringTag("span.kind", "server"), longTag("span.kind", 2)), kind(ptrace.SpanKindUnspecified)},
		{"error", nil, tagged(boolTag("error", true)), status(ptrace.StatusCodeError, "", none)},
		{"error false stays", nil, tagged(boolTag("error", false)), status(ptrace.StatusCodeUnset, "", map[string]any{"error": false})},
		{"error as text stays", nil, tagged(stringTag("error", "true")), status(ptrace.StatusCodeUnset, "", map[string]any{"error": "true"})},
		{"error with a description", nil, tagged(boolTag("error", true), stringTag("otel.status_description", "no"), stringTag("http.status_message", "kept")),
			status(ptrace.StatusCodeError, "no", map[string]any{"http.status_message": "kept"})},
		{"error with an HTTP message", nil, tagged(boolTag("error", true), stringTag("http.status_message", "kept")),
			status(ptrace.StatusCodeError, "kept", map[string]any{"http.status_message": "kept"})},
		{"error before a status code", nil, tagged(boolTag("error", true), stringTag("otel.status_code", "OK")), status(ptrace.StatusCodeError, "", none)},
		{"status ok", nil, tagged(stringTag("otel.status_code", "ok")), status(ptrace.StatusCodeOk, "", none)},
		{"status error described", nil, tagged(stringTag("otel.status_code", "ERROR"), stringTag("otel.status_description", "no")), status(ptrace.StatusCodeError, "no", none)},
		{"status unknown", nil, tagged(stringTag("otel.status_code", "2")), status(ptrace.StatusCodeUnset, "", none)},
		{"status code before HTTP", nil, tagged(stringTag("otel.status_code", "OK"), longTag("http.status_code", 500)),
			status(ptrace.StatusCodeOk, "", map[string]any{"http.status_code": int64(500)})},
		{"HTTP 404 of a client", nil, tagged(longTag("http.status_code", 404), stringTag("span.kind", "client")),
			status(ptrace.StatusCodeError, "", map[string]any{"http.status_code": int64(404)})},
		{"HTTP 404 of a server", nil, tagged(stringTag("http.status_code", "404"), stringTag("span.kind", "server")),
			status(ptrace.StatusCodeUnset, "", map[string]any{"http.status_code": "404"})},
		{"HTTP 399 is an error", nil, tagged(longTag("http.status_code", 399)), status(ptrace.StatusCodeError, "", map[string]any{"http.status_code": int64(399)})},
		{"HTTP 200", nil, tagged(longTag("http.status_code", 200)), status(ptrace.StatusCodeUnset, "", map[string]any{"http.status_code": int64(200)})},
		{"HTTP no number", nil, tagged(stringTag("http.status_code", "x")), status(ptrace.StatusCodeUnset, "", map[string]any{"http.status_code": "x"})},
		{"logs", nil, &jaeger.Span{SpanId: 1, Logs: []*jaeger.Log{{Timestamp: 5, Fields: []*jaeger.Tag{stringTag("event", "gc"), longTag("n", 1)}}}},
			func(t *testing.T, _ pcommon.Map, s ptrace.Span) {
				require.Equal(t, "gc", s.Events().At(0).Name())
				require.Equal(t, pcommon.Timestamp(5000), s.Events().At(0).Timestamp())
				require.Equal(t, map[string]any{"n": int64(1)}, s.Events().At(0).Attributes().AsRaw())
			}},
		{"flags and trace state are ignored", nil, &jaeger.Span{SpanId: 1, Flags: 1, Tags: []*jaeger.Tag{stringTag("w3c.tracestate", "a=b")}},
			func(t *testing.T, _ pcommon.Map, s ptrace.Span) {
				require.Zero(t, s.Flags())
				require.Empty(t, s.TraceState().AsRaw())
				require.Equal(t, map[string]any{"w3c.tracestate": "a=b"}, s.Attributes().AsRaw())
			}},
	}
}

func TestEachRowOfTheMapping(t *testing.T) {
	for _, row := range mappingCases() {
		t.Run(row.name, func(t *testing.T) {
			process := row.process
			if process == nil {
				process = &jaeger.Process{}
			}
			batch := &jaeger.Batch{Process: process, Spans: []*jaeger.Span{row.span}}
			for _, w := range wires() {
				got := decodeOne(t, w, w.encode(t, batch))
				require.Equal(t, plain(oracle(t, batch)), plain(got), w.name)
				rs := got.ResourceSpans().At(0)
				row.check(t, rs.Resource().Attributes(), rs.ScopeSpans().At(0).Spans().At(0))
			}
		})
	}
}

func TestNaNSurvives(t *testing.T) {
	batch := &jaeger.Batch{Process: &jaeger.Process{}, Spans: []*jaeger.Span{{Tags: []*jaeger.Tag{doubleTag("d", math.NaN())}}}}
	for _, w := range wires() {
		value, _ := decodeOne(t, w, w.encode(t, batch)).ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).Attributes().Get("d")
		require.True(t, math.IsNaN(value.Double()))
	}
}

func TestBlankSpansAreLeftOut(t *testing.T) {
	some := &jaeger.Span{SpanId: 4}
	blank := &jaeger.Span{}
	for _, spans := range [][]*jaeger.Span{{blank}, {blank, some}, {some, blank}, {blank, blank, some, blank, some, blank}, {}} {
		batch := &jaeger.Batch{Process: &jaeger.Process{ServiceName: "s"}, Spans: spans}
		for _, w := range wires() {
			require.Equal(t, plain(oracle(t, batch)), plain(decodeOne(t, w, w.encode(t, batch))))
		}
	}
}
