package experiment

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/governor-project/governor/internal/cpuset"
)

// busyReading is how long a set of CPUs had been busy at an instant.
type busyReading struct {
	at      time.Time
	seconds float64 // since boot, over all CPUs of the set
}

// readBusy reads how long the CPUs of the pool have been busy, with whatever it was.
func readBusy(pool cpuset.Set) (busyReading, error) {
	const place = "/proc/stat"
	text, err := os.ReadFile(place)
	if err != nil {
		return busyReading{}, err
	}
	r := busyReading{at: time.Now()}
	if r.seconds, err = parseBusy(string(text), pool); err != nil {
		return r, fmt.Errorf("%s: %w", place, err)
	}
	return r, nil
}

// parseBusy adds up user, nice, system, irq, softirq and steal time of the
// pool's CPUs; idle and iowait are left out, and guest time is part of user time.
// Source: proc_stat(5).
func parseBusy(text string, pool cpuset.Set) (float64, error) {
	ticks := uint64(0)
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 9 || !strings.HasPrefix(fields[0], "cpu") {
			continue
		}
		cpu, err := strconv.Atoi(fields[0][len("cpu"):])
		if err != nil || !pool.Contains(cpu) { // the first line is the sum of all
			continue
		}
		for _, column := range []int{1, 2, 3, 6, 7, 8} {
			n, err := strconv.ParseUint(fields[column], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("CPU %d: %q is not a number", cpu, fields[column])
			}
			ticks += n
		}
	}
	return float64(ticks) / clockTick, nil
}

// otherCPU is what else ran on the pool's CPUs between two readings, in seconds:
// the agent, the engine, and whatever the host does besides. Much of it makes a
// phase's latency meaningless.
func otherCPU(from, to busyReading, containers ...series) float64 {
	other := to.seconds - from.seconds
	for _, s := range containers {
		other -= s.used(from.at, to.at)
	}
	return max(other, 0)
}
