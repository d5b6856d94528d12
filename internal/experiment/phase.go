package experiment

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/governor-project/governor/internal/api"
	"github.com/governor-project/governor/internal/cpuset"
	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/experiment/worklog"
)

const (
	// warmUp is how long the service serves before the interference starts and the
	// measured window with it: connections, calibration, and for the agent the
	// first second of figures.
	warmUp = 3 * time.Second
	// startTime bounds the wait for a container's first words.
	startTime = 30 * time.Second
	// stopTime bounds the wait for a container's last words. A service that is
	// starved takes its time.
	stopTime = 20 * time.Second
	// settleTime lets the last samples and log lines of a window arrive.
	settleTime = 2 * sampleInterval
)

// launcher starts the two containers of a phase and returns their IDs.
type launcher interface {
	service(ctx context.Context) (id string, err error)
	interference(ctx context.Context) (id string, err error)
}

// stage is one phase while it runs.
type stage struct {
	lab          *lab
	phase        Phase
	setup        setup
	sampler      *sampler
	service      *subject
	interference *subject // nil in the phase alone
	openedAt     time.Time
	windowAt     time.Time
	pool         cpuset.Set
	busy         [2]busyReading // of the pool, about the start and the end of the window
	progress     *progress
}

// phaseRun is what was observed in a phase: the input of the figures and plots.
type phaseRun struct {
	phase        Phase
	setup        setup
	openedAt     time.Time // the start of the warm-up
	windowAt     time.Time
	lead         time.Duration // how long before the window the interference began
	service      series
	interference series
	seconds      map[int]worklog.Second
	end          worklog.End
	other        float64        // CPU seconds that anything else took of the pool in the window
	decisions    []api.Decision // governed only
}

// windowEnd is when the measured window is over.
func (p *phaseRun) windowEnd() time.Time {
	return p.windowAt.Add(time.Duration(p.setup.seconds) * time.Second)
}

// open starts the service, lets it warm up, starts the interference, and then
// begins the measured window.
func (st *stage) open(ctx context.Context, la launcher) (err error) {
	st.sampler = startSampler(ctx)
	if st.service, err = st.start(ctx, "service", la.service); err != nil {
		return err
	}
	if err := st.waitFor(ctx, st.service, startTime, "it has started", started); err != nil {
		return err
	}
	st.openedAt = time.Now()
	if err := st.progress.sleep(ctx, warmUp, st.live); err != nil {
		return err
	}
	// The interference is not waited for: at the lowest weight it may take seconds to
	// say its first word, and it burns from its first instant.
	if st.setup.interference {
		if st.interference, err = st.start(ctx, "interference", la.interference); err != nil {
			return err
		}
	}
	if err := st.lab.docker.Kill(ctx, st.service.id, "SIGUSR1"); err != nil {
		return err
	}
	if err := st.waitFor(ctx, st.service, startTime, "the start of its window", measuring); err != nil {
		return err
	}
	st.windowAt = st.service.log.measure.At()
	st.busy[0], err = readBusy(st.pool)
	return err
}

func (st *stage) start(ctx context.Context, role string, launch func(context.Context) (string, error)) (*subject, error) {
	id, err := launch(ctx)
	if err != nil {
		return nil, fmt.Errorf("start the %s: %w", role, err)
	}
	sub, err := st.lab.attach(ctx, role, id, st.sampler)
	if err != nil {
		return nil, fmt.Errorf("watch the %s: %w", role, err)
	}
	return sub, nil
}

func (st *stage) waitFor(ctx context.Context, sub *subject, limit time.Duration, what string, cond func(*transcript) bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := sub.log.wait(ctx, what, cond); err != nil {
		return fmt.Errorf("the %s: %w", sub.role, err)
	}
	return nil
}

// watchWindow waits until the measured window is over.
func (st *stage) watchWindow(ctx context.Context) error {
	length := time.Duration(st.setup.seconds) * time.Second
	if err := st.progress.sleep(ctx, time.Until(st.windowAt.Add(length)), st.live); err != nil {
		return err
	}
	if err := st.progress.sleep(ctx, settleTime, st.live); err != nil {
		return err
	}
	var err error
	st.busy[1], err = readBusy(st.pool)
	return errors.Join(err, st.stillThere())
}

// stillThere fails when a container has ended in the window: the phase would
// have measured something else.
func (st *stage) stillThere() error {
	for _, sub := range []*subject{st.service, st.interference} {
		if sub != nil && !st.sampler.alive(sub.watch) {
			return fmt.Errorf("the %s container ended during the phase; it said: %s", sub.role, sub.log.problem())
		}
	}
	return nil
}

// live is the line of figures for the progress display.
func (st *stage) live() string {
	cpus := st.sampler.latest()
	if len(cpus) == 0 {
		return ""
	}
	text := fmt.Sprintf("service %.2f CPU", cpus[0])
	if len(cpus) > 1 {
		text += fmt.Sprintf(", interference %.2f CPU", cpus[1])
	}
	if st.service == nil {
		return text
	}
	st.service.log.mu.Lock()
	latest := st.service.log.latest
	st.service.log.mu.Unlock()
	if values := latencies(latest); len(values) > 0 {
		text += fmt.Sprintf(", p95 %.0f ms", percentile(values, 95))
	}
	return text
}

// finish ends the service, reads its last words, and removes the containers.
func (st *stage) finish(ctx context.Context) (*phaseRun, error) {
	if err := st.lab.docker.Kill(ctx, st.service.id, "SIGTERM"); err != nil {
		return nil, err
	}
	if err := st.waitFor(ctx, st.service, stopTime, "its totals", ended); err != nil {
		return nil, err
	}
	if err := st.sampler.stop(); err != nil {
		return nil, err
	}
	run := &phaseRun{
		phase: st.phase, setup: st.setup, openedAt: st.openedAt, windowAt: st.windowAt,
		service: st.service.watch.series, seconds: st.service.log.seconds, end: *st.service.log.end,
	}
	if st.interference != nil {
		run.interference = st.interference.watch.series
		run.lead = st.windowAt.Sub(st.interference.startedAt)
	}
	run.other = otherCPU(st.busy[0], st.busy[1], run.service, run.interference)
	return run, nil
}

// close releases what the stage holds and removes its containers, whether or
// not the phase went well.
func (st *stage) close() error {
	var errs []error
	if st.sampler != nil {
		_ = st.sampler.stop() // reported by finish
	}
	ctx, cancel := context.WithTimeout(context.Background(), cleanUpTime)
	defer cancel()
	errs = append(errs, st.lab.removeContainers(ctx, st.lab.label()))
	for _, s := range []*subject{st.service, st.interference} {
		if s != nil {
			s.detach()
		}
	}
	return errors.Join(errs...)
}

// report works out the figures of the phase.
func (p *phaseRun) report(s Scenario) (PhaseReport, []SecondFigures) {
	per, latency, requests := requestFigures(p.seconds, p.setup.seconds, s.Target)
	r := PhaseReport{
		Name:              p.phase,
		Seconds:           p.setup.seconds,
		ServiceCPUSeconds: p.service.used(p.windowAt, p.windowEnd()),
		PoolCPUSeconds:    float64(s.Pool.Len() * p.setup.seconds),
		Requests:          requests,
		LatencyMS:         latency,
		ViolationSeconds:  violations(per),
		SpansLost:         p.end.SpansLost,
		OtherCPUSeconds:   p.other,
	}
	if len(p.interference) > 0 {
		r.InterferenceCPUSeconds = p.interference.used(p.windowAt, p.windowEnd())
	}
	for i := range p.setup.seconds {
		r.Unfinished += len(p.seconds[i].UnfinishedUS)
	}
	return r, per
}

// direct starts containers through the engine, without an agent.
type direct struct {
	lab      *lab
	scenario Scenario
	setup    setup
	base     int
}

func (d direct) service(ctx context.Context) (string, error) {
	host, port, err := net.SplitHostPort(d.lab.sink.LocalAddr().String())
	if err != nil {
		return "", err
	}
	return d.run(ctx, docker.CreateSpec{
		Command: d.scenario.serviceCommand(d.base),
		CPUs:    d.setup.serviceCPUs.String(),
		Quota:   d.setup.quota,
		Env:     map[string]string{"JAEGER_SERVICE_NAME": serviceApp, "JAEGER_AGENT_HOST": host, "JAEGER_AGENT_PORT": port},
	})
}

func (d direct) interference(ctx context.Context) (string, error) {
	return d.run(ctx, docker.CreateSpec{
		Command: d.scenario.interferenceCommand(),
		CPUs:    d.scenario.Bound.String(),
		Shares:  d.setup.shares,
	})
}

func (d direct) run(ctx context.Context, spec docker.CreateSpec) (string, error) {
	ctx = context.WithoutCancel(ctx) // a container that appears after the clean-up would stay
	spec.Image = imageRef
	spec.Labels = map[string]string{demoLabel: d.lab.run}
	id, err := d.lab.docker.Create(ctx, spec)
	if err != nil {
		return "", err
	}
	return id, d.lab.docker.Start(ctx, id)
}
