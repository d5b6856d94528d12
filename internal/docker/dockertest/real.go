package dockertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/governor-project/governor/internal/docker"
)

// Label marks everything that a test creates on a real engine; its value is
// the test's name.
const Label = "governor.test"

// settle bounds each step of preparing and cleaning up.
const settle = 2 * time.Minute

// Real connects to the engine of this host. A missing engine fails the test:
// tests against a real engine never skip.
func Real(tb testing.TB) docker.Client {
	tb.Helper()
	c, err := docker.New(docker.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	if _, err := c.Ping(tb.Context()); err != nil {
		tb.Fatalf("this test needs a Docker engine: %v", err)
	}
	return c
}

// turnName is an abstract Unix socket: it exists once on a host and goes with its process.
const turnName = "@governor-test-turn"

// turnTimeout bounds the wait for other packages' tests.
const turnTimeout = 10 * time.Minute

// TakeTurn waits until no other test of this host controls the limits of all
// containers, as an agent does, and returns how to give the turn back. Packages
// are tested side by side, and two controllers on one host would undo each other.
func TakeTurn(ctx context.Context) (giveBack func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, turnTimeout)
	defer cancel()
	for {
		turn, err := (&net.ListenConfig{}).Listen(ctx, "unix", turnName)
		if err == nil {
			return func() { _ = turn.Close() }, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("other tests keep controlling this host: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Labels are what a test puts on the containers that it creates.
func Labels(tb testing.TB) map[string]string { return map[string]string{Label: tb.Name()} }

// CleanUp removes the containers of this test that are left from an earlier
// run now, and those that the test leaves at its end.
func CleanUp(tb testing.TB, c docker.Client) {
	tb.Helper()
	RemoveByLabel(tb, c, Label+"="+tb.Name())
	tb.Cleanup(func() { RemoveByLabel(tb, c, Label+"="+tb.Name()) })
}

// RemoveByLabel removes every container with this label.
func RemoveByLabel(tb testing.TB, c docker.Client, label string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), settle)
	defer cancel()
	found, err := c.List(ctx, label)
	if err != nil {
		tb.Errorf("clean up: %v", err)
	}
	for _, s := range found {
		if err := c.Remove(ctx, s.ID, true); err != nil {
			tb.Errorf("clean up: %v", err)
		}
	}
}

// Program builds a static program from a package of this module and returns its path.
func Program(tb testing.TB, pkg string) string {
	tb.Helper()
	out := filepath.Join(tb.TempDir(), "program")
	build := exec.CommandContext(tb.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("build %s: %v\n%s", pkg, err, text)
	}
	return out
}

// probePackage is the program of the probe image; see its package comment for
// what its arguments mean.
const probePackage = "github.com/governor-project/governor/internal/docker/dockertest/probe"

// ProbeImage makes an image of the probe program for this test and returns its
// reference. At the test's end the image goes, and all containers of it.
func ProbeImage(tb testing.TB, c docker.Client) string {
	tb.Helper()
	ref := fmt.Sprintf("governor-probe:%d-%x", os.Getpid(), rand.Uint64())
	if err := docker.ImportBinary(tb.Context(), c, ref, Program(tb, probePackage), "LABEL "+Label+"="+tb.Name()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { removeImage(tb, c, ref) })
	return ref
}

func removeImage(tb testing.TB, c docker.Client, ref string) {
	ctx, cancel := context.WithTimeout(context.Background(), settle)
	defer cancel()
	all, err := c.List(ctx)
	if err != nil {
		tb.Errorf("clean up: %v", err)
	}
	for _, s := range all {
		if s.Image != ref {
			continue
		}
		if err := c.Remove(ctx, s.ID, true); err != nil {
			tb.Errorf("clean up: %v", err)
		}
	}
	if err := c.ImageRemove(ctx, ref, true); err != nil {
		tb.Errorf("clean up: %v", err)
	}
}
