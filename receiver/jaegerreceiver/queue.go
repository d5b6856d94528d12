package jaegerreceiver

import "sync"

const (
	// packetOverhead is what a waiting packet costs beside its bytes.
	packetOverhead = 64
	// chunkPackets is how many packets a worker takes at a time.
	chunkPackets = 256
	// enoughBytes ends the gathering of packets early: it is about as much as
	// a flush of the default size holds.
	enoughBytes = 128 << 10
)

// packet is one datagram with its sender's address.
type packet struct {
	data string
	peer string
}

func (p packet) cost() int { return len(p.data) + packetOverhead }

// queue holds packets between the readers of an address and its workers. Its bound covers
// what workers have taken and not yet released, so that a slow next component
// fills it. Nobody polls: workers are woken when the queue stops being empty,
// and once more when there is enough for a flush.
type queue struct {
	maxBytes   int
	maxPackets int // 0: no bound

	ready  chan struct{} // one token: the queue is no longer empty
	enough chan struct{} // one token: enoughBytes are waiting
	done   chan struct{} // closed: nothing more will come

	mu      sync.Mutex
	waiting []packet
	bytes   int // waiting and taken
	pending int // waiting
	packets int // waiting and taken
	closed  bool
}

func newQueue(maxBytes, maxPackets int) *queue {
	return &queue{
		maxBytes: maxBytes, maxPackets: maxPackets,
		ready: make(chan struct{}, 1), enough: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

// push appends packets as long as there is room, and returns how many had none.
func (q *queue) push(packets []packet) (refused int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	wasEmpty := len(q.waiting) == 0
	for _, p := range packets {
		if q.closed || q.bytes+p.cost() > q.maxBytes || (q.maxPackets > 0 && q.packets >= q.maxPackets) {
			refused++
			continue
		}
		q.waiting = append(q.waiting, p)
		q.bytes += p.cost()
		q.pending += p.cost()
		q.packets++
	}
	if wasEmpty && len(q.waiting) > 0 {
		signal(q.ready)
	}
	if q.pending >= enoughBytes {
		signal(q.enough)
	}
	return refused
}

// wait blocks until there are packets. It answers false when the queue is closed
// and empty.
func (q *queue) wait() bool {
	for {
		q.mu.Lock()
		waiting, closed := len(q.waiting), q.closed
		q.mu.Unlock()
		switch {
		case waiting > 0:
			return true
		case closed:
			return false
		}
		select {
		case <-q.ready:
		case <-q.done:
		}
	}
}

// take moves up to chunkPackets packets into the empty slice chunk.
func (q *queue) take(chunk []packet) []packet {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.waiting), chunkPackets)
	chunk = append(chunk, q.waiting[:n]...)
	for _, p := range chunk {
		q.pending -= p.cost()
	}
	clear(q.waiting[:n])
	q.waiting = q.waiting[n:]
	if len(q.waiting) > 0 {
		signal(q.ready) // another worker may help
	} else {
		q.waiting = nil // do not keep the room of a burst
	}
	return chunk
}

// release gives back the room of packets that were taken.
func (q *queue) release(bytes, packets int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= bytes
	q.packets -= packets
}

// size is the number of bytes that wait or are being delivered.
func (q *queue) size() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes
}

// close lets workers end when the queue is empty.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.done)
	}
}

// abandon empties the queue and returns how many packets were left.
func (q *queue) abandon() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	left := len(q.waiting)
	q.bytes -= q.pending
	q.packets -= left
	q.waiting, q.pending = nil, 0
	return left
}

func signal(token chan struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}
