package tracelatency

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// ref numbers an entry of a slab; none is no entry.
type ref uint32

const none ref = 0

// entry is one open trace. Entries live in a slab and link to each other by
// number, so a trace costs no allocation of its own.
type entry[R any] struct {
	id         pcommon.TraceID
	opened     time.Duration // time of the first span
	lastSeen   time.Duration // time of the last span
	start, end pcommon.Timestamp
	rootStart  pcommon.Timestamp
	rootID     pcommon.SpanID
	root       R
	links      [2]link
	spans      uint32
	self       ref
	rooted     bool
}

func (e *entry[R]) widen(start, end pcommon.Timestamp) {
	if e.start == 0 || start < e.start { // 0: no timestamp known yet
		e.start = start
	}
	e.end = max(e.end, end)
}

func (e *entry[R]) result(why Outcome) Result {
	return Result{Start: e.start, End: e.end, Spans: int(e.spans), Outcome: why}
}

// slabChunk is the number of entries that are allocated together.
const slabChunk = 256

// slab hands out entries from chunks that never move and reuses those that were
// given back. It grows to the most traces that were ever open at once.
type slab[R any] struct {
	chunks [][]entry[R]
	free   []ref
	used   ref // entries ever handed out
}

func (s *slab[R]) at(r ref) *entry[R] {
	i := r - 1
	return &s.chunks[i/slabChunk][i%slabChunk]
}

func (s *slab[R]) take() ref {
	if n := len(s.free); n > 0 {
		r := s.free[n-1]
		s.free = s.free[:n-1]
		return r
	}
	if int(s.used) == len(s.chunks)*slabChunk {
		s.chunks = append(s.chunks, make([]entry[R], slabChunk))
	}
	s.used++
	return s.used
}

func (s *slab[R]) give(r ref) {
	*s.at(r) = entry[R]{}
	s.free = append(s.free, r)
}

// which says to which of a shard's lists a link belongs.
type which int

const (
	age which = iota
	quiet
)

type link struct{ prev, next ref }

type list struct{ head, tail ref }

func (s *shard[R]) append(l *list, r ref, w which) {
	s.slab.at(r).links[w] = link{prev: l.tail}
	if l.tail == none {
		l.head = r
	} else {
		s.slab.at(l.tail).links[w].next = r
	}
	l.tail = r
}

func (s *shard[R]) remove(l *list, r ref, w which) {
	at := s.slab.at(r).links[w]
	if at.prev == none {
		l.head = at.next
	} else {
		s.slab.at(at.prev).links[w].next = at.next
	}
	if at.next == none {
		l.tail = at.prev
	} else {
		s.slab.at(at.next).links[w].prev = at.prev
	}
}

// toTail notes that a rooted trace is the one seen last.
func (s *shard[R]) toTail(r ref) {
	if s.byQuiet.tail == r {
		return
	}
	s.remove(&s.byQuiet, r, quiet)
	s.append(&s.byQuiet, r, quiet)
}
