package tracelatency

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"pgregory.net/rapid"
)

// What the package promises: an ID is known for at least span unless limit
// others come after it, for no longer than 2 × span, and the memory is bounded.
func TestMemoryKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 8).Draw(t, "limit")
		const span = 10 * time.Second
		var m memory
		m.init(span, limit)
		type fact struct {
			at    time.Duration
			order int
		}
		facts := map[pcommon.TraceID]fact{}
		var now time.Duration
		for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
			now += time.Duration(rapid.IntRange(0, 15).Draw(t, "seconds")) * time.Second / 2
			id := pcommon.TraceID{14: byte(i >> 8), 15: byte(i)}
			m.add(now, id)
			facts[id] = fact{now, i}
			assert.LessOrEqual(t, len(m.young)+len(m.old), 2*limit)
			now += time.Duration(rapid.IntRange(0, 60).Draw(t, "seconds before the look")) * time.Second / 2
			for id, f := range facts {
				known := m.contains(now, id)
				if age := now - f.at; age < span && i-f.order < limit {
					assert.True(t, known, "age %s, %d others since", age, i-f.order)
				} else if age >= 2*span {
					assert.False(t, known, "age %s", age)
				}
			}
		}
	})
}
