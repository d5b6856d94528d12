package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/governor-project/governor/internal/experiment/worklog"
)

// runServer serves in virtual time and returns what was logged and the totals.
func runServer(t *testing.T, o serviceOptions, serve func(*request) error, drive func(begin chan<- os.Signal, stop func())) ([]worklog.Second, worklog.End) {
	t.Helper()
	var b bytes.Buffer
	var end worklog.End
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		begin := make(chan os.Signal, 1)
		out := newLogWriter(&b)
		var driver sync.WaitGroup
		driver.Go(func() { drive(begin, cancel) })
		var err error
		end, err = newServer(o, serve, out).run(ctx, begin)
		require.NoError(t, err)
		require.NoError(t, out.put(end))
		driver.Wait()
	})
	var seconds []worklog.Second
	for line := range bytes.Lines(b.Bytes()) {
		v, err := worklog.Parse(line)
		require.NoError(t, err)
		if s, ok := v.(worklog.Second); ok {
			seconds = append(seconds, s)
		}
	}
	slices.SortFunc(seconds, func(a, b worklog.Second) int { return a.Second - b.Second })
	return seconds, end
}

func nothing(chan<- os.Signal, func()) {}

func steadyLoad() load {
	return load{mean: 0.4, amplitude: 0, period: time.Second, cost: 4 * time.Millisecond, base: 10 * time.Second, seed: 7}
}

func TestServiceAccountsForEveryArrival(t *testing.T) {
	o := serviceOptions{load: steadyLoad(), workers: 2, warmUpShare: 1, duration: 10 * time.Second}
	serve := func(*request) error { time.Sleep(4 * time.Millisecond); return nil }
	seconds, end := runServer(t, o, serve, nothing)
	planned := arrivalsUntil(o.load, o.duration)
	require.Len(t, seconds, 10)
	total := 0
	for i, s := range seconds {
		assert.Equal(t, i, s.Second)
		want := 0
		for _, at := range planned {
			if int(at/time.Second) == i {
				want++
			}
		}
		assert.Equal(t, want, s.Arrivals, "second %d", i)
		total += s.Arrivals
	}
	assert.Equal(t, len(planned), total)
	assert.Equal(t, len(planned), end.Requests)
	assert.Equal(t, end.Requests, end.Finished+end.Unfinished)
}

func TestLatencyCountsFromTheIntendedArrival(t *testing.T) {
	// One worker stalls for two seconds on one request. A generator that waits for
	// its worker would record one slow request; here every request that should have
	// arrived meanwhile carries its share of the stall.
	const stall = 2 * time.Second
	o := serviceOptions{load: steadyLoad(), workers: 1, warmUpShare: 1, duration: 10 * time.Second}
	start := time.Time{}
	stalled := false
	serve := func(r *request) error {
		if start.IsZero() {
			start = r.intended
		}
		if !stalled && r.second == 3 {
			stalled = true
			time.Sleep(stall)
			return nil
		}
		time.Sleep(time.Millisecond)
		return nil
	}
	seconds, end := runServer(t, o, serve, nothing)
	require.Equal(t, end.Requests, end.Finished)
	slow := 0
	for _, s := range seconds {
		for _, us := range s.LatencyUS {
			if us > 100_000 {
				slow++
			}
		}
	}
	assert.InDelta(t, 200, slow, 60, "100 requests a second arrive during the stall of two seconds")
	assert.GreaterOrEqual(t, slices.Max(seconds[3].LatencyUS), int64(2_000_000))
	assert.Less(t, slices.Max(seconds[9].LatencyUS), int64(50_000), "it recovers, since the arrivals go on by plan")
}

func TestUnfinishedRequestsAreReportedWithTheirAge(t *testing.T) {
	o := serviceOptions{load: steadyLoad(), workers: 1, warmUpShare: 1}
	serve := func(r *request) error {
		if r.second >= 2 {
			time.Sleep(10 * time.Second)
		}
		return nil
	}
	seconds, end := runServer(t, o, serve, func(_ chan<- os.Signal, stop func()) {
		time.Sleep(4500 * time.Millisecond)
		stop()
	})
	require.Len(t, seconds, 5, "the second that has begun is reported, too")
	assert.Empty(t, seconds[0].UnfinishedUS)
	assert.Len(t, seconds[3].UnfinishedUS, seconds[3].Arrivals)
	for _, us := range seconds[3].UnfinishedUS {
		assert.InDelta(t, 1_000_000, us, 501_000, "arrived between 3 s and 4 s, run over at 4.5 s")
	}
	assert.Equal(t, end.Requests, end.Finished+end.Unfinished)
	assert.Positive(t, end.Unfinished)
}

func TestMeasuredWindowStartsOnTheSignal(t *testing.T) {
	o := serviceOptions{load: steadyLoad(), workers: 2, measureOnSignal: true, warmUpShare: 0.25, duration: 3 * time.Second}
	warm := 0
	var mu sync.Mutex
	serve := func(r *request) error {
		mu.Lock()
		defer mu.Unlock()
		if r.second == warmUp {
			warm++
		}
		return nil
	}
	seconds, end := runServer(t, o, serve, func(begin chan<- os.Signal, _ func()) {
		time.Sleep(2500 * time.Millisecond)
		begin <- syscall.SIGUSR1
	})
	assert.InDelta(t, 62, warm, 30, "a quarter of 100 a second for 2.5 s")
	require.Len(t, seconds, 3)
	assert.Equal(t, len(arrivalsUntil(o.load, o.duration)), end.Requests, "the window has the plan's arrivals from its start on")
}

func TestWorkerErrorEndsTheService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("no clock")
		s := newServer(serviceOptions{load: steadyLoad(), workers: 2, warmUpShare: 1}, func(*request) error { return broken }, newLogWriter(&bytes.Buffer{}))
		_, err := s.run(t.Context(), nil)
		assert.ErrorIs(t, err, broken)
	})
}

func TestFullQueueSheds(t *testing.T) {
	var lines []worklog.Second
	s := &server{queue: newQueue(2), book: newBook(func(l worklog.Second) { lines = append(lines, l) })}
	now := time.Now()
	for range 5 {
		s.arrive(&request{intended: now, second: 0})
	}
	first, ok := s.queue.pop()
	require.True(t, ok)
	s.book.finish(first, now.Add(time.Millisecond))
	end := s.book.end(now.Add(time.Second), 1)
	assert.Equal(t, 3, end.Shed)
	assert.Equal(t, 1, end.Finished)
	assert.Equal(t, 1, end.Unfinished)
	require.Len(t, lines, 1)
	assert.Equal(t, worklog.Second{Type: worklog.KindSecond, Arrivals: 5, LatencyUS: []int64{1000}, UnfinishedUS: []int64{1_000_000}, Shed: 3}, lines[0])
}

func TestQueueIsFirstInFirstOut(t *testing.T) {
	q := newQueue(queueBound)
	const n = 5000
	taken := 0
	for i := range n {
		require.True(t, q.push(&request{second: i}))
		if i%3 == 2 {
			r, ok := q.pop()
			require.True(t, ok)
			require.Equal(t, taken, r.second)
			taken++
		}
	}
	for ; taken < n; taken++ {
		r, ok := q.pop()
		require.True(t, ok)
		require.Equal(t, taken, r.second)
	}
	q.stop()
	_, ok := q.pop()
	assert.False(t, ok)
}

func TestOptionsAreChecked(t *testing.T) {
	for _, args := range [][]string{
		{"service", "--workers", "0"}, {"service", "--duration", "-1s"}, {"service", "--mean", "-2"}, {"service", "--warm-up-share", "0"},
		{"interference", "--threads", "0"}, {"interference", "--burst-off", "1s", "--burst-on", "0s"},
		{"service", "surplus"},
	} {
		cmd := newRootCommand()
		cmd.SetArgs(args)
		assert.Error(t, cmd.ExecuteContext(t.Context()), "%v", args)
	}
}

func TestServiceEndToEnd(t *testing.T) {
	t.Setenv(envAgentHost, "")
	var b bytes.Buffer
	cmd := newRootCommand()
	cmd.SetOut(&b)
	cmd.SetArgs([]string{"service", "--mean", "0.1", "--amplitude", "0.05", "--cost", "1ms", "--period", "500ms", "--base", "1s", "--duration", "1s", "--workers", "1"})
	require.NoError(t, cmd.ExecuteContext(t.Context()))
	var kinds []string
	var end worklog.End
	for line := range bytes.Lines(b.Bytes()) {
		v, err := worklog.Parse(line)
		require.NoError(t, err)
		switch v := v.(type) {
		case worklog.Start:
			kinds = append(kinds, v.Type)
		case worklog.Measure:
			kinds = append(kinds, v.Type)
		case worklog.Second:
			kinds = append(kinds, v.Type)
		case worklog.End:
			kinds, end = append(kinds, v.Type), v
		}
	}
	assert.Equal(t, []string{"start", "measure", "second", "end"}, kinds)
	assert.InDelta(t, 100, end.Requests, 50)
	assert.GreaterOrEqual(t, end.CPUSeconds, 0.001*float64(end.Finished))
}
