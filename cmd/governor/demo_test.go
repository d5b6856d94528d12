package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDemoDefaults(t *testing.T) {
	flags := newDemoCommand().Flags()
	for name, want := range map[string]string{"scenario": "two-core", "seconds": "20", "out": filepath.Join("out", "demo"), "check": "false"} {
		flag := flags.Lookup(name)
		require.NotNil(t, flag, name)
		assert.Equal(t, want, flag.DefValue, name)
	}
}

func TestDemoReportsEveryMistakeAndTouchesNothing(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	cmd := newDemoCommand()
	cmd.SetOut(&bytes.Buffer{})
	cmd.SetArgs([]string{"--seconds", "0", "--out", out, "--workload", filepath.Join(t.TempDir(), "none")})
	err := cmd.ExecuteContext(t.Context())
	require.ErrorContains(t, err, "demo: seconds: 0 is not allowed; 2 to 3600")
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.NoDirExists(t, out)
}

func TestDemoUnknownScenario(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := newDemoCommand()
	cmd.SetOut(&bytes.Buffer{})
	cmd.SetArgs([]string{"--scenario", "three-core", "--workload", self, "--out", t.TempDir()})
	assert.ErrorContains(t, cmd.ExecuteContext(t.Context()), `demo: scenario "three-core" is unknown`)
}

func TestDemoTakesNoArguments(t *testing.T) {
	cmd := newDemoCommand()
	cmd.SetArgs([]string{"two-core"})
	assert.Error(t, cmd.ExecuteContext(t.Context()))
}
