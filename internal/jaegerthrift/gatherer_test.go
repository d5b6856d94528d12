package jaegerthrift

import (
	"fmt"
	"slices"
	"testing"

	"github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"pgregory.net/rapid"
)

func batchOf(service string, ids ...int64) *jaeger.Batch {
	batch := &jaeger.Batch{Process: &jaeger.Process{ServiceName: service}, Spans: []*jaeger.Span{}}
	for _, id := range ids {
		batch.Spans = append(batch.Spans, &jaeger.Span{SpanId: id, OperationName: service})
	}
	return batch
}

func gather(t testing.TB, g *Gatherer, packet []byte, peer string) int {
	t.Helper()
	n, err := g.AppendCompact(string(packet), peer)
	require.NoError(t, err)
	return n
}

func TestPacketsOfOneProcessAndPeerShareAResource(t *testing.T) {
	w := wires()[0]
	g := NewGatherer()
	gather(t, g, w.encode(t, batchOf("shop", 1, 2)), "172.17.0.2")
	gather(t, g, w.encode(t, batchOf("shop", 3)), "172.17.0.2")
	gather(t, g, w.encode(t, batchOf("shop", 4)), "172.17.0.3")
	gather(t, g, w.encode(t, batchOf("cart", 5)), "172.17.0.2")
	assert.Equal(t, 5, g.Spans())
	assert.Equal(t, 4, g.Packets())

	traces := g.Take()
	require.Equal(t, 3, traces.ResourceSpans().Len())
	want := []struct {
		attributes map[string]any
		spans      int
	}{
		{map[string]any{"service.name": "shop", "network.peer.address": "172.17.0.2"}, 3},
		{map[string]any{"service.name": "shop", "network.peer.address": "172.17.0.3"}, 1},
		{map[string]any{"service.name": "cart", "network.peer.address": "172.17.0.2"}, 1},
	}
	for i, rs := range traces.ResourceSpans().All() {
		assert.Equal(t, want[i].attributes, rs.Resource().Attributes().AsRaw())
		assert.Equal(t, 1, rs.ScopeSpans().Len())
		assert.Equal(t, want[i].spans, rs.ScopeSpans().At(0).Spans().Len())
	}
	assert.Zero(t, g.Spans())
	assert.Zero(t, g.Take().ResourceSpans().Len(), "a flush starts anew")
	gather(t, g, w.encode(t, batchOf("shop", 9)), "172.17.0.2")
	assert.Equal(t, 1, g.Take().SpanCount(), "nothing goes to a resource that was taken")
	assert.Equal(t, 5, traces.SpanCount())
}

func TestABareBatchAndAMessageShareAResource(t *testing.T) {
	g := NewGatherer()
	spans, err := g.AppendBatch(string(wires()[3].encode(t, batchOf("shop", 1))), "p")
	require.NoError(t, err)
	require.Equal(t, 1, spans)
	_, err = g.AppendBinary(string(wires()[1].encode(t, batchOf("shop", 2))), "p")
	require.NoError(t, err)
	_, err = g.AppendBatch("\x0c", "p")
	require.Error(t, err)
	traces := g.Take()
	assert.Equal(t, 1, traces.ResourceSpans().Len(), "both are written in the binary protocol")
	assert.Equal(t, 2, traces.SpanCount())
}

func TestNoPeerNoAttribute(t *testing.T) {
	g := NewGatherer()
	gather(t, g, wires()[0].encode(t, batchOf("shop", 1)), "")
	assert.Equal(t, map[string]any{"service.name": "shop"}, g.Take().ResourceSpans().At(0).Resource().Attributes().AsRaw())
}

func TestThePeerIsWhoSentItNotWhoItSaysItIs(t *testing.T) {
	batch := batchOf("shop", 1)
	batch.Process.Tags = []*jaeger.Tag{stringTag("network.peer.address", "10.0.0.1")}
	g := NewGatherer()
	gather(t, g, wires()[0].encode(t, batch), "172.17.0.2")
	value, _ := g.Take().ResourceSpans().At(0).Resource().Attributes().Get("network.peer.address")
	assert.Equal(t, "172.17.0.2", value.Str())
}

func TestARefusedPacketLeavesAGatheredResourceAsItWas(t *testing.T) {
	w := wires()[0]
	for _, first := range []*jaeger.Batch{batchOf("shop", 1, 2), batchOf("shop")} {
		g := NewGatherer()
		gather(t, g, w.encode(t, first), "p")
		packet := w.encode(t, batchOf("shop", 3, 4, 5))
		for n := range packet {
			_, err := g.AppendCompact(string(packet[:n]), "p")
			require.Error(t, err)
		}
		require.Equal(t, len(first.Spans), g.Spans())
		require.Equal(t, 1, g.Packets())
		require.Equal(t, 3, gather(t, g, packet, "p"))
		got := g.Take()
		require.Equal(t, 1, got.ResourceSpans().Len())
		require.Equal(t, len(first.Spans)+3, got.SpanCount())
	}
}

// Gathering must not change what is said: the spans under each resource are
// those that packet by packet decoding gives. Their order may change where one
// resource is written in two ways (no tags, an empty list of tags).
func TestGatheringKeepsEverySpan(t *testing.T) {
	for _, binary := range []bool{false, true} {
		w := wires()[0]
		add := (*Gatherer).AppendCompact
		if binary {
			w, add = wires()[1], (*Gatherer).AppendBinary
		}
		rapid.Check(t, func(rt *rapid.T) {
			g, d := NewGatherer(), Decoder{}
			want := map[string][]string{}
			for range rapid.IntRange(0, 8).Draw(rt, "packets") {
				packet := w.encode(t, genBatch(rt))
				if rapid.IntRange(0, 4).Draw(rt, "damage") == 0 {
					packet[rapid.IntRange(0, len(packet)-1).Draw(rt, "at")] = rapid.Byte().Draw(rt, "byte")
				}
				alone := ptrace.NewTraces()
				_, errAlone := w.decode(&d, packet, alone)
				_, err := add(g, string(packet), "")
				require.Equal(rt, errAlone == nil, err == nil)
				collect(want, alone)
			}
			got := map[string][]string{}
			collect(got, g.Take())
			require.Equal(rt, sorted(want), sorted(got))
		})
	}
}

func sorted(spans map[string][]string) map[string][]string {
	for _, list := range spans {
		slices.Sort(list)
	}
	return spans
}

// collect puts the spans of each resource behind each other.
func collect(into map[string][]string, traces ptrace.Traces) {
	for _, rs := range withoutNaN(traces).ResourceSpans().All() {
		name := resourceName(rs)
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				into[name] = append(into[name], fmt.Sprintf("%#v", plainSpan(span)))
			}
		}
	}
}
