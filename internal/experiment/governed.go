package experiment

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/governor-project/governor/internal/api"
)

// throughAgent starts containers as a user of the agent does: with app files.
type throughAgent struct {
	api      *api.Client
	scenario Scenario
	base     int
}

func (t throughAgent) service(ctx context.Context) (string, error) {
	file, err := t.scenario.serviceFile(t.base)
	if err != nil {
		return "", err
	}
	return up(ctx, t.api, serviceApp, file)
}

func (t throughAgent) interference(ctx context.Context) (string, error) {
	file, err := t.scenario.interferenceFile()
	if err != nil {
		return "", err
	}
	return up(ctx, t.api, interferenceApp, file)
}

// governedResult is what only the governed phase yields.
type governedResult struct {
	agent             AgentReport
	writes            int
	restored          bool
	restoredAfterKill bool
	notes             []string // what was not restored, for the terminal
}

// note keeps an error of the agent that makes a promise unkept and leaves the
// measurement as good as it is.
func (res *governedResult) note(err error) {
	if err != nil {
		res.notes = append(res.notes, err.Error())
	}
}

// runGoverned runs the governed phase with an agent of its own.
func (l *lab) runGoverned(ctx context.Context, st *stage, s Scenario, base int, settings agentSettings) (run *phaseRun, res governedResult, err error) {
	if settings.state, err = os.MkdirTemp(l.temp, "agent-"); err != nil {
		return nil, res, err
	}
	a, err := startAgent(ctx, settings)
	if err != nil {
		return nil, res, err
	}
	defer func() { err = errors.Join(err, a.end()) }()
	if err := st.open(ctx, throughAgent{api: a.api, scenario: s, base: base}); err != nil {
		return nil, res, err
	}
	before, err := a.cpuSeconds()
	if err != nil {
		return nil, res, err
	}
	if err := errors.Join(st.watchWindow(ctx), a.alive()); err != nil {
		return nil, res, err
	}
	var all []api.Decision
	if res.agent, all, err = a.account(ctx, before); err != nil {
		return nil, res, err
	}
	res.writes = countWrites(all)
	st.waitStragglers(ctx)
	st.progress.note("stopping the agent and comparing limits")
	res.note(a.stop())
	res.restored = st.compare(&res, "after the agent's stop")
	res.restoredAfterKill, err = st.killCheck(ctx, settings, &res)
	if res.note(err); ctx.Err() != nil {
		return nil, res, context.Cause(ctx)
	}
	run, err = st.finish(ctx)
	if run != nil {
		run.decisions = written(all)
	}
	return run, res, err
}

// account reads what the agent has used since it had used before CPU seconds.
func (a *agent) account(ctx context.Context, before float64) (r AgentReport, all []api.Decision, err error) {
	after, err := a.cpuSeconds()
	if err != nil {
		return r, nil, err
	}
	r.CPUSeconds = after - before
	if r.MaxRSSBytes, err = a.maxRSS(); err != nil {
		return r, nil, err
	}
	all, err = decisions(ctx, a.api)
	return r, all, err
}

// alive fails when the agent has ended by itself.
func (a *agent) alive() error {
	select {
	case <-a.done:
		return fmt.Errorf("the agent ended by itself (%v); its last words:\n%s", a.err, a.lastWords())
	default:
		return nil
	}
}

// end makes sure that the agent does not outlive the phase. An agent that was
// stopped in order is left alone.
func (a *agent) end() error {
	select {
	case <-a.done:
		return nil
	default:
		return a.stop()
	}
}

// waitStragglers gives the window's last requests a moment to finish under the
// agent's control. Those that do not are reported as unfinished at the end.
func (st *stage) waitStragglers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_ = st.service.log.wait(ctx, "the last second of its window", through(st.setup.seconds))
}

// compare reports whether all limits are the original ones.
func (st *stage) compare(res *governedResult, when string) bool {
	same := true
	for _, sub := range []*subject{st.service, st.interference} {
		difference, err := sub.restored()
		if err != nil {
			difference = err.Error()
		}
		if difference != "" {
			same = false
			res.notes = append(res.notes, when+": "+difference)
		}
	}
	return same
}

// adoptTime is how long the agent that was started after kill -9 runs before it is stopped.
const adoptTime = 2 * time.Second

// changeTime bounds the wait for the first limit that a started agent writes.
const changeTime = 10 * time.Second

// killCheck starts the agent again, kills it once it has changed a limit, and
// reports whether a new start and an orderly stop bring the originals back.
func (st *stage) killCheck(ctx context.Context, settings agentSettings, res *governedResult) (bool, error) {
	st.progress.note("kill -9 in control, then a new start: comparing limits")
	victim, err := startAgent(ctx, settings)
	if err != nil {
		return false, fmt.Errorf("start the agent to be killed: %w", err)
	}
	changed := st.waitChange(ctx)
	if err := victim.kill(); err != nil {
		return false, err
	}
	if !changed {
		return false, fmt.Errorf("before kill -9: no limit was changed within %s", changeTime)
	}
	again, err := startAgent(ctx, settings)
	if err != nil {
		return false, fmt.Errorf("start the agent after kill -9: %w", err)
	}
	if err := st.progress.sleep(ctx, adoptTime, st.live); err != nil {
		return false, errors.Join(err, again.stop())
	}
	res.note(again.stop())
	return st.compare(res, "after kill -9 and a new start"), nil
}

// waitChange waits until some limit differs from its original.
func (st *stage) waitChange(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, changeTime)
	defer cancel()
	for {
		for _, sub := range []*subject{st.service, st.interference} {
			if difference, err := sub.restored(); err == nil && difference != "" {
				return true
			}
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(agentPoll):
		}
	}
}

// agentLog is where the agent's log of a scenario goes.
func agentLog(dir string) string { return filepath.Join(dir, "agent.log") }
