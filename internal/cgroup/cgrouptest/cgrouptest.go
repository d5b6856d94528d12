// Package cgrouptest unpacks fixture trees of /proc and /sys/fs/cgroup for
// tests: one per kernel shape. It is for tests only.
package cgrouptest

import (
	"embed"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The fixture trees. Each has the container ID as its only container, whose
// first process is PID, except where its comment says otherwise.
const (
	V1        = "v1"         // cgroupfs driver, Docker 20.10; read from a 6.18 kernel
	V2        = "v2"         // cgroupfs driver
	V2Systemd = "v2-systemd" // systemd driver, container in system.slice
	Hybrid    = "hybrid"     // v1 controllers with the unified hierarchy beside them
	V1Missing = "v1-missing" // without blkio, pids and memory controllers
	V2Missing = "v2-missing" // neither cpuset nor cpu, memory and io delegated; pressure off
	V2Nested  = "v2-nested"  // seen from a cgroup namespace: the mount's root is not "/"
)

// ID is the container ID of every tree, PID its first process.
const (
	ID  = "41c6878de21b836aa8eb84cb9edeb0ac4c120075b20458834a81dd6925c693a4"
	PID = 12803
)

//go:embed testdata/*.txtar
var trees embed.FS

// Tree unpacks a fixture tree into a temporary directory and returns its path,
// to be used as root directory. ID in the fixture stands for the container ID.
func Tree(t testing.TB, name string) string {
	t.Helper()
	text, err := trees.ReadFile("testdata/" + name + ".txtar")
	require.NoError(t, err)
	root := t.TempDir()
	file, content := "", ""
	flush := func() {
		if file != "" {
			Write(t, root, file, content)
		}
	}
	for line := range strings.Lines(strings.ReplaceAll(string(text), "<ID>", ID)) {
		if rest, ok := strings.CutPrefix(line, "-- "); ok {
			flush()
			file, content = strings.TrimSuffix(rest, " --\n"), ""
			continue
		}
		content += line
	}
	flush()
	return root
}

// Write creates or replaces a file of a tree.
func Write(t testing.TB, root, file, content string) {
	t.Helper()
	path := filepath.Join(root, file)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

// Read returns a file of a tree, without surrounding white space.
func Read(t testing.TB, root, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	require.NoError(t, err)
	return strings.TrimSpace(string(text))
}
