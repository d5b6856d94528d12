package cpucontrolexporter

import (
	"sync"

	"github.com/governor-project/governor/internal/api"
)

// history keeps the newest decisions. It is safe for concurrent use.
type history struct {
	mu   sync.Mutex
	ring []api.Decision // len grows to cap, then it wraps
	last uint64         // seq of the newest; decision seq lies at (seq−1) mod cap
}

func newHistory(size int) *history { return &history{ring: make([]api.Decision, 0, size)} }

// add numbers the decision and keeps it.
func (h *history) add(d api.Decision) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	d.Seq = h.last
	if len(h.ring) < cap(h.ring) {
		h.ring = append(h.ring, d)
		return
	}
	h.ring[(d.Seq-1)%uint64(cap(h.ring))] = d
}

// since returns up to limit decisions after seq, oldest first, and the newest seq.
func (h *history) since(seq uint64, limit int) ([]api.Decision, uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	kept := uint64(len(h.ring))
	from := max(seq, h.last-kept) + 1
	out := []api.Decision{}
	for ; from <= h.last && len(out) < limit; from++ {
		out = append(out, h.ring[(from-1)%uint64(cap(h.ring))])
	}
	return out, h.last
}
