package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is the user and system time of this process with all its threads.
func cpuTime() (time.Duration, error) {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return 0, fmt.Errorf("getrusage: %w", err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}

// memory is what the kernel says a process has resident, in bytes.
type memory struct{ now, peak int64 }

// residentMemory reads VmRSS and VmHWM of this process.
// Source: https://docs.kernel.org/filesystems/proc.html
func residentMemory() (memory, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return memory{}, err
	}
	return parseStatus(string(status))
}

func parseStatus(status string) (memory, error) {
	now, err := statusBytes(status, "VmRSS:")
	if err != nil {
		return memory{}, err
	}
	peak, err := statusBytes(status, "VmHWM:")
	return memory{now: now, peak: peak}, err
}

func statusBytes(status, key string) (int64, error) {
	for line := range strings.Lines(status) {
		rest, found := strings.CutPrefix(line, key)
		if !found {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("process status: %q: %w", strings.TrimSpace(line), err)
		}
		return kib << 10, nil
	}
	return 0, fmt.Errorf("process status: no %s", key)
}

// confine keeps the calling thread, and processes that it starts, on the first
// cores of those that it may use. It returns how many they are.
func confine(cores int) (int, error) {
	var allowed, kept unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return 0, fmt.Errorf("sched_getaffinity: %w", err)
	}
	for cpu := 0; kept.Count() < min(cores, allowed.Count()); cpu++ {
		if allowed.IsSet(cpu) {
			kept.Set(cpu)
		}
	}
	if err := unix.SchedSetaffinity(0, &kept); err != nil {
		return 0, fmt.Errorf("sched_setaffinity: %w", err)
	}
	return kept.Count(), nil
}
