package main

import (
	"context"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBurnUsesTheCPUTimeThatItIsTold(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b, err := newBurner()
	require.NoError(t, err)
	for _, d := range []time.Duration{time.Millisecond, 4 * time.Millisecond, 20 * time.Millisecond} {
		start, err := threadCPU()
		require.NoError(t, err)
		require.NoError(t, b.burn(start+d))
		end, err := threadCPU()
		require.NoError(t, err)
		assert.GreaterOrEqual(t, end-start, d)
		assert.Less(t, end-start, d+10*chunk, "overshoot is about one chunk")
	}
}

func TestInterferenceBurnsUntilItIsStopped(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	before := processCPU()
	require.NoError(t, runInterference(ctx, interferenceOptions{threads: 1}, io.Discard))
	assert.Greater(t, processCPU()-before, 0.02)
}

func TestInterferenceRests(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	before := processCPU()
	require.NoError(t, runInterference(ctx, interferenceOptions{threads: 1, on: 5 * time.Millisecond, off: time.Hour}, io.Discard))
	assert.Less(t, processCPU()-before, 0.2, "one burst of 5 ms, then silence")
}
