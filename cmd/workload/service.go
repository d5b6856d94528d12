package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/governor-project/governor/internal/experiment/worklog"
)

const roleService = "service"

type serviceOptions struct {
	load            load
	workers         int
	duration        time.Duration // of the measured window; 0: until SIGTERM
	measureOnSignal bool
	warmUpShare     float64 // of the mean demand, before the window
	spanFlush       time.Duration
}

func newServiceCommand() *cobra.Command {
	var o serviceOptions
	cmd := &cobra.Command{
		Use:   "service",
		Short: "Serve an open-loop request stream whose rate follows a sinusoid",
		Long: `Serve requests that arrive by a fixed plan, whether or not earlier ones have
finished: a Poisson stream whose rate follows a sinusoid. Each request uses up
--cost of CPU time in several steps and sends a trace of nested spans through
jaeger-client-go to JAEGER_AGENT_HOST:JAEGER_AGENT_PORT (no spans when the host
is not set). Latency counts from the intended arrival.

One JSON line per second goes to standard output, and a line of totals at the
end of --duration or on SIGTERM.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runService(cmd.Context(), o, cmd.OutOrStdout()) },
	}
	f := cmd.Flags()
	f.Float64Var(&o.load.mean, "mean", 0.5, "mean demand, in CPUs")
	f.Float64Var(&o.load.amplitude, "amplitude", 0.35, "amplitude of the sinusoid, in CPUs; at most the mean")
	f.DurationVar(&o.load.period, "period", 10*time.Second, "period of the sinusoid")
	f.DurationVar(&o.load.cost, "cost", 4*time.Millisecond, "CPU time of one request")
	f.DurationVar(&o.load.base, "base", 20*time.Second, "after this long the same arrivals come again; a multiple of the period")
	f.Uint64Var(&o.load.seed, "seed", 1, "selects the sequence of arrivals")
	f.IntVar(&o.workers, "workers", 2, "threads that serve requests from one queue")
	f.DurationVar(&o.duration, "duration", 0, "length of the measured window; 0: until SIGTERM")
	f.BoolVar(&o.measureOnSignal, "measure-on-signal", false, "warm up until SIGUSR1, which starts the measured window with a fresh plan; without it the window starts at once")
	f.Float64Var(&o.warmUpShare, "warm-up-share", 0.25, "share of the mean demand that is served, evenly, before the measured window")
	f.DurationVar(&o.spanFlush, "span-flush", 100*time.Millisecond, "how long the tracing client may hold spans back")
	return cmd
}

func (o serviceOptions) validate() error {
	if o.workers < 1 || o.workers > 1024 {
		return fmt.Errorf("--workers: %d is not allowed; 1 to 1024", o.workers)
	}
	if o.duration < 0 {
		return fmt.Errorf("--duration: %s is not allowed; 0 or longer", o.duration)
	}
	if !(o.warmUpShare > 0 && o.warmUpShare <= 1) {
		return fmt.Errorf("--warm-up-share: %g is not allowed; above 0 and up to 1", o.warmUpShare)
	}
	return o.load.validate()
}

// runService serves until ctx ends or the duration is over.
func runService(ctx context.Context, o serviceOptions, w io.Writer) error {
	if err := o.validate(); err != nil {
		return err
	}
	// From the workers and not from the CPUs of the moment, which are changed while
	// the service runs: one thread a worker, one for the plan of arrivals.
	runtime.GOMAXPROCS(o.workers + 1)
	debug.SetGCPercent(400) // a small heap: fewer collections disturb fewer requests

	trace, err := newTracing(o.spanFlush)
	if err != nil {
		return err
	}
	defer trace.close()
	burn, err := calibrate()
	if err != nil {
		return err
	}
	begin := make(chan os.Signal, 1)
	signal.Notify(begin, syscall.SIGUSR1)
	defer signal.Stop(begin)

	out := newLogWriter(w)
	if err := out.put(worklog.Start{Type: worklog.KindStart, Role: roleService, UnixNS: time.Now().UnixNano()}); err != nil {
		return err
	}
	end, err := newServer(o, func(r *request) error { return trace.serve(r, o.load.cost, burn) }, out).run(ctx, begin)
	trace.close()
	end.SpansSent, end.SpansLost = trace.counts()
	end.CPUSeconds = processCPU()
	if putErr := out.put(end); err == nil {
		err = putErr
	}
	return err
}

func calibrate() (burner, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return newBurner()
}

// processCPU is the CPU time of the process in seconds; 0 when the kernel does not tell.
func processCPU() float64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// server moves requests from the plan through the queue to the workers.
type server struct {
	options serviceOptions
	serve   func(*request) error // does the work of one request
	queue   *queue
	book    *book
	out     *logWriter
}

func newServer(o serviceOptions, serve func(*request) error, out *logWriter) *server {
	return &server{
		options: o,
		serve:   serve,
		queue:   newQueue(queueBound),
		book:    newBook(func(s worklog.Second) { out.putLater(s) }),
		out:     out,
	}
}

// run serves until ctx ends or the window is over, then closes the book.
func (s *server) run(ctx context.Context, begin <-chan os.Signal) (worklog.End, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	for range s.options.workers {
		group.Go(s.work)
	}
	var seconds int
	var stopped time.Time
	group.Go(func() error {
		defer s.queue.stop()
		seconds, stopped = s.generate(ctx, begin)
		return nil
	})
	err := group.Wait()
	end := s.book.end(stopped, seconds)
	end.Type, end.Role, end.UnixNS = worklog.KindEnd, roleService, stopped.UnixNano()
	return end, err
}

func (s *server) work() error {
	runtime.LockOSThread() // CPU time is measured per thread
	defer runtime.UnlockOSThread()
	for {
		r, ok := s.queue.pop()
		if !ok {
			return nil
		}
		if err := s.serve(r); err != nil {
			return err
		}
		s.book.finish(r, time.Now())
	}
}

// generate pushes every arrival of the plan. When it was kept from running it
// catches up: no arrival is skipped and each keeps its intended instant. It
// returns the number of seconds of the window that have begun and when it stopped.
func (s *server) generate(ctx context.Context, begin <-chan os.Signal) (seconds int, stopped time.Time) {
	g := newGenerator(s)
	var over <-chan time.Time
	if !s.options.measureOnSignal {
		begin = nil
		over = g.startWindow()
	}
	alarm := time.NewTimer(g.untilNext())
	defer alarm.Stop()
	for {
		select {
		case <-ctx.Done():
			return g.stop()
		case <-over:
			return g.stop()
		case <-begin:
			begin = nil
			over = g.startWindow()
		case <-alarm.C:
			g.catchUp(time.Now())
		}
		alarm.Reset(g.untilNext())
	}
}

// generator walks along the plan. Owned by one goroutine.
type generator struct {
	server   *server
	plan     *schedule
	origin   time.Time // when the plan started
	next     time.Duration
	measured bool
}

func newGenerator(s *server) *generator {
	g := &generator{server: s}
	warmUp := s.options.load
	warmUp.mean, warmUp.amplitude = warmUp.mean*s.options.warmUpShare, 0
	g.restart(warmUp)
	return g
}

func (g *generator) restart(l load) {
	g.plan, g.origin = newSchedule(l), time.Now()
	g.next = g.plan.next()
}

// startWindow starts the plan afresh and the measured window with it. The
// channel receives at its end; it is nil when the window is open-ended.
func (g *generator) startWindow() <-chan time.Time {
	g.restart(g.server.options.load)
	g.measured = true
	g.server.out.putLater(worklog.Measure{Type: worklog.KindMeasure, UnixNS: g.origin.UnixNano()})
	if d := g.server.options.duration; d > 0 {
		return time.After(d)
	}
	return nil
}

func (g *generator) untilNext() time.Duration { return time.Until(g.origin.Add(g.next)) }

// catchUp pushes all arrivals that are due at now and lie within the window.
func (g *generator) catchUp(now time.Time) {
	for ; !g.origin.Add(g.next).After(now); g.next = g.plan.next() {
		if !g.withinWindow(g.next) {
			continue
		}
		r := &request{intended: g.origin.Add(g.next), second: warmUp}
		if g.measured {
			r.second = int(g.next / time.Second)
		}
		g.server.arrive(r)
	}
}

func (g *generator) withinWindow(offset time.Duration) bool {
	d := g.server.options.duration
	return !g.measured || d == 0 || offset < d
}

func (g *generator) stop() (seconds int, stopped time.Time) {
	now := time.Now()
	g.catchUp(now)
	if !g.measured {
		return 0, now
	}
	elapsed := now.Sub(g.origin)
	if d := g.server.options.duration; d > 0 {
		elapsed = min(elapsed, d)
	}
	return int((elapsed + time.Second - 1) / time.Second), now
}

func (s *server) arrive(r *request) {
	s.book.arrive(r)
	if !s.queue.push(r) {
		s.book.refuse(r)
	}
}
