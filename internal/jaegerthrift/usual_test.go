package jaegerthrift

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"pgregory.net/rapid"
)

// encodeTag is a Tag as the thrift library writes it.
func encodeTag(t testing.TB, w wire, tag *jaeger.Tag) string {
	t.Helper()
	buffer := thrift.NewTMemoryBuffer()
	require.NoError(t, tag.Write(t.Context(), w.protocol(buffer)))
	return buffer.String()
}

// What clients write must take the fast way, or it is there for nothing.
func TestTagsOfClientsAreUsual(t *testing.T) {
	usual := []*jaeger.Tag{
		stringTag("k", ""), stringTag("", "text"), stringTag(strings.Repeat("k", 127), strings.Repeat("v", 127)),
		boolTag("k", true), boolTag("k", false), longTag("k", 0), longTag("k", -1), longTag("k", 1<<62),
		doubleTag("k", -0.5), {Key: "k", VType: jaeger.TagType_BINARY, VBinary: []byte{0, 255}},
	}
	unusual := []*jaeger.Tag{
		stringTag(strings.Repeat("k", 256), "v"), {Key: "k"}, {Key: "k", VType: 5},
		{Key: "k", VType: jaeger.TagType_LONG, VStr: usual[1].VStr}, {Key: "k", VStr: usual[1].VStr, VBool: usual[3].VBool},
	}
	for _, w := range wires() {
		for i, written := range append(usual, unusual...) {
			data := encodeTag(t, w, written)
			r := reader{data: data + "tail", binary: w.name != "compact"}
			var got tag
			assert.Equal(t, i < len(usual), r.usualTag(&got), "%s: %v", w.name, written)
			if i < len(usual) {
				assert.Equal(t, len(data), r.pos, "%s: %v", w.name, written)
			}
			requireSameTag(t, data+"tail", r.binary)
		}
	}
}

// requireSameTag reads a Tag both ways: where the fast one answers, the other
// answers the same; where not, nothing happened or the other fails likewise.
func requireSameTag(t testing.TB, data string, binary bool) {
	t.Helper()
	slow := Decoder{r: reader{data: data, binary: binary}}
	fast := slow.r
	var want, got tag
	valid := slow.anyTag(&want)
	if fast.usualTag(&got) {
		require.True(t, valid)
		require.Equal(t, slow.r.pos, fast.pos)
		require.Equal(t, want, got)
		return
	}
	if fast.err != nil {
		require.Equal(t, slow.r.err, fast.err)
		return
	}
	require.Zero(t, fast.pos)
}

func FuzzUsualTag(f *testing.F) {
	for _, w := range wires()[:2] {
		for _, tag := range fullBatch().Spans[0].Tags {
			f.Add([]byte(encodeTag(f, w, tag)+"\x00"), w.name != "compact")
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, binary bool) { requireSameTag(t, string(data), binary) })
}

func requireSameVarint(t require.TestingT, data string) {
	fast, slow := reader{data: data}, reader{data: data}
	require.Equal(t, slow.slowVarint(), fast.longVarint(), "%x", data)
	require.Equal(t, slow, fast, "%x", data)
}

func TestVarintsOfEveryLength(t *testing.T) {
	for shift := range 64 {
		for _, n := range []uint64{1 << shift, 1<<shift - 1, ^uint64(0) >> shift} {
			data := binary.AppendUvarint(nil, n)
			r := reader{data: string(data) + "and what follows"}
			require.Equal(t, n, r.varint())
			require.Equal(t, len(data), r.pos)
			r = reader{data: string(data)}
			require.Equal(t, n, r.varint(), "at the packet's end")
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		// Mostly continuation bytes, so that long and overlong ones come up.
		bytes := rapid.SliceOfN(rapid.OneOf(rapid.ByteRange(128, 255), rapid.ByteRange(128, 255), rapid.Byte()), 0, 24).Draw(rt, "bytes")
		requireSameVarint(rt, string(bytes))
	})
}

func TestADecoderKeepsNothingOfAPacket(t *testing.T) {
	w := wires()[0]
	var d Decoder
	for _, packet := range [][]byte{w.encode(t, fullBatch()), w.encode(t, fullBatch())[:150]} {
		_, _ = w.decode(&d, packet, ptrace.NewTraces())
		require.NotZero(t, cap(d.list))
		for _, left := range d.list[:cap(d.list)] {
			require.Zero(t, left)
		}
	}
	batch := fullBatch()
	for range maxKeptTags {
		batch.Spans[0].Tags = append(batch.Spans[0].Tags, stringTag("k", "v"))
	}
	_, err := w.decode(&d, w.encode(t, batch), ptrace.NewTraces())
	require.NoError(t, err)
	require.Zero(t, cap(d.list), "room that only an unusual packet needs")
}

// A repeated key keeps its first place, in short lists and in long ones.
func TestAttributesKeepTheOrderOfTags(t *testing.T) {
	for _, n := range []int{3, 2 * maxScannedTags} {
		batch := batchOf("shop", 1)
		var want []string
		for i := range n {
			key := strings.Repeat("k", i+1)
			want = append(want, key)
			batch.Spans[0].Tags = append(batch.Spans[0].Tags, longTag(key, 1))
		}
		batch.Spans[0].Tags = append(batch.Spans[0].Tags, longTag("k", 2))
		for _, w := range wires() {
			attrs := decodeOne(t, w, w.encode(t, batch)).ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).Attributes()
			require.Equal(t, want, keys(attrs))
			first, _ := attrs.Get("k")
			require.EqualValues(t, 2, first.Int())
		}
	}
}
