package jaegerthrift

import (
	"errors"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// fullBatch uses every field of the IDL.
func fullBatch() *jaeger.Batch {
	number := int64(3)
	tags := []*jaeger.Tag{
		stringTag("s", "text"), boolTag("b", true), longTag("l", 300), doubleTag("d", 1.5),
		{Key: "y", VType: jaeger.TagType_BINARY, VBinary: []byte{1, 2, 3}}, stringTag("span.kind", "server"), boolTag("error", true),
	}
	span := func(id int64) *jaeger.Span {
		return &jaeger.Span{
			TraceIdLow: 1, TraceIdHigh: 2, SpanId: id, OperationName: "operation", Flags: 1, StartTime: 1_700_000_000_000_000, Duration: 1234,
			References: []*jaeger.SpanRef{{RefType: jaeger.SpanRefType_FOLLOWS_FROM, TraceIdLow: 1, TraceIdHigh: 2, SpanId: 9}},
			Tags:       tags,
			Logs:       []*jaeger.Log{{Timestamp: 1_700_000_000_000_001, Fields: []*jaeger.Tag{stringTag("event", "e"), longTag("n", 1)}}},
		}
	}
	return &jaeger.Batch{
		Process: &jaeger.Process{ServiceName: "shop", Tags: []*jaeger.Tag{stringTag("hostname", "h"), stringTag("jaeger.version", "v")}},
		Spans:   []*jaeger.Span{span(3), span(4)},
		SeqNo:   &number,
		Stats:   &jaeger.ClientStats{},
	}
}

// before is a Traces with something in it that a refused packet must not touch.
func before(t testing.TB) (ptrace.Traces, []any) {
	t.Helper()
	w := wires()[0]
	traces := decodeOne(t, w, w.encode(t, fullBatch()))
	return traces, plain(traces)
}

func kindOf(t testing.TB, err error) Kind {
	t.Helper()
	var refused *Error
	require.ErrorAs(t, err, &refused)
	return refused.Kind
}

func TestTruncatedAtEveryByteLeavesNothing(t *testing.T) {
	for _, w := range wires() {
		t.Run(w.name, func(t *testing.T) {
			packet := w.encode(t, fullBatch())
			traces, untouched := before(t)
			var d Decoder
			for n := range packet {
				spans, err := w.decode(&d, packet[:n:n], traces)
				require.Error(t, err, "%d of %d bytes", n, len(packet))
				kindOf(t, err)
				require.Zero(t, spans)
				require.Equal(t, 1, traces.ResourceSpans().Len())
			}
			require.Equal(t, untouched, plain(traces))
			spans, err := w.decode(&d, packet, traces)
			require.NoError(t, err)
			require.Equal(t, 2, spans)
		})
	}
}

func TestBytesBehindTheMessageAreIgnored(t *testing.T) {
	for _, w := range wires() {
		packet := append(w.encode(t, fullBatch()), 1, 2, 3)
		require.Equal(t, 2, decodeOne(t, w, packet).SpanCount(), w.name)
	}
}

func TestOtherMessagesAreRefused(t *testing.T) {
	for _, w := range wires()[:3] {
		for _, method := range []string{"emitZipkinBatch", "emitbatch", "", "emitBatch2"} {
			_, err := w.decode(new(Decoder), w.encodeAs(t, fullBatch(), method, thrift.ONEWAY), ptrace.NewTraces())
			assert.Equal(t, KindMessage, kindOf(t, err), "%s %q", w.name, method)
		}
		for kind, ok := range map[thrift.TMessageType]bool{thrift.CALL: true, thrift.ONEWAY: true, thrift.REPLY: false, thrift.EXCEPTION: false, 0: false} {
			_, err := w.decode(new(Decoder), w.encodeAs(t, fullBatch(), emitBatch, kind), ptrace.NewTraces())
			if ok {
				assert.NoError(t, err)
			} else {
				assert.Equal(t, KindMessage, kindOf(t, err), "%s type %d", w.name, kind)
			}
		}
	}
}

// Each packet is written by hand, so that it can break one rule.
func TestHostilePackets(t *testing.T) {
	compactHead := "\x82\x81\x01\x09emitBatch\x1c" // header, then argument 1: struct
	binaryHead := "\x80\x01\x00\x04\x00\x00\x00\x09emitBatch\x00\x00\x00\x01\x0c\x00\x01"
	process := "\x1c\x18\x00\x00" // field 1: Process{serviceName: ""}
	deep := ""                    // field 15: structs in structs
	for range maxSkipDepth + 1 {
		deep += "\x1c"
	}
	overlong := "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
	for name, c := range map[string]struct {
		binary bool
		packet string
		want   Kind
		text   string
	}{
		"empty":                      {false, "", KindTruncated, "jaeger thrift: truncated: protocol ID at byte 0"},
		"binary on the compact port": {false, binaryHead, KindHeader, "jaeger thrift: bad header: compact protocol ID (128) at byte 1"},
		"compact on the binary port": {true, compactHead, KindHeader, "jaeger thrift: bad header: binary version (33409) at byte 4"},
		"compact version 2":          {false, "\x82\x82\x01\x09emitBatch", KindHeader, "jaeger thrift: bad header: compact version (2) at byte 2"},
		"no batch":                   {false, "\x82\x81\x01\x09emitBatch\x00", KindMissingField, "jaeger thrift: missing field: emitBatch.batch at byte 14"},
		"no process":                 {false, compactHead + "\x00\x00", KindMissingField, "jaeger thrift: missing field: Batch.process at byte 15"},
		"no spans":                   {false, compactHead + process + "\x00\x00", KindMissingField, "jaeger thrift: missing field: Batch.spans at byte 19"},
		"256 Mi spans":               {false, compactHead + process + "\x19\xfc\xff\xff\xff\x7f", KindSize, "jaeger thrift: size beyond the packet: Batch.spans (268435455) at byte 24"},
		"negative compact length":    {false, compactHead + process + "\x19\xfc\xff\xff\xff\xff\x0f", KindNegativeSize, ""},
		"negative 64-bit length":     {false, compactHead + process + "\x19\xfc\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", KindNegativeSize, ""},
		"negative binary length":     {true, binaryHead + "\x0c\x00\x01\x0b\x00\x01\xff\xff\xff\xff", KindNegativeSize, "jaeger thrift: negative size: string (-1) at byte 34"},
		"varint overflow":            {false, compactHead + process + "\x19\xfc" + overlong, KindOverflow, ""},
		"i32 overflow":               {false, compactHead + process + "\x19\x1c\x75\xff\xff\xff\xff\xff\x01" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", KindOverflow, ""},
		"field ID overflow":          {false, compactHead + "\x06\xff\xff\xff\xff\x0f\x00", KindOverflow, ""},
		"spans that are strings":     {false, compactHead + process + "\x19\x18" + "\x10................", KindType, ""},
		"unknown compact type":       {false, compactHead + "\x1e", KindType, "jaeger thrift: wrong type: field (14) at byte 15"},
		"unknown binary type":        {true, binaryHead + "\x63\x00\x01", KindType, "jaeger thrift: wrong type: field (99) at byte 25"},
		"nested too deep":            {false, compactHead + "\xfc" + deep, KindDepth, ""},
		"string longer than packet":  {false, compactHead + "\x1c\x18\x7fabc", KindSize, "jaeger thrift: size beyond the packet: string (127) at byte 17"},
		"huge map":                   {false, compactHead + "\xfb\xff\xff\xff\x7f\x88", KindSize, ""},
		"map of stops":               {true, binaryHead + "\x0d\x00\x0f\x00\x00\x00\x00\x00\x01ab", KindType, ""},
		"incomplete client stats":    {false, compactHead + process + "\x19\x0c\x2c\x00", KindMissingField, "jaeger thrift: missing field: ClientStats.fullQueueDroppedSpans at byte 22"},
	} {
		t.Run(name, func(t *testing.T) {
			traces, untouched := before(t)
			decode := (*Decoder).AppendCompact
			if c.binary {
				decode = (*Decoder).AppendBinary
			}
			var err error
			cost := allocated(func() { _, err = decode(new(Decoder), []byte(c.packet), traces) })
			assert.Equal(t, c.want, kindOf(t, err), "%v", err)
			assert.Less(t, cost, uint64(fixedCost), "bytes of heap for a packet of %d", len(c.packet))
			if c.text != "" {
				assert.EqualError(t, err, c.text)
			}
			assert.Equal(t, untouched, plain(traces))
		})
	}
}

func TestACrashOfTheDecoderCostsOnePacket(t *testing.T) {
	traces, untouched := before(t)
	_, err := new(Decoder).append("x", false, func(d *Decoder) { d.newResource(); panic(errors.New("boom")) }, traces)
	require.EqualError(t, err, "jaeger thrift: internal: boom at byte 0")
	require.Equal(t, untouched, plain(traces))
}

// 65 KB of the smallest tags: the most attributes that a packet can ask for.
func TestTheLongestListOfTags(t *testing.T) {
	batch := &jaeger.Batch{Process: &jaeger.Process{}, Spans: []*jaeger.Span{{SpanId: 1}}}
	for i := range 8000 {
		batch.Spans[0].Tags = append(batch.Spans[0].Tags, &jaeger.Tag{Key: string(rune('a' + i%5000))})
	}
	for _, w := range wires() {
		packet := w.encode(t, batch)
		var d Decoder
		traces := ptrace.NewTraces()
		cost := allocated(func() {
			_, err := w.decode(&d, packet, traces)
			require.NoError(t, err)
		})
		assert.Less(t, cost, uint64(fixedCost+costPerByte*len(packet)), w.name)
		attributes := traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).Attributes()
		require.Equal(t, plain(oracle(t, batch)), plain(traces))
		require.Equal(t, 5000, attributes.Len())
	}
}
