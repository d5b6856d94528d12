package experiment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/topology"
)

// Bounds of the base length of a phase, in seconds.
const (
	MinSeconds = 2
	MaxSeconds = 3600
)

// Options say what to run. Every field without a default is required.
type Options struct {
	Scenario    string // a name, or All
	Seconds     int    // base length of a phase
	Out         string // directory for reports; one folder a scenario
	Workload    string // path of the static workload binary
	Governor    string // path of the agent's binary; only for the governed phase
	AgentConfig []string
	Phases      []Phase       // nil: all
	Docker      docker.Client // nil: the engine of this host
	Progress    io.Writer     // live progress and the result tables
}

// Validate reports everything that is wrong with the options at once.
func (o Options) Validate() error {
	var errs []error
	if o.Seconds < MinSeconds || o.Seconds > MaxSeconds {
		errs = append(errs, fmt.Errorf("seconds: %d is not allowed; %d to %d", o.Seconds, MinSeconds, MaxSeconds))
	}
	files := map[string]string{"workload": o.Workload}
	if o.has(Governed) {
		files["governor"] = o.Governor
	}
	for _, key := range []string{"workload", "governor"} {
		path, wanted := files[key]
		if !wanted {
			continue
		}
		if info, err := os.Stat(path); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", key, err))
		} else if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			errs = append(errs, fmt.Errorf("%s: %s is not a program", key, path))
		}
	}
	if o.Out == "" {
		errs = append(errs, errors.New("out: empty; a directory is needed"))
	}
	return errors.Join(errs...)
}

func (o Options) has(p Phase) bool { return len(o.Phases) == 0 || slices.Contains(o.Phases, p) }

func (o Options) phases() []Phase {
	return slices.DeleteFunc([]Phase{Alone, Contended, WeightsOnly, Governed}, func(p Phase) bool { return !o.has(p) })
}

// Run runs the experiment, writes the reports and returns them. Whatever
// happens, also when ctx ends, everything but the reports is removed again.
func Run(ctx context.Context, o Options) (reports []Report, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	host, err := topology.Read("/")
	if err != nil {
		return nil, err
	}
	scenarios, err := Select(Scenarios(host.Online), o.Scenario)
	if err != nil {
		return nil, err
	}
	client := o.Docker
	if client == nil {
		if client, err = docker.New(docker.Options{}); err != nil {
			return nil, err
		}
		defer client.Close()
	}
	l, err := openLab(ctx, client, o.Workload)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	p := newProgress(o.Progress)
	defer p.done()
	for _, phase := range o.phases() {
		p.remaining += time.Duration(len(scenarios)) * expected(phase, o.Seconds)
	}
	for _, s := range scenarios {
		r, err := l.runScenario(ctx, s, o, p, l.host(ctx, host.Online.String()))
		if err != nil {
			return reports, fmt.Errorf("scenario %s: %w", s.Name, err)
		}
		reports = append(reports, r)
	}
	return reports, nil
}

// runScenario runs the phases of one scenario and writes its report.
func (l *lab) runScenario(ctx context.Context, s Scenario, o Options, p *progress, host Host) (Report, error) {
	dir := filepath.Join(o.Out, s.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Report{}, err
	}
	if err := os.Remove(agentLog(dir)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return Report{}, err
	}
	r := Report{Scenario: s.Name, TargetMS: milliseconds(s.Target), Host: host}
	var runs []*phaseRun
	for _, phase := range o.phases() {
		p.begin(fmt.Sprintf("%s, %s", s.Name, phase), expected(phase, o.Seconds))
		run, res, err := l.runPhase(ctx, s, phase, o, dir, p)
		if err != nil {
			return r, fmt.Errorf("phase %s: %w", phase, err)
		}
		runs = append(runs, run)
		figures, per := run.report(s)
		r.Phases = append(r.Phases, figures)
		if phase == Governed {
			r.addGoverned(figures, per, run.lead, res)
		}
	}
	r.Checks = check(r)
	p.done()
	writeTable(o.Progress, s, r)
	return r, writeReport(dir, s, r, runs)
}

func (l *lab) runPhase(ctx context.Context, s Scenario, phase Phase, o Options, dir string, p *progress) (run *phaseRun, res governedResult, err error) {
	st := &stage{lab: l, phase: phase, setup: s.setup(phase, o.Seconds), pool: s.Pool, progress: p}
	defer func() { err = errors.Join(err, st.close()) }()
	if phase == Governed {
		return l.runGoverned(ctx, st, s, o.Seconds, agentSettings{
			binary: o.Governor, config: o.AgentConfig, pool: s.Pool.String(), log: agentLog(dir),
		})
	}
	if err := st.open(ctx, direct{lab: l, scenario: s, setup: st.setup, base: o.Seconds}); err != nil {
		return nil, res, err
	}
	if err := st.watchWindow(ctx); err != nil {
		return nil, res, err
	}
	run, err = st.finish(ctx)
	return run, res, err
}

// addGoverned adds what only the governed phase yields.
func (r *Report) addGoverned(figures PhaseReport, per []SecondFigures, lead time.Duration, res governedResult) {
	if seconds, ok := recovery(per, lead); ok {
		r.RecoverySeconds = &seconds
	}
	r.Writes, r.Agent, r.Notes = res.writes, res.agent, res.notes
	r.Restored, r.RestoredAfterKill = &res.restored, &res.restoredAfterKill
	r.InterferenceShare = interferenceShare(figures)
}
