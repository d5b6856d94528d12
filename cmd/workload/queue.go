package main

import "sync"

// queueBound is how many requests may wait. It only guards the memory of a run
// that nobody watches: at 1,000 requests a second it is reached after a quarter
// of an hour without service. What it refuses is counted as shed.
const queueBound = 1 << 20

// queue is the one FIFO between the arrivals and the workers.
type queue struct {
	mu      sync.Mutex
	ready   sync.Cond
	items   []*request
	head    int
	bound   int
	stopped bool
}

func newQueue(bound int) *queue {
	q := &queue{bound: bound}
	q.ready.L = &q.mu
	return q
}

// push appends r, or reports false when the queue is full.
func (q *queue) push(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items)-q.head >= q.bound {
		return false
	}
	if q.head > 1024 && q.head > len(q.items)/2 { // most of the slice is behind us: move what is left to its front
		q.items = append(q.items[:0], q.items[q.head:]...)
		q.head = 0
	}
	q.items = append(q.items, r)
	q.ready.Signal()
	return true
}

// pop waits for the oldest request; ok is false once the queue was stopped.
func (q *queue) pop() (r *request, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.head == len(q.items) && !q.stopped {
		q.ready.Wait()
	}
	if q.stopped {
		return nil, false
	}
	r = q.items[q.head]
	q.items[q.head] = nil
	q.head++
	return r, true
}

// stop releases all workers and forgets what is waiting; the book knows it.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopped = true
	q.ready.Broadcast()
}
