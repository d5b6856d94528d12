package cgroup

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// What /proc says about the host and its processes beside cgroups.

// MemTotal is the host's memory in bytes, from root/proc/meminfo.
func (f *FS) MemTotal() (uint64, error) {
	place := f.procPath("meminfo")
	text, err := os.ReadFile(place)
	if err != nil {
		return 0, fmt.Errorf("host memory: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			if kib, _, ok := leadingUint([]byte(strings.TrimSpace(rest))); ok {
				return kib << 10, nil
			}
		}
	}
	return 0, fmt.Errorf("%s: no line MemTotal", place)
}

// SystemCPU is the CPU time that the whole host has spent in any way, idle
// included, in ns: what Docker calls the system usage.
// Source: proc_stat(5), the line "cpu".
func (f *FS) SystemCPU() (uint64, error) {
	const accounted = 8 // user, nice, system, idle, iowait, irq, softirq, steal; guest is in user
	line, err := f.statLine("cpu ")
	if err != nil {
		return 0, err
	}
	var ticks uint64
	for i, word := range strings.Fields(line) {
		if i >= accounted {
			break
		}
		v, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", f.procPath("stat"), err)
		}
		ticks += v
	}
	return ticks * tickNS, nil
}

// BootTime is when the host started, to the second.
func (f *FS) BootTime() (time.Time, error) {
	line, err := f.statLine("btime ")
	if err != nil {
		return time.Time{}, err
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: btime: %w", f.procPath("stat"), err)
	}
	return time.Unix(seconds, 0), nil
}

// statLine returns what follows the key in root/proc/stat.
func (f *FS) statLine(key string) (string, error) {
	place := f.procPath("stat")
	text, err := os.ReadFile(place)
	if err != nil {
		return "", fmt.Errorf("host statistics: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			return rest, nil
		}
	}
	return "", fmt.Errorf("%s: no line %q", place, strings.TrimSpace(key))
}

// ProcessStart is when the process started, to about a second. The error wraps
// fs.ErrNotExist when it is gone.
func (f *FS) ProcessStart(pid int) (time.Time, error) {
	place := f.procPath(strconv.Itoa(pid), "stat")
	text, err := os.ReadFile(place)
	if err != nil {
		return time.Time{}, fmt.Errorf("start of process %d: %w", pid, gone(err))
	}
	ticks, ok := parseStartTicks(text)
	if !ok {
		return time.Time{}, fmt.Errorf("%s: no start time", place)
	}
	boot, err := f.BootTime()
	if err != nil {
		return time.Time{}, err
	}
	return boot.Add(time.Duration(ticks) * tickNS), nil
}

// parseStartTicks returns field 22 of /proc/PID/stat, in ticks since boot. The
// second field, the command in parentheses, may hold blanks and parentheses.
// Source: proc_pid_stat(5).
func parseStartTicks(text []byte) (uint64, bool) {
	const afterCommand = 22 - 2
	i := bytes.LastIndexByte(text, ')')
	if i < 0 {
		return 0, false
	}
	rest, word := text[i+1:], []byte(nil)
	for range afterCommand {
		word, rest = field(rest)
	}
	ticks, tail, ok := leadingUint(bytes.TrimSpace(word))
	const centuries = 1 << 40 // far above any uptime, far below overflow of ns
	return ticks, ok && len(tail) == 0 && ticks < centuries>>4
}
