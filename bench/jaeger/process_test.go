package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseStatus(t *testing.T) {
	got, err := parseStatus("Name:\tx\nVmHWM:\t   2048 kB\nVmRSS:\t   1024 kB\nThreads:\t3\n")
	require.NoError(t, err)
	assert.Equal(t, memory{now: 1 << 20, peak: 2 << 20}, got)
	for status, message := range map[string]string{
		"":                             "process status: no VmRSS:",
		"VmRSS:\t1 kB\n":               "process status: no VmHWM:",
		"VmRSS:\tmuch kB\nVmHWM: 1 kB": `process status: "VmRSS:\tmuch kB": strconv.ParseInt: parsing "much": invalid syntax`,
	} {
		_, err := parseStatus(status)
		require.EqualError(t, err, message)
	}
}

func TestOwnFigures(t *testing.T) {
	resident, err := residentMemory()
	require.NoError(t, err)
	assert.Positive(t, resident.now)
	assert.GreaterOrEqual(t, resident.peak, resident.now)
	before, err := cpuTime()
	require.NoError(t, err)
	for begin := time.Now(); time.Since(begin) < 60*time.Millisecond; {
	}
	after, err := cpuTime()
	require.NoError(t, err)
	assert.Greater(t, after, before)
}
