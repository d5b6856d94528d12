//go:build docker

// Groups in the running kernel's own hierarchies for tests. They are called
// governor-test-… and removed at the end; making them needs root.

package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// burnVariable makes the test binary a process that burns CPU on N threads.
const burnVariable = "GOVERNOR_TEST_BURN"

func TestMain(m *testing.M) {
	if threads, err := strconv.Atoi(os.Getenv(burnVariable)); err == nil {
		burn(threads)
	}
	os.Exit(m.Run())
}

func burn(threads int) {
	runtime.GOMAXPROCS(threads + 1)
	for range threads {
		go func() {
			for n := 0; n >= 0; n++ { //nolint:revive // spinning is its purpose
			}
		}()
	}
	time.Sleep(time.Minute)
	os.Exit(0)
}

var realHierarchies = []string{ctrlCPU, ctrlCPUAcct, ctrlCPUSet, ctrlMemory, ctrlBlkio, ctrlPIDs}

// realGroup makes a group in every v1 hierarchy, below parent ("" for the top).
func realGroup(t *testing.T, parent string) (*FS, string) {
	t.Helper()
	f, err := Open("/")
	require.NoError(t, err)
	if f.Version() != V1 {
		t.Fatal("these tests are for cgroup v1; v2 is tested in the VM lane")
	}
	group := filepath.Join("/", parent, fmt.Sprintf("governor-test-%d-%s", os.Getpid(), strings.ToLower(filepath.Base(t.Name()))))
	makeGroup(t, f, group)
	return f, group
}

func makeGroup(t *testing.T, f *FS, group string) {
	t.Helper()
	for _, controller := range realHierarchies {
		dir, ok := f.directory(controller, group)
		require.True(t, ok, controller)
		if isDir(dir) {
			continue // two controllers in one hierarchy
		}
		require.NoError(t, os.Mkdir(dir, 0o755))
		t.Cleanup(func() { removeGroup(t, dir) })
		if controller == ctrlCPUSet {
			for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
				inherited, err := os.ReadFile(filepath.Join(filepath.Dir(dir), name))
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(filepath.Join(dir, name), inherited, 0))
			}
		}
	}
}

// removeGroup waits for killed processes to leave the group.
func removeGroup(t *testing.T, dir string) {
	assert.Eventually(t, func() bool {
		err := os.Remove(dir)
		return err == nil || errors.Is(err, fs.ErrNotExist)
	}, 5*time.Second, 10*time.Millisecond, dir)
}

// startIn runs a process that burns CPU on N threads inside the group.
func startIn(t *testing.T, f *FS, group string, threads int) int {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), burnVariable+"="+strconv.Itoa(threads))
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for _, controller := range realHierarchies {
		dir, _ := f.directory(controller, group)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(cmd.Process.Pid)), 0))
	}
	return cmd.Process.Pid
}

func kernelSays(t *testing.T, g *Group, controller, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(g.Dir(controller), name))
	require.NoError(t, err)
	return strings.TrimSpace(string(text))
}
