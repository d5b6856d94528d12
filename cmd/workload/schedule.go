package main

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// load describes the demand of a service: rate(t) = (mean + amplitude·sin(2πt/period)) / cost.
type load struct {
	mean      float64       // CPUs
	amplitude float64       // CPUs; at most mean
	period    time.Duration // of the sinusoid
	cost      time.Duration // CPU time of one request
	base      time.Duration // after this long the very same arrivals come again; a multiple of period
	seed      uint64
}

// validate reports everything that is wrong with the load at once.
func (l load) validate() error {
	var errs []error
	if !(l.mean > 0 && l.mean <= 1024) {
		errs = append(errs, fmt.Errorf("--mean: %g is not allowed; it is a demand in CPUs above 0 and up to 1024", l.mean))
	}
	if !(l.amplitude >= 0 && l.amplitude <= l.mean) {
		errs = append(errs, fmt.Errorf("--amplitude: %g is not allowed; it is a demand in CPUs between 0 and --mean (%g)", l.amplitude, l.mean))
	}
	if l.cost < 10*time.Microsecond || l.cost > 10*time.Second {
		errs = append(errs, fmt.Errorf("--cost: %s is not allowed; it is the CPU time of a request, 10µs to 10s", l.cost))
	}
	if l.period < 100*time.Millisecond {
		errs = append(errs, fmt.Errorf("--period: %s is not allowed; the smallest is 100ms", l.period))
	} else if l.base < l.period || l.base%l.period != 0 {
		errs = append(errs, fmt.Errorf("--base: %s is not allowed; it must be a multiple of --period (%s)", l.base, l.period))
	}
	return errors.Join(errs...)
}

// rate is the arrival rate in requests per second at offset t.
func (l load) rate(t time.Duration) float64 {
	phase := 2 * math.Pi * t.Seconds() / l.period.Seconds()
	return (l.mean + l.amplitude*math.Sin(phase)) / l.cost.Seconds()
}

// schedule yields the intended arrivals of an open-loop Poisson stream whose
// rate follows the load, by thinning (Lewis and Shedler 1979): candidates come
// at the highest rate, each is kept with probability rate(t)/highest. Arrivals
// depend on nothing but the load: not on time, not on how fast requests finish.
type schedule struct {
	load load
	rng  *rand.Rand
	lap  time.Duration // start of the current repetition of the base length
	at   time.Duration // within the repetition
}

func newSchedule(l load) *schedule {
	s := &schedule{load: l}
	s.restart()
	return s
}

// restart makes the following arrivals those of a fresh base length.
func (s *schedule) restart() {
	const stream = 0x676f7665726e6f72 // any constant; the seed selects the sequence
	s.rng = rand.New(rand.NewPCG(s.load.seed, stream))
	s.at = 0
}

// next is the offset of the next arrival from the start of the schedule.
func (s *schedule) next() time.Duration {
	highest := (s.load.mean + s.load.amplitude) / s.load.cost.Seconds()
	for {
		s.at += time.Duration(s.rng.ExpFloat64() / highest * float64(time.Second))
		if s.at >= s.load.base {
			s.lap += s.load.base
			s.restart()
			continue
		}
		if s.rng.Float64()*highest <= s.load.rate(s.at) {
			return s.lap + s.at
		}
	}
}
