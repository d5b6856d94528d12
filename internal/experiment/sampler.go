package experiment

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/governor-project/governor/internal/cgroup"
)

// sampleInterval is how often usage and limits are read: often enough for the
// plots, rarely enough that the harness stays far below a percent of a core.
const sampleInterval = 200 * time.Millisecond

// sample is one reading of one container's cgroup.
type sample struct {
	at     time.Time
	usage  time.Duration // CPU time since the container's start
	limits cgroup.Limits
}

// series are the samples of one container, oldest first.
type series []sample

// usageAt is the CPU time that the container had used at the given instant,
// interpolated between two samples.
func (s series) usageAt(at time.Time) time.Duration {
	if len(s) == 0 {
		return 0
	}
	if !at.After(s[0].at) {
		return s[0].usage
	}
	for i := 1; i < len(s); i++ {
		if s[i].at.Before(at) {
			continue
		}
		a, b := s[i-1], s[i]
		share := float64(at.Sub(a.at)) / float64(b.at.Sub(a.at))
		return a.usage + time.Duration(share*float64(b.usage-a.usage))
	}
	return s[len(s)-1].usage
}

// used is the CPU time in seconds that the container used from one instant to another.
func (s series) used(from, to time.Time) float64 {
	return (s.usageAt(to) - s.usageAt(from)).Seconds()
}

// sampler reads the cgroups of containers until it is stopped. One goroutine
// owns the reading; the results belong to whoever called stop.
type sampler struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex
	watched []*watch
	err     error
}

type watch struct {
	group  *cgroup.Group
	stats  *cgroup.Stats
	series series
	gone   bool
}

func startSampler(ctx context.Context) *sampler {
	ctx, cancel := context.WithCancel(ctx)
	s := &sampler{cancel: cancel}
	s.done.Go(func() {
		ticker := time.NewTicker(sampleInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				s.read()
			}
		}
	})
	return s
}

// watch adds a container's group; its first sample is taken at once.
func (s *sampler) watch(group *cgroup.Group) (*watch, error) {
	stats, err := group.OpenStats()
	if err != nil {
		return nil, fmt.Errorf("read the cgroup %s: %w", group.Path(), err)
	}
	w := &watch{group: group, stats: stats}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watched = append(s.watched, w)
	s.keep(w.read())
	return w, s.err
}

func (s *sampler) read() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.watched {
		s.keep(w.read())
	}
}

func (s *sampler) keep(err error) {
	if err != nil && s.err == nil {
		s.err = err
	}
}

func (w *watch) read() error {
	if w.gone {
		return nil
	}
	var cpu cgroup.CPU
	err := w.stats.CPU(&cpu)
	at := time.Now()
	limits, limitsErr := w.group.Limits()
	if err = errors.Join(err, limitsErr); errors.Is(err, fs.ErrNotExist) {
		w.gone = true // the container has ended: its samples are complete
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the cgroup %s: %w", w.group.Path(), err)
	}
	w.series = append(w.series, sample{at: at, usage: time.Duration(cpu.UsageNS), limits: limits})
	return nil
}

// alive reports whether the container's cgroup was there at the last reading.
func (s *sampler) alive(w *watch) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !w.gone
}

// latest returns the CPU use of each watched container over its last second, in CPUs.
func (s *sampler) latest() []float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]float64, 0, len(s.watched))
	for _, w := range s.watched {
		if n := len(w.series); n > 0 {
			to := w.series[n-1].at
			out = append(out, w.series.used(to.Add(-time.Second), to))
		}
	}
	return out
}

// stop ends the reading, with a last sample, and reports the first failure.
// Later calls only repeat the report.
func (s *sampler) stop() error {
	s.cancel()
	s.done.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.watched {
		if w.stats == nil {
			continue
		}
		s.keep(w.read())
		s.keep(w.stats.Close())
		w.stats, w.gone = nil, true
	}
	return s.err
}
