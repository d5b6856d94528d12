package tracelatency

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// memory remembers which traces are finished, in two generations. The younger
// one becomes the older one, and what was the older is forgotten, after `span`
// or when it holds `limit` IDs. So an ID is remembered for at least `span`
// unless `limit` further traces finish in that time, never for longer than
// 2 × `span`, and there are never more than 2 × `limit` IDs.
//
// A forgotten trace whose spans still come is opened again: the caller counts
// it a second time, as it must with any bounded memory.
type memory struct {
	span   time.Duration
	limit  int
	turned time.Duration // when the younger generation began
	young  map[pcommon.TraceID]struct{}
	old    map[pcommon.TraceID]struct{}
}

func (m *memory) init(span time.Duration, limit int) {
	m.span, m.limit = span, limit
	m.young = make(map[pcommon.TraceID]struct{})
	m.old = make(map[pcommon.TraceID]struct{})
}

func (m *memory) add(now time.Duration, id pcommon.TraceID) {
	m.age(now)
	if len(m.young) >= m.limit {
		m.turn(now)
	}
	m.young[id] = struct{}{}
}

func (m *memory) contains(now time.Duration, id pcommon.TraceID) bool {
	m.age(now)
	if _, ok := m.young[id]; ok {
		return true
	}
	_, ok := m.old[id]
	return ok
}

// age turns the generations that time has made due.
func (m *memory) age(now time.Duration) {
	if now-m.turned < m.span {
		return
	}
	if now-m.turned < 2*m.span {
		m.turn(m.turned + m.span)
		return
	}
	clear(m.young)
	m.turn(now)
}

// turn makes the young generation the old one; the new one began at `began`.
func (m *memory) turn(began time.Duration) {
	clear(m.old)
	m.young, m.old = m.old, m.young
	m.turned = began
}
