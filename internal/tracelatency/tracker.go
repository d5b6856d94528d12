package tracelatency

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

const (
	// maxShards bounds lock contention; more shards than cores of a large host
	// gain nothing, because a lock is held for some 100 ns.
	maxShards = 16
	// minTracesPerShard keeps the shards' shares of MaxTraces so large that chance
	// seldom fills one long before the others: at 2048 the fullest of 16 shards
	// is about 5 % above the mean (two standard deviations of a Poisson count).
	minTracesPerShard = 2048
)

// Tracker follows open traces and holds their roots. R is what the caller keeps
// of a root; it is handed back unchanged.
//
// All methods are safe for concurrent use. State is sharded by trace ID; each
// shard is owned by whoever holds its lock, never for longer than one span, one
// Expire or one Drain needs.
type Tracker[R any] struct {
	shards []shard[R]
	shift  uint // 64 − log2(len(shards))
}

// New makes an empty tracker or reports everything that is wrong with cfg.
func New[R any](cfg Config) (*Tracker[R], error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	count, shift := 1, uint(64)
	for count < maxShards && cfg.MaxTraces/(count*2) >= minTracesPerShard {
		count, shift = count*2, shift-1
	}
	t := &Tracker[R]{shards: make([]shard[R], count), shift: shift}
	for i := range t.shards {
		limit := cfg.MaxTraces / count
		if i < cfg.MaxTraces%count {
			limit++
		}
		t.shards[i].init(cfg, limit)
	}
	return t, nil
}

// Validate reports everything that is wrong at once.
func (c Config) Validate() error {
	var errs []error
	if c.Settle < 0 {
		errs = append(errs, fmt.Errorf("settle: %s is not allowed; it is 0 or more, for example 200ms", c.Settle))
	}
	if c.MaxAge <= 0 {
		errs = append(errs, fmt.Errorf("max_age: %s is not allowed; it is above 0, for example 30s", c.MaxAge))
	} else if c.Settle > c.MaxAge {
		errs = append(errs, fmt.Errorf("settle: %s is above max_age: %s; a trace would never be complete", c.Settle, c.MaxAge))
	}
	if c.MaxTraces < 1 || c.MaxTraces > MaxTracesLimit {
		errs = append(errs, fmt.Errorf("max_traces: %d is not allowed; it lies between 1 and %d", c.MaxTraces, MaxTracesLimit))
	}
	return errors.Join(errs...)
}

// MaxTracesLimit is the largest Config.MaxTraces: entries are numbered with 32 bits.
const MaxTracesLimit = 1 << 30

// shardOf spreads trace IDs whose bits are random in one half only, or not at
// all (64-bit and sequential IDs): Fibonacci hashing takes the high bits of the
// product with 2^64/φ (Knuth, TAOCP vol. 3, §6.4).
func (t *Tracker[R]) shardOf(id *pcommon.TraceID) *shard[R] {
	h := binary.BigEndian.Uint64(id[:8]) ^ binary.BigEndian.Uint64(id[8:])
	return &t.shards[(h*0x9E3779B97F4A7C15)>>t.shift]
}

// ObserveChild takes notice of a span that is not a root, or of a root that its
// caller does not hand over. If the trace is new and there is no room, the
// oldest one's root is appended to exits.
func (t *Tracker[R]) ObserveChild(now time.Duration, s *Span, exits []Exit[R]) []Exit[R] {
	if s.Trace.IsEmpty() {
		t.countUntraceable()
		return exits
	}
	sh := t.shardOf(&s.Trace)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	_, exits = sh.observe(now, s, exits)
	return exits
}

// ObserveRoot takes notice of a span without a parent and holds root, which
// leaves through exits: of this call, if it is late, surplus or untraceable, or
// of a later one. What else has to leave is appended too: the root that this
// one replaces, the oldest trace's when there is no room.
func (t *Tracker[R]) ObserveRoot(now time.Duration, s *Span, root R, exits []Exit[R]) []Exit[R] {
	if s.Trace.IsEmpty() {
		t.countUntraceable()
		return append(exits, Exit[R]{Root: root, Reason: Untraceable})
	}
	sh := t.shardOf(&s.Trace)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e, exits := sh.observe(now, s, exits)
	if e == nil {
		return append(exits, Exit[R]{Root: root, Reason: Late})
	}
	return sh.hold(e, s, root, exits)
}

func (t *Tracker[R]) countUntraceable() {
	sh := &t.shards[0]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.stats.Untraceable++
}

// Conclude finishes a trace now, as complete, for a caller that keeps the root
// itself (Settle 0: stamp on arrival with what is known). It reports false when
// the trace is not open. A root that the tracker holds is not handed out: use
// either ObserveRoot or Conclude.
func (t *Tracker[R]) Conclude(now time.Duration, id pcommon.TraceID) (Result, bool) {
	sh := t.shardOf(&id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.conclude(now, id)
}

// Expire finishes every trace that is due and appends the roots to exits.
func (t *Tracker[R]) Expire(now time.Duration, exits []Exit[R]) []Exit[R] {
	for i := range t.shards {
		exits = t.shards[i].expire(now, exits)
	}
	return exits
}

// Drain finishes every trace: what is due as Expire would, the rest as evicted.
func (t *Tracker[R]) Drain(now time.Duration, exits []Exit[R]) []Exit[R] {
	for i := range t.shards {
		exits = t.shards[i].drain(now, exits)
	}
	return exits
}

// Next is the time at which Expire has something to do; false when no trace is open.
func (t *Tracker[R]) Next() (time.Duration, bool) {
	var next time.Duration
	found := false
	for i := range t.shards {
		if at, ok := t.shards[i].next(); ok && (!found || at < next) {
			next, found = at, true
		}
	}
	return next, found
}

// Stats sums the shards' counters.
func (t *Tracker[R]) Stats() Stats {
	var sum Stats
	for i := range t.shards {
		t.shards[i].addStats(&sum)
	}
	return sum
}
