package experiment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/governor-project/governor/internal/api"
)

// Times of the agent under test.
const (
	agentReadyTime = 30 * time.Second // from its start until its API answers
	agentStopTime  = 20 * time.Second // from SIGTERM until its end, with every limit restored
	agentPoll      = 50 * time.Millisecond
)

// agent is the Governor under test: a child process with its default
// configuration, in enforce mode, with a state and a socket of its own.
type agent struct {
	pid  int
	api  *api.Client
	log  string        // path
	done chan struct{} // closed when the process has ended; err is set before
	err  error
}

// agentSettings say which agent to start and where.
type agentSettings struct {
	binary string
	config []string // values of --config after the default; none: only the default
	state  string   // directory; it survives the agent
	pool   string   // CPUs, as a list
	log    string   // appended to
}

// startAgent starts the agent and waits until its API answers.
func startAgent(ctx context.Context, s agentSettings) (*agent, error) {
	socket := filepath.Join(s.state, "governor.sock")
	out, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("agent's log: %w", err)
	}
	var args []string
	for _, c := range s.config {
		args = append(args, "--config", c)
	}
	cmd := exec.Command(s.binary, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(),
		"GOVERNOR_MODE=enforce",
		"GOVERNOR_STATE_DIR="+s.state,
		"GOVERNOR_SOCKET="+socket,
		"GOVERNOR_POOL_CPUS="+s.pool)
	// Its own process group: Ctrl-C is for us, and we stop the agent in order. Its
	// end comes with ours, also when we are killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	a := &agent{api: api.NewClient(socket), log: s.log, done: make(chan struct{})}
	begun := make(chan error)
	go func() { // ends with the child, which every path of this file waits for
		// The kernel sends Pdeathsig when the thread that forked ends, so this one stays.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(a.done)
		defer out.Close()
		err := cmd.Start()
		begun <- err
		if err == nil {
			a.err = cmd.Wait()
		}
	}()
	if err := <-begun; err != nil {
		<-a.done
		return nil, fmt.Errorf("start the agent: %w", err)
	}
	a.pid = cmd.Process.Pid
	if err := a.waitReady(ctx); err != nil {
		return nil, errors.Join(err, a.kill())
	}
	return a, nil
}

func (a *agent) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, agentReadyTime)
	defer cancel()
	for {
		err := ready(ctx, a.api)
		if err == nil {
			return nil
		}
		select {
		case <-a.done:
			return fmt.Errorf("the agent ended at once (%v); its last words:\n%s", a.err, a.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("the agent's API does not answer after %s: %w; its last words:\n%s", agentReadyTime, err, a.lastWords())
		case <-time.After(agentPoll):
		}
	}
}

// lastWords are the last lines of the agent's log.
func (a *agent) lastWords() string {
	text, err := os.ReadFile(a.log)
	if err != nil {
		return err.Error()
	}
	const lines = 8
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// stop asks the agent to end and waits until it has.
func (a *agent) stop() error {
	a.api.Close()
	if err := a.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-a.done:
		if a.err != nil {
			return fmt.Errorf("the agent ended with %w; its last words:\n%s", a.err, a.lastWords())
		}
		return nil
	case <-time.After(agentStopTime):
		return errors.Join(fmt.Errorf("the agent did not end within %s of SIGTERM and was killed", agentStopTime), a.kill())
	}
}

// kill ends the agent with SIGKILL and waits until it has ended.
func (a *agent) kill() error {
	a.api.Close()
	err := a.signal(syscall.SIGKILL)
	<-a.done
	return err
}

// signal does nothing when the process has ended.
func (a *agent) signal(sig syscall.Signal) error {
	select {
	case <-a.done:
		return nil
	default:
	}
	if err := syscall.Kill(a.pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send %s to the agent: %w", sig, err)
	}
	return nil
}

// clockTick is the unit of times in /proc/PID/stat: USER_HZ, 100 on every Linux
// architecture that Go supports.
const clockTick = 100

// cpuSeconds is the agent's CPU time so far, user and system, from /proc/PID/stat.
func (a *agent) cpuSeconds() (float64, error) {
	place := filepath.Join("/proc", strconv.Itoa(a.pid), "stat")
	text, err := os.ReadFile(place)
	if err != nil {
		return 0, err
	}
	seconds, err := parseStatCPU(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", place, err)
	}
	return seconds, nil
}

// parseStatCPU reads utime and stime, fields 14 and 15. The second field, the
// name in parentheses, may hold anything, so fields count from the last one.
// Source: proc_pid_stat(5).
func parseStatCPU(text []byte) (float64, error) {
	_, after, ok := bytes.Cut(text[max(0, bytes.LastIndexByte(text, ')')):], []byte(")"))
	fields := strings.Fields(string(after))
	const utime, stime = 14 - 3, 15 - 3 // the field after the name is number 3
	if !ok || len(fields) <= stime {
		return 0, fmt.Errorf("%d fields after the name; at least %d are needed", len(fields), stime+1)
	}
	total := uint64(0)
	for _, f := range fields[utime : stime+1] {
		ticks, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("CPU time %q is not a number", f)
		}
		total += ticks
	}
	return float64(total) / clockTick, nil
}

// maxRSS is the agent's largest resident memory so far in bytes: VmHWM of /proc/PID/status.
func (a *agent) maxRSS() (uint64, error) {
	place := filepath.Join("/proc", strconv.Itoa(a.pid), "status")
	text, err := os.ReadFile(place)
	if err != nil {
		return 0, err
	}
	bytes, err := parseHighWater(string(text))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", place, err)
	}
	return bytes, nil
}

func parseHighWater(text string) (uint64, error) {
	for line := range strings.Lines(text) {
		value, ok := strings.CutPrefix(line, "VmHWM:")
		if !ok {
			continue
		}
		kib, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("VmHWM %q is not a size in kB", strings.TrimSpace(value))
		}
		return kib << 10, nil
	}
	return 0, errors.New("no VmHWM")
}
