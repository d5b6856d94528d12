package actuate

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/governor-project/governor/internal/cgroup"
)

// cgroupHost is the real host, below the root of its cgroup file systems.
type cgroupHost struct{ fs *cgroup.FS }

// NewHost is the Host of real cgroups.
func NewHost(f *cgroup.FS) Host { return cgroupHost{fs: f} }

func (h cgroupHost) GroupOf(pid int) (Group, error) {
	g, err := h.fs.GroupOf(pid)
	if err != nil {
		return nil, err
	}
	return g, nil
}

func (h cgroupHost) StartTime(pid int) (uint64, error) {
	file := filepath.Join(h.fs.Root(), "proc", strconv.Itoa(pid), "stat")
	stat, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("process %d: %w", pid, err)
	}
	start, err := parseStartTime(stat)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	return start, nil
}

// parseStartTime finds field 22 of /proc/PID/stat (proc_pid_stat(5)). The
// second field is a name in parentheses that may hold anything, so that
// counting begins after the last parenthesis.
func parseStartTime(stat []byte) (uint64, error) {
	const fieldsAfterName = 22 - 2
	_, rest, ok := cutLast(stat, ')')
	fields := bytes.Fields(rest)
	if !ok || len(fields) < fieldsAfterName {
		return 0, fmt.Errorf("%q has no start time", stat)
	}
	start, err := strconv.ParseUint(string(fields[fieldsAfterName-1]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("start time: %w", err)
	}
	return start, nil
}

func cutLast(b []byte, sep byte) (before, after []byte, found bool) {
	i := bytes.LastIndexByte(b, sep)
	if i < 0 {
		return b, nil, false
	}
	return b[:i], b[i+1:], true
}

func errGone(e Entry) error {
	return fmt.Errorf("container %s, process %d of %s: %w", e.Name, e.PID, e.Path, fs.ErrNotExist)
}
