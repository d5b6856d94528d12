//go:build docker

package experiment

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/docker/dockertest"
)

// waitForTurn returns when no other demo and no other test that controls limits runs on this host.
func waitForTurn(t *testing.T) {
	t.Helper()
	giveBack, err := dockertest.TakeTurn(t.Context())
	require.NoError(t, err)
	t.Cleanup(giveBack)
	require.Eventually(t, func() bool {
		lock, err := takeLock()
		return err == nil && lock.Close() == nil
	}, 10*time.Minute, 200*time.Millisecond, "another demo keeps running")
}

const workloadPackage = "github.com/governor-project/governor/cmd/workload"

// requireNothingLeft fails when a container, the image or a temporary directory of a demo is left.
func requireNothingLeft(t *testing.T, c docker.Client) {
	t.Helper()
	found, err := c.List(context.Background(), demoLabel)
	require.NoError(t, err)
	assert.Empty(t, found, "containers")
	exists, err := c.ImageExists(context.Background(), imageRef)
	require.NoError(t, err)
	assert.False(t, exists, "the image")
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), tempPattern))
	require.NoError(t, err)
	assert.Empty(t, dirs, "temporary directories")
}

func TestPhasesOnARealEngine(t *testing.T) {
	c := dockertest.Real(t)
	waitForTurn(t)
	out := t.TempDir()
	var terminal bytes.Buffer
	reports, err := Run(t.Context(), Options{
		Scenario: Limited, Seconds: 2, Out: out, Docker: c, Progress: &terminal,
		Workload: dockertest.Program(t, workloadPackage), Phases: []Phase{Alone, Contended, WeightsOnly},
	})
	t.Log(terminal.String())
	require.NoError(t, err)
	requireNothingLeft(t, c)

	require.Len(t, reports, 1)
	alone, ok := reports[0].phase(Alone)
	require.True(t, ok)
	contended, ok := reports[0].phase(Contended)
	require.True(t, ok)
	assert.Positive(t, alone.Requests)
	assert.Equal(t, alone.Requests, contended.Requests, "both phases have the same arrivals")
	assert.Zero(t, alone.InterferenceCPUSeconds)
	assert.Positive(t, contended.InterferenceCPUSeconds)
	assert.LessOrEqual(t, contended.ServiceCPUSeconds, 0.6*2*1.1, "the limit of 0.6 CPUs holds")
	assert.Greater(t, contended.LatencyMS.P95, alone.LatencyMS.P95)
	for _, name := range []string{"report.json", "report.html", "cpu.png", "latency.png", "limits.png"} {
		assert.FileExists(t, filepath.Join(out, Limited, name))
	}
}

func TestInterruptionCleansUp(t *testing.T) {
	c := dockertest.Real(t)
	waitForTurn(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(8*time.Second, cancel)
	_, err := Run(ctx, Options{
		Scenario: SharedCore, Seconds: 60, Out: t.TempDir(), Docker: c, Progress: &bytes.Buffer{},
		Workload: dockertest.Program(t, workloadPackage), Phases: []Phase{Contended},
	})
	require.ErrorIs(t, err, context.Canceled)
	requireNothingLeft(t, c)
}

func TestLeftoversOfAKilledDemoAreRemoved(t *testing.T) {
	c := dockertest.Real(t)
	workload := dockertest.Program(t, workloadPackage)
	waitForTurn(t)
	require.NoError(t, docker.ImportBinary(t.Context(), c, imageRef, workload, "LABEL "+demoLabel+"=1"))
	id, err := c.Create(t.Context(), docker.CreateSpec{Image: imageRef, Command: []string{"interference"}})
	require.NoError(t, err)
	require.NoError(t, c.Start(t.Context(), id))
	old, err := os.MkdirTemp("", tempPattern)
	require.NoError(t, err)

	l, err := openLab(t.Context(), c, workload)
	require.NoError(t, err)
	_, err = openLab(t.Context(), c, workload)
	assert.ErrorContains(t, err, "another demo is running")
	_, err = c.Inspect(t.Context(), id)
	assert.Error(t, err, "the old container is gone")
	assert.NoDirExists(t, old)
	require.NoError(t, l.close())
	requireNothingLeft(t, c)
}

// governedOptions run the governed phase with a stand-in for the agent.
func governedOptions(t *testing.T, role string) (Options, *bytes.Buffer) {
	t.Helper()
	t.Setenv(envRole, role)
	self, err := os.Executable()
	require.NoError(t, err)
	waitForTurn(t)
	var terminal bytes.Buffer
	return Options{
		Scenario: TwoCore, Seconds: 2, Out: t.TempDir(), Docker: dockertest.Real(t), Progress: &terminal,
		Workload: dockertest.Program(t, workloadPackage), Governor: self, Phases: []Phase{Governed},
	}, &terminal
}

func TestGovernedPhaseWithAStandIn(t *testing.T) {
	o, terminal := governedOptions(t, "stand-in")
	reports, err := Run(t.Context(), o)
	t.Log(terminal.String())
	require.NoError(t, err)
	requireNothingLeft(t, o.Docker)
	r := reports[0]
	governed, ok := r.phase(Governed)
	require.True(t, ok)
	assert.Equal(t, 6, governed.Seconds)
	assert.Equal(t, 2, r.Writes, "one weight, one cpuset")
	assert.True(t, *r.Restored)
	assert.True(t, *r.RestoredAfterKill)
	assert.Positive(t, r.Agent.MaxRSSBytes)
	assert.Positive(t, governed.InterferenceCPUSeconds)
	assert.FileExists(t, filepath.Join(o.Out, TwoCore, "agent.log"))
}

func TestAnAgentThatDoesNotRestoreIsNoticed(t *testing.T) {
	o, terminal := governedOptions(t, "forgetful")
	reports, err := Run(t.Context(), o)
	require.NoError(t, err)
	requireNothingLeft(t, o.Docker)
	assert.False(t, *reports[0].Restored)
	assert.False(t, *reports[0].RestoredAfterKill)
	assert.Contains(t, terminal.String(), "after the agent's stop: service: the cpuset is 0-1 and was 1")
	assert.Contains(t, terminal.String(), "after the agent's stop: interference: shares are 2 and were 1024")
	assert.False(t, Met(reports))
}

func init() {
	roles["demo"] = func() error {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		self, err := os.Executable()
		if err != nil {
			return err
		}
		if err := os.Setenv(envRole, "stand-in"); err != nil { // for the agent
			return err
		}
		_, err = Run(ctx, Options{
			Scenario: TwoCore, Seconds: 60, Out: os.Getenv("DEMO_OUT"), Progress: os.Stdout,
			Workload: os.Getenv("DEMO_WORKLOAD"), Governor: self, Phases: []Phase{Governed},
		})
		return err
	}
}

// startDemo starts a demo in a process group of its own, as a shell does, and
// returns once both containers run.
func startDemo(t *testing.T, c docker.Client, workload string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	waitForTurn(t)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), envRole+"=demo", "DEMO_OUT="+t.TempDir(), "DEMO_WORKLOAD="+workload)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	require.Eventually(t, func() bool {
		found, err := c.List(t.Context(), demoLabel)
		return err == nil && len(found) == 2
	}, time.Minute, 100*time.Millisecond)
	return cmd
}

func TestCtrlCCleansUp(t *testing.T) {
	c := dockertest.Real(t)
	cmd := startDemo(t, c, dockertest.Program(t, workloadPackage))
	require.NoError(t, syscall.Kill(-cmd.Process.Pid, syscall.SIGINT))
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	requireNothingLeft(t, c)
}

func TestAKilledDemoLeavesNoAgentAndTheNextOneCleansUp(t *testing.T) {
	c := dockertest.Real(t)
	workload := dockertest.Program(t, workloadPackage)
	cmd := startDemo(t, c, workload)
	sockets, err := filepath.Glob(filepath.Join(os.TempDir(), tempPattern, "*", "governor.sock"))
	require.NoError(t, err)
	require.Len(t, sockets, 1)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	require.Eventually(t, func() bool {
		conn, err := net.Dial("unix", sockets[0])
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, 10*time.Second, 50*time.Millisecond, "the agent ends with the demo")
	l, err := openLab(t.Context(), c, workload)
	require.NoError(t, err)
	require.NoError(t, l.close())
	requireNothingLeft(t, c)
}
