package jaegerreceiver

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestQueueNeverHoldsMoreThanItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		maxBytes := rapid.IntRange(200, 5000).Draw(t, "max bytes")
		maxPackets := rapid.IntRange(0, 20).Draw(t, "max packets")
		q := newQueue(maxBytes, maxPackets)
		var taken []packet
		pushed, refused, out := 0, 0, 0
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				var packets []packet
				for range rapid.IntRange(1, 8).Draw(t, "packets") {
					packets = append(packets, packet{data: strings.Repeat("x", rapid.IntRange(0, 500).Draw(t, "size"))})
				}
				pushed += len(packets)
				refused += q.push(packets)
			},
			"take": func(*rapid.T) {
				chunk := q.take(nil)
				out += len(chunk)
				taken = append(taken, chunk...)
			},
			"release": func(*rapid.T) {
				for _, p := range taken {
					q.release(p.cost(), 1)
				}
				taken = nil
			},
			"": func(t *rapid.T) {
				held := 0
				for _, p := range append(taken[:len(taken):len(taken)], q.waiting...) {
					held += p.cost()
				}
				require.Equal(t, held, q.size())
				require.LessOrEqual(t, held, maxBytes)
				if maxPackets > 0 {
					require.LessOrEqual(t, len(taken)+len(q.waiting), maxPackets)
				}
				require.Equal(t, pushed, refused+out+len(q.waiting))
			},
		})
	})
}

func TestQueueWakesOneWorkerForABurst(t *testing.T) {
	q := newQueue(1<<20, 0)
	for range 5 {
		q.push([]packet{{data: "x"}})
	}
	require.Len(t, q.ready, 1)
	require.True(t, q.wait())
	assert.Len(t, q.take(nil), 5)
	assert.Empty(t, q.enough, "five bytes are no reason to end the gathering")
	q.push([]packet{{data: strings.Repeat("x", enoughBytes)}})
	assert.Len(t, q.enough, 1)
}

func TestAClosedQueueIsEmptiedAndTakesNothing(t *testing.T) {
	q := newQueue(1<<20, 0)
	q.push([]packet{{data: "1"}, {data: "2"}})
	q.close()
	q.close()
	assert.Equal(t, 1, q.push([]packet{{data: "3"}}))
	assert.True(t, q.wait())
	assert.Len(t, q.take(nil), 2)
	assert.False(t, q.wait())
	assert.Zero(t, q.abandon())
}

func TestALargeBurstIsSharedByWorkers(t *testing.T) {
	q := newQueue(1<<20, 0)
	q.push(make([]packet, chunkPackets+1))
	<-q.ready
	assert.Len(t, q.take(nil), chunkPackets)
	assert.Len(t, q.ready, 1, "another worker is called for the rest")
	assert.Equal(t, 1, q.abandon())
}
