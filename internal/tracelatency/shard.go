package tracelatency

import (
	"bytes"
	"math"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// shard is a part of the tracker with a lock of its own. Its traces stand in
// two lists: byAge holds all of them, in the order in which they were opened,
// byQuiet those with a root, in the order of their last span. Since a shard's
// time never goes back, the heads of both lists are always the next ones due,
// and every operation on a trace takes constant time.
type shard[R any] struct {
	mu       sync.Mutex
	settle   time.Duration
	maxAge   time.Duration
	limit    int // open traces
	now      time.Duration
	index    map[pcommon.TraceID]ref
	slab     slab[R]
	byAge    list
	byQuiet  list
	finished memory
	stats    Stats
}

func (s *shard[R]) init(cfg Config, limit int) {
	s.settle, s.maxAge, s.limit = cfg.Settle, cfg.MaxAge, limit
	s.index = make(map[pcommon.TraceID]ref)
	s.finished.init(cfg.MaxAge, limit)
}

// advance returns the shard's time, which never goes back.
func (s *shard[R]) advance(now time.Duration) time.Duration {
	s.now = max(s.now, now)
	return s.now
}

// observe adds a span to its trace, which it opens if need be. It returns nil
// when the trace is finished.
func (s *shard[R]) observe(at time.Duration, span *Span, exits []Exit[R]) (*entry[R], []Exit[R]) {
	now := s.advance(at)
	start, end, known, odd := span.bounds()
	if odd {
		s.stats.InvalidTimes++
	}
	r, open := s.index[span.Trace]
	if !open {
		if s.finished.contains(now, span.Trace) {
			s.stats.Late++
			return nil, exits
		}
		exits = s.makeRoom(now, exits)
		r = s.open(now, span.Trace)
	}
	e := s.slab.at(r)
	if e.spans < math.MaxUint32 {
		e.spans++
	}
	e.lastSeen = now
	if known {
		e.widen(start, end)
	}
	if e.rooted {
		s.toTail(r)
	}
	return e, exits
}

// makeRoom ends the oldest trace when there is no room for another, but first
// those that are due anyway: they are not to be called evicted.
func (s *shard[R]) makeRoom(now time.Duration, exits []Exit[R]) []Exit[R] {
	if len(s.index) < s.limit {
		return exits
	}
	exits = s.expireLocked(now, exits)
	if len(s.index) < s.limit {
		return exits
	}
	return s.finish(s.byAge.head, Evicted, exits)
}

func (s *shard[R]) open(now time.Duration, id pcommon.TraceID) ref {
	r := s.slab.take()
	e := s.slab.at(r)
	e.id, e.opened, e.self = id, now, r
	s.index[id] = r
	s.append(&s.byAge, r, age)
	return r
}

// hold gives the trace its root, or keeps the one it has.
func (s *shard[R]) hold(e *entry[R], span *Span, root R, exits []Exit[R]) []Exit[R] {
	if !e.rooted {
		e.root, e.rooted, e.rootStart, e.rootID = root, true, span.Start, span.ID
		s.stats.Held++
		s.append(&s.byQuiet, e.self, quiet)
		return exits
	}
	s.stats.Surplus++
	if span.Start < e.rootStart || span.Start == e.rootStart && bytes.Compare(span.ID[:], e.rootID[:]) < 0 {
		root, e.root = e.root, root
		e.rootStart, e.rootID = span.Start, span.ID
	}
	return append(exits, Exit[R]{Root: root, Reason: Surplus})
}

// finish ends a trace and forgets all but its ID.
func (s *shard[R]) finish(r ref, why Outcome, exits []Exit[R]) []Exit[R] {
	e := s.slab.at(r)
	if e.rooted {
		exits = append(exits, Exit[R]{Root: e.root, Reason: Reason(why), Stamped: true, Result: e.result(why)})
	}
	s.close(e, why, e.rooted)
	return exits
}

func (s *shard[R]) close(e *entry[R], why Outcome, rooted bool) {
	count := &s.stats.Finished[position(why)]
	if rooted {
		count.Rooted++
	} else {
		count.Rootless++
	}
	if e.rooted {
		s.stats.Held--
		s.remove(&s.byQuiet, e.self, quiet)
	}
	s.remove(&s.byAge, e.self, age)
	delete(s.index, e.id)
	s.finished.add(s.now, e.id)
	s.slab.give(e.self)
}

func position(why Outcome) int {
	switch why {
	case Complete:
		return 0
	case Timeout:
		return 1
	}
	return 2
}

func (s *shard[R]) conclude(at time.Duration, id pcommon.TraceID) (Result, bool) {
	s.advance(at)
	r, open := s.index[id]
	if !open {
		return Result{}, false
	}
	e := s.slab.at(r)
	result := e.result(Complete)
	s.close(e, Complete, true)
	return result, true
}

func (s *shard[R]) expire(at time.Duration, exits []Exit[R]) []Exit[R] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.expireLocked(s.advance(at), exits)
}

// expireLocked looks at quiet traces first: one that is both quiet and old is complete.
func (s *shard[R]) expireLocked(now time.Duration, exits []Exit[R]) []Exit[R] {
	for s.byQuiet.head != none && now-s.slab.at(s.byQuiet.head).lastSeen >= s.settle {
		exits = s.finish(s.byQuiet.head, Complete, exits)
	}
	for s.byAge.head != none && now-s.slab.at(s.byAge.head).opened >= s.maxAge {
		exits = s.finish(s.byAge.head, Timeout, exits)
	}
	return exits
}

func (s *shard[R]) drain(at time.Duration, exits []Exit[R]) []Exit[R] {
	s.mu.Lock()
	defer s.mu.Unlock()
	exits = s.expireLocked(s.advance(at), exits)
	for s.byAge.head != none {
		exits = s.finish(s.byAge.head, Evicted, exits)
	}
	return exits
}

func (s *shard[R]) next() (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byAge.head == none {
		return 0, false
	}
	at := s.slab.at(s.byAge.head).opened + s.maxAge
	if s.byQuiet.head != none {
		at = min(at, s.slab.at(s.byQuiet.head).lastSeen+s.settle)
	}
	return at, true
}

func (s *shard[R]) addStats(sum *Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Open = len(s.index)
	sum.add(&s.stats)
}
