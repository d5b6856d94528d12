package main

import (
	"fmt"
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// burner uses up CPU time of the thread that it runs on. Work is measured with
// the thread's own CPU clock, so one millisecond of demand is one millisecond of
// CPU whatever the machine's speed and however often the thread is preempted.
type burner struct {
	rounds int // inner rounds between two looks at the clock, about chunk of CPU time
}

// chunk is how often the clock is read: long against the read itself (a system
// call, below 1 µs), short against a request (milliseconds).
const chunk = 25 * time.Microsecond

// newBurner calibrates the rounds of one chunk. The calling goroutine should be
// locked to its thread. It takes about 20 ms of CPU time.
func newBurner() (burner, error) {
	const probe = 5 * time.Millisecond
	rounds, best := 1000, 0
	for range 4 {
		for {
			start, err := threadCPU()
			if err != nil {
				return burner{}, err
			}
			spin(rounds)
			end, err := threadCPU()
			if err != nil {
				return burner{}, err
			}
			if used := end - start; used >= probe {
				best = max(best, int(float64(rounds)*float64(chunk)/float64(used))) // the fastest probe met least disturbance
				break
			}
			rounds *= 2
		}
	}
	return burner{rounds: max(best, 1)}, nil
}

// burn returns when the thread's CPU clock shows until, overshooting by one
// chunk at most. An instant that has passed costs one look at the clock.
func (b burner) burn(until time.Duration) error {
	for {
		now, err := threadCPU()
		if err != nil || now >= until {
			return err
		}
		spin(b.rounds)
	}
}

// threadCPU is the CPU time that the calling thread has used so far.
func threadCPU() (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		return 0, fmt.Errorf("read the thread's CPU clock: %w", err)
	}
	return time.Duration(ts.Nano()), nil
}

// spin does arithmetic that stays in registers: no memory traffic, so that
// containers disturb each other through CPU time only.
//
//go:noinline
func spin(rounds int) float64 {
	x := 1.0
	for i := range rounds {
		x = math.FMA(x, 0.999999, float64(i&7))
	}
	return x
}
