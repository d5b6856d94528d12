package jaegerthrift

import (
	"testing"

	"github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"pgregory.net/rapid"
)

// Keys that mean something to the mapping, in any owner, and some that do not.
var interestingKeys = []string{
	"span.kind", "error", "otel.status_code", "otel.status_description", "http.status_code",
	"http.status_message", "event", "hostname", "host.name", "jaeger.version", "service.name",
	"opencensus.exporterversion", "w3c.tracestate", "otel.scope.name", "", "a", "b", "ключ",
}

var interestingStrings = []string{
	"", "client", "server", "producer", "consumer", "internal", "CLIENT", "OK", "ok", "ERROR", "Error",
	"200", "404", "503", "-1", "x404", "true", "go-2.30.0", "some text", "\x00\xff",
}

func genTag() *rapid.Generator[*jaeger.Tag] {
	return rapid.Custom(func(t *rapid.T) *jaeger.Tag {
		tag := &jaeger.Tag{
			Key:   rapid.SampledFrom(interestingKeys).Draw(t, "key"),
			VType: jaeger.TagType(rapid.IntRange(-1, 5).Draw(t, "type")),
		}
		if rapid.Bool().Draw(t, "set") {
			text := rapid.SampledFrom(interestingStrings).Draw(t, "str")
			double := rapid.Float64().Draw(t, "double")
			boolean := rapid.Bool().Draw(t, "bool")
			long := rapid.OneOf(rapid.Int64(), rapid.Int64Range(90, 610)).Draw(t, "long")
			tag.VStr, tag.VDouble, tag.VBool, tag.VLong = &text, &double, &boolean, &long
			tag.VBinary = rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "binary")
		}
		return tag
	})
}

func genTags(t *rapid.T, name string) []*jaeger.Tag {
	if rapid.IntRange(0, 9).Draw(t, name+" absent") == 0 {
		return nil
	}
	most := 12
	if rapid.IntRange(0, 40).Draw(t, name+" many") == 0 {
		most = 300
	}
	return rapid.SliceOfN(genTag(), 0, most).Draw(t, name)
}

func genSpan() *rapid.Generator[*jaeger.Span] {
	// A few IDs only, so that references meet spans and parents.
	id := rapid.OneOf(rapid.Int64Range(0, 2), rapid.Int64())
	return rapid.Custom(func(t *rapid.T) *jaeger.Span {
		if rapid.IntRange(0, 9).Draw(t, "blank") == 0 {
			return &jaeger.Span{}
		}
		span := &jaeger.Span{
			TraceIdLow: id.Draw(t, "low"), TraceIdHigh: id.Draw(t, "high"), SpanId: id.Draw(t, "span"),
			ParentSpanId:  rapid.OneOf(rapid.Just(int64(0)), id).Draw(t, "parent"),
			OperationName: rapid.String().Draw(t, "operation"),
			Flags:         rapid.Int32().Draw(t, "flags"),
			StartTime:     rapid.Int64().Draw(t, "start"), Duration: rapid.Int64().Draw(t, "duration"),
			Tags: genTags(t, "tags"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "references") {
			span.References = append(span.References, &jaeger.SpanRef{
				RefType:    jaeger.SpanRefType(rapid.IntRange(0, 2).Draw(t, "ref type")),
				TraceIdLow: id.Draw(t, "ref low"), TraceIdHigh: id.Draw(t, "ref high"), SpanId: id.Draw(t, "ref span"),
			})
		}
		for range rapid.IntRange(0, 3).Draw(t, "logs") {
			fields := genTags(t, "fields")
			if fields == nil {
				fields = []*jaeger.Tag{}
			}
			span.Logs = append(span.Logs, &jaeger.Log{Timestamp: rapid.Int64().Draw(t, "at"), Fields: fields})
		}
		return span
	})
}

func genBatch(t *rapid.T) *jaeger.Batch {
	batch := &jaeger.Batch{
		Process: &jaeger.Process{
			ServiceName: rapid.SampledFrom([]string{"", "shop", "a service"}).Draw(t, "service"),
			Tags:        genTags(t, "process tags"),
		},
		Spans: rapid.SliceOfN(genSpan(), 0, 20).Draw(t, "spans"),
	}
	if rapid.Bool().Draw(t, "newer fields") {
		number := rapid.Int64().Draw(t, "seqNo")
		batch.SeqNo = &number
		batch.Stats = &jaeger.ClientStats{FullQueueDroppedSpans: number}
	}
	return batch
}

func TestEveryWireDecodesToWhatContribTranslates(t *testing.T) {
	for _, w := range wires() {
		t.Run(w.name, func(t *testing.T) {
			var d Decoder
			rapid.Check(t, func(rt *rapid.T) {
				batch := genBatch(rt)
				packet := w.encode(t, batch)
				got := ptrace.NewTraces()
				spans, err := w.decode(&d, packet, got)
				require.NoError(rt, err)
				want := oracle(t, batch)
				require.Equal(rt, plain(want), plain(got))
				require.Equal(rt, want.SpanCount(), spans)
			})
		})
	}
}

// Attributes have no order in pdata, but the service's name is put first on
// purpose: many readers show the first attribute.
func TestServiceNameIsTheFirstAttribute(t *testing.T) {
	batch := &jaeger.Batch{
		Process: &jaeger.Process{ServiceName: "shop", Tags: []*jaeger.Tag{stringTag("a", "1"), stringTag("b", "2")}},
		Spans:   []*jaeger.Span{},
	}
	for _, w := range wires() {
		got := decodeOne(t, w, w.encode(t, batch))
		assert.Equal(t, []string{"service.name", "a", "b"}, keys(got.ResourceSpans().At(0).Resource().Attributes()))
	}
}

// Damaged packets must be refused, or decode to what the thrift library and
// contrib's translator make of them.
func TestDamagedPacketsAreRefusedOrDecodeAsContribWould(t *testing.T) {
	for _, w := range wires() {
		t.Run(w.name, func(t *testing.T) {
			var d Decoder
			rapid.Check(t, func(rt *rapid.T) {
				packet := w.encode(t, genBatch(rt))
				for range rapid.IntRange(1, 3).Draw(rt, "damages") {
					at := rapid.IntRange(0, len(packet)-1).Draw(rt, "at")
					packet[at] = rapid.Byte().Draw(rt, "byte")
				}
				got := ptrace.NewTraces()
				if _, err := w.decode(&d, packet, got); err != nil {
					require.Zero(rt, got.ResourceSpans().Len(), "a refused packet leaves nothing")
					return
				}
				want, err := oracleOf(w, packet)
				require.NoError(rt, err, "accepted here, refused by the thrift library")
				require.Equal(rt, plain(withoutNaN(want)), plain(withoutNaN(got)))
			})
		})
	}
}
