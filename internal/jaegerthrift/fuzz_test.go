package jaegerthrift

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// A packet of n bytes may cost at most fixedCost + n*costPerByte bytes of heap.
// The dearest valid thing is a map entry of a long list of tags: 5 bytes on the
// wire, a Go map's entry, a boxed value and an attribute in memory.
const (
	fixedCost   = 32 << 10
	costPerByte = 96
)

func FuzzCompact(f *testing.F) { fuzz(f, wires()[0], wires()[:1]) }

func FuzzBinary(f *testing.F) { fuzz(f, wires()[1], wires()[1:3]) }

func FuzzBareBatch(f *testing.F) { fuzz(f, wires()[3], wires()[3:]) }

func fuzz(f *testing.F, w wire, seeds []wire) {
	for _, seed := range seeds {
		f.Add(seed.encode(f, fullBatch()))
		f.Add(seed.encode(f, batchOf("shop", 1, 2, 3)))
	}
	for _, packet := range captured(f, w.bare) {
		f.Add(packet)
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		var d Decoder
		traces := ptrace.NewTraces()
		var spans int
		var err error
		cost := allocated(func() { spans, err = w.decode(&d, packet, traces) })
		if limit := uint64(fixedCost + costPerByte*len(packet)); cost > limit {
			t.Fatalf("%d bytes cost %d bytes of heap, more than %d", len(packet), cost, limit)
		}
		if err != nil {
			kindOf(t, err)
			require.Zero(t, traces.ResourceSpans().Len())
			require.Zero(t, spans)
			return
		}
		require.Equal(t, traces.SpanCount(), spans)
		want, err := oracleOf(w, packet)
		require.NoError(t, err, "accepted here, refused by the thrift library")
		require.Equal(t, plain(withoutNaN(want)), plain(withoutNaN(traces)))
	})
}

// allocated is what a call takes from the heap. Nothing else runs in a fuzz worker.
func allocated(call func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
