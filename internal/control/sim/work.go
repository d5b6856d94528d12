package sim

import (
	"math"
	"math/rand/v2"
	"time"
)

// Interference burns all that it is given, on Threads threads, from Start on.
type Interference struct {
	Threads int
	Start   time.Duration
}

// Wants implements Work.
func (w *Interference) Wants(now time.Duration, cpus int) (can, could time.Duration) {
	if now < w.Start {
		return 0, 0
	}
	return time.Duration(min(cpus, w.Threads)) * step, time.Duration(w.Threads) * step
}

// Ran implements Work.
func (w *Interference) Ran(time.Duration, time.Duration) {}

// Service is an open-loop queue: requests arrive at random at a rate that
// follows a sinusoid, each costs CPU time, and Threads of them are worked on at
// once. Latency counts from the arrival.
type Service struct {
	Cost      time.Duration
	Mean      float64 // CPUs' worth of requests arriving per second, on average
	Amplitude float64 // and their swing
	Period    time.Duration
	Threads   int
	Random    *rand.Rand
	Done      func(now, latency time.Duration)

	next  time.Duration
	queue []request
}

type request struct {
	arrived, left time.Duration
}

// Rate is the demand in CPUs at an instant.
func (w *Service) Rate(now time.Duration) float64 {
	return w.Mean + w.Amplitude*math.Sin(2*math.Pi*now.Seconds()/w.Period.Seconds())
}

// Wants implements Work: arrivals come in, the oldest requests are worked on.
func (w *Service) Wants(now time.Duration, cpus int) (can, could time.Duration) {
	for w.next <= now {
		w.queue = append(w.queue, request{arrived: w.next, left: w.Cost})
		perSecond := math.Max(w.Rate(w.next), 0.01) / w.Cost.Seconds()
		w.next += time.Duration(w.Random.ExpFloat64() / perSecond * float64(time.Second))
	}
	for i := 0; i < len(w.queue) && i < w.Threads; i++ {
		could += min(step, w.queue[i].left)
	}
	return min(could, time.Duration(cpus)*step), could
}

// Ran implements Work: the oldest requests use what was got, each at most a step of it.
func (w *Service) Ran(now, got time.Duration) {
	for i := 0; i < len(w.queue) && i < w.Threads && got > 0; i++ {
		part := min(got, step, w.queue[i].left)
		w.queue[i].left -= part
		got -= part
	}
	// Only the head of the queue was worked on; the backlog behind it may be long.
	head := min(len(w.queue), w.Threads)
	keep := head
	for i := range head {
		if w.queue[i].left <= 0 && w.Done != nil {
			w.Done(now+step, now+step-w.queue[i].arrived)
		}
	}
	for i := head - 1; i >= 0; i-- {
		if w.queue[i].left > 0 {
			keep--
			w.queue[keep] = w.queue[i]
		}
	}
	w.queue = w.queue[keep:]
}
