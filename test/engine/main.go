// Command engine runs a command with a Docker engine at hand:
//
//	go run ./test/engine -- make test-docker
//
// An engine that answers is used and left alone. Where none answers, it is
// installed from Debian's packages if need be, started for the length of the
// command, and ended afterwards. It exits with the command's exit status.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	socket       = "/var/run/docker.sock"
	pidFile      = "/var/run/docker.pid"
	startTimeout = 60 * time.Second
	stopTimeout  = 20 * time.Second
	pollInterval = 200 * time.Millisecond
)

func main() {
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: engine -- COMMAND [ARG ...]")
		os.Exit(2)
	}
	status, err := run(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		status = max(status, 1)
	}
	os.Exit(status)
}

func run(args []string) (status int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if !answers(ctx) {
		end, err := start(ctx)
		if err != nil {
			return 1, err
		}
		defer end()
	}
	return command(ctx, args)
}

// command runs the command. On an interrupt the command gets the signal (it is in
// the terminal's process group, or is told here) and may clean up.
func command(ctx context.Context, args []string) (int, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 2 * time.Minute
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil
	}
	return 0, err
}

func answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/_ping", nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode == http.StatusOK
}

// start installs the engine if need be and starts it.
func start(ctx context.Context) (end func(), err error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("no Docker engine answers on " + socket + ", and only root can start one")
	}
	if err := install(ctx); err != nil {
		return nil, err
	}
	// A stale pid file of a killed engine stops a new one when its number was reused.
	if err := os.Remove(pidFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	logPath := filepath.Join(os.TempDir(), fmt.Sprintf("governor-dockerd-%d.log", os.Getpid()))
	log, err := os.Create(logPath)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command("dockerd")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C reaches the command first, the engine ends last
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	end = func() { terminate(cmd.Process, ended); _ = os.Remove(logPath) }
	fmt.Fprintln(os.Stderr, "engine: started a Docker engine for this run")
	return end, waitUntilItAnswers(ctx, end, ended, logPath)
}

func waitUntilItAnswers(ctx context.Context, end func(), ended <-chan struct{}, logPath string) error {
	deadline := time.After(startTimeout)
	for {
		if answers(ctx) {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("dockerd ended at once:\n%s", tail(logPath))
		case <-deadline:
			defer end()
			return fmt.Errorf("dockerd does not answer after %s:\n%s", startTimeout, tail(logPath))
		case <-ctx.Done():
			end()
			return ctx.Err()
		case <-time.After(pollInterval):
		}
	}
}

func install(ctx context.Context) error {
	if _, err := exec.LookPath("dockerd"); err == nil {
		return nil
	}
	fmt.Fprintln(os.Stderr, "engine: installing docker.io and iptables")
	for _, args := range [][]string{
		{"apt-get", "update", "-qq"},
		{"apt-get", "install", "-y", "-qq", "--no-install-recommends", "docker.io", "iptables"},
	} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

func terminate(p *os.Process, ended <-chan struct{}) {
	_ = p.Signal(syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(stopTimeout):
		_ = p.Kill()
		<-ended
	}
}

func tail(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}
