package jaegerreceiver

import (
	"context"
	"net"
	"time"

	"go.opentelemetry.io/collector/client"
	"go.uber.org/zap"
)

// maxFlushPackets bounds a flush of packets that hold few or no spans.
const maxFlushPackets = 4096

// worker decodes packets of a queue and delivers them in flushes. It owns its
// gatherer; nothing of it is shared.
type worker struct {
	server   *udpServer
	interval time.Duration // what the reader has not waited already
	maxSpans int
	named    bool // packets get their peer's address

	gatherer gatherer
	chunk    []packet
	timer    *time.Timer

	// The flush in the making.
	peer  string // of all packets, or empty
	bytes int
	taken int // packets, also those that could not be decoded
}

func newWorker(s *udpServer) *worker {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return &worker{
		server: s, timer: timer, gatherer: s.gatherers(),
		interval: s.deliver.flush.Interval - s.pause, maxSpans: s.deliver.flush.MaxSpans, named: s.deliver.peerAddress,
		chunk: make([]packet, 0, chunkPackets),
	}
}

// run ends when the queue is closed and empty.
func (w *worker) run(ctx context.Context) {
	defer w.timer.Stop()
	q := w.server.queue
	for q.wait() {
		w.gather()
		for {
			if w.chunk = q.take(w.chunk[:0]); len(w.chunk) == 0 {
				break
			}
			w.decode(ctx, w.chunk)
			clear(w.chunk)
		}
		w.flush(ctx)
	}
}

// gather lets packets come together before any work is done for the first, where
// the socket's buffer is too small to do it there.
func (w *worker) gather() {
	if w.interval == 0 {
		return
	}
	w.timer.Reset(w.interval)
	select {
	case <-w.timer.C:
	case <-w.server.queue.enough:
	case <-w.server.queue.done:
	}
	w.timer.Stop()
}

func (w *worker) decode(ctx context.Context, chunk []packet) {
	undecodable := 0
	for _, p := range chunk {
		if w.taken == 0 {
			w.peer = p.peer
		} else if w.peer != p.peer {
			w.peer = ""
		}
		w.taken++
		w.bytes += p.cost()
		resource := ""
		if w.named {
			resource = p.peer
		}
		if err := w.gatherer.add(p.data, resource); err != nil {
			undecodable++
			w.server.deliver.complain("packet dropped, it is not a batch of this protocol", zap.Error(err), zap.String("peer", p.peer))
		}
		if w.gatherer.Spans() >= w.maxSpans || w.taken >= maxFlushPackets {
			w.flush(ctx)
		}
	}
	w.server.deliver.account.dropped(undecodable, reasonUndecodable)
}

// flush delivers what was gathered and frees its room in the queue.
func (w *worker) flush(ctx context.Context) {
	if w.taken == 0 {
		return
	}
	if packets := w.gatherer.Packets(); packets > 0 {
		if ip := net.ParseIP(w.peer); ip != nil {
			ctx = client.NewContext(ctx, client.Info{Addr: &net.IPAddr{IP: ip}})
		}
		w.server.deliver.flushed(ctx, w.gatherer.Take(), packets)
	}
	w.server.queue.release(w.bytes, w.taken)
	w.bytes, w.taken, w.peer = 0, 0, ""
}
