package main

import (
	"sync"
	"time"

	"github.com/governor-project/governor/internal/experiment/worklog"
)

// request is one arrival. Its identity is its pointer.
type request struct {
	intended time.Time // when it should have started; latency counts from here
	second   int       // of the measured window; warmUp outside it
}

// warmUp marks requests that arrive before the measured window. They are served
// like all others and appear nowhere in the log.
const warmUp = -1

// book keeps the account of every request of the measured window and hands out
// a second as soon as all of its requests are accounted for. Safe for concurrent use.
type book struct {
	emit func(worklog.Second) // called with the lock held: it must not block for long

	mu      sync.Mutex
	open    map[*request]struct{}
	seconds map[int]*account
	closed  int // seconds below this one get no more arrivals
	total   worklog.End
	ended   bool
}

type account struct {
	line worklog.Second
	open int
}

func newBook(emit func(worklog.Second)) *book {
	return &book{emit: emit, open: make(map[*request]struct{}), seconds: make(map[int]*account)}
}

// arrive records that r has arrived. Arrivals come in order of time, so that
// every second before r's is complete in number.
func (b *book) arrive(r *request) {
	if r.second == warmUp {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return
	}
	b.closeBefore(r.second)
	a := b.account(r.second)
	a.line.Arrivals++
	a.open++
	b.open[r] = struct{}{}
	b.total.Requests++
}

// refuse records that r, which has arrived, was shed since the queue was full.
func (b *book) refuse(r *request) {
	b.settle(r, func(a *account) {
		a.line.Shed++
		b.total.Shed++
	})
}

// finish records that r was served at the given instant.
func (b *book) finish(r *request, at time.Time) {
	b.settle(r, func(a *account) {
		a.line.LatencyUS = append(a.line.LatencyUS, at.Sub(r.intended).Microseconds())
		b.total.Finished++
	})
}

// settle applies the fate of an open request. Requests outside the window and
// those that end has counted as unfinished are not open.
func (b *book) settle(r *request, apply func(*account)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.open[r]; !ok {
		return
	}
	delete(b.open, r)
	a := b.account(r.second)
	a.open--
	apply(a)
	if r.second < b.closed {
		b.emitIfComplete(r.second)
	}
}

// end closes the book at the given instant: what has not finished by then is
// reported with its age. seconds is the number of seconds that have begun.
func (b *book) end(at time.Time, seconds int) worklog.End {
	b.mu.Lock()
	defer b.mu.Unlock()
	for r := range b.open {
		a := b.account(r.second)
		a.open--
		a.line.UnfinishedUS = append(a.line.UnfinishedUS, at.Sub(r.intended).Microseconds())
		b.total.Unfinished++
	}
	clear(b.open)
	b.closeBefore(seconds)
	for s := range b.seconds { // those that their unfinished requests had held back
		b.emitIfComplete(s)
	}
	b.ended = true
	return b.total
}

// closeBefore declares that all arrivals of seconds below s are known.
func (b *book) closeBefore(s int) {
	for ; b.closed < s; b.closed++ {
		b.account(b.closed) // a second without arrivals has a line, too
		b.emitIfComplete(b.closed)
	}
}

func (b *book) emitIfComplete(s int) {
	a := b.account(s)
	if a.open > 0 {
		return
	}
	delete(b.seconds, s)
	b.emit(a.line)
}

func (b *book) account(s int) *account {
	a, ok := b.seconds[s]
	if !ok {
		a = &account{line: worklog.Second{Type: worklog.KindSecond, Second: s, LatencyUS: []int64{}}}
		b.seconds[s] = a
	}
	return a
}
