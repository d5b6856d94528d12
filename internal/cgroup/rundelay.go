package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// maxKeptTasks bounds the descriptors that one group's tasks may hold open;
// tasks beyond it are opened for each read.
const maxKeptTasks = 256

// runDelay sums the time that the group's tasks have waited on a run queue
// (the second figure of /proc/TID/schedstat) into a counter that does not go
// backwards when a task exits: each task's growth is added to the total.
//
// It owns the task files; one goroutine at a time.
// Source of the figure: Linux Documentation/scheduler/sched-stats.rst.
type runDelay struct {
	top     *taskList
	tasks   map[int]*task // by thread ID
	round   uint64
	scratch []byte // for schedstat, while the list of tasks is in the caller's buffer
	total   uint64 // ns
}

// task is one thread's last value.
type task struct {
	fd    int // -1: not kept open
	last  uint64
	round uint64 // the last round that listed it
}

// taskList is the tasks file of one group, with those of nested groups.
type taskList struct {
	dir      string
	dirFD    int
	fd       int
	links    uint64 // of the directory: 2 + nested groups in cgroupfs
	children []*taskList
}

// read brings total up to date. ok is false when the group lists no tasks
// (a v2 threaded domain, or a host without the cpu controller).
func (r *runDelay) read(g *Group, buf *[]byte) (ok bool, err error) {
	if r.top == nil {
		dir := g.dirs[ctrlCPU]
		if dir == "" {
			return false, nil
		}
		if r.top, err = openTaskList(dir, g.isV2(ctrlCPU)); err != nil || r.top == nil {
			return false, err
		}
		r.tasks, r.scratch = map[int]*task{}, make([]byte, 256)
	}
	r.round++
	seen, err := r.visit(g, r.top, buf)
	if err != nil {
		return false, err
	}
	if seen != len(r.tasks) {
		return true, r.forget()
	}
	return true, nil
}

func taskFile(unified bool) string {
	if unified {
		return "cgroup.threads"
	}
	return "tasks"
}

// openTaskList returns nil without error when the group has no such file.
func openTaskList(dir string, unified bool) (*taskList, error) {
	file := filepath.Join(dir, taskFile(unified))
	fd, err := openFile(file)
	if errors.Is(err, fs.ErrNotExist) && isDir(dir) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, gone(err))
	}
	dirFD, err := openFile(dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", dir, gone(err)), syscall.Close(fd))
	}
	return &taskList{dir: dir, dirFD: dirFD, fd: fd}, nil
}

// visit adds the growth of every task of the list and of the lists below it.
func (r *runDelay) visit(g *Group, l *taskList, buf *[]byte) (seen int, err error) {
	if err := l.refresh(g.isV2(ctrlCPU)); err != nil {
		return 0, err
	}
	text, err := readAll(l.fd, buf)
	if err == syscall.EOPNOTSUPP {
		return 0, nil // v2: threads of a threaded domain are listed by its root only
	}
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", filepath.Join(l.dir, taskFile(g.isV2(ctrlCPU))), gone(err))
	}
	for len(text) > 0 {
		tid, rest, ok := leadingUint(text)
		if !ok {
			break
		}
		_, text = nextLine(rest)
		if tid > 0 && r.add(g.fs, int(tid)) {
			seen++
		}
	}
	for _, child := range l.children {
		n, err := r.visit(g, child, buf)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return seen, err
		}
		if err != nil {
			l.links = 0 // the nested group is gone: look again next time
		}
		seen += n
	}
	return seen, nil
}

// refresh looks for nested groups when the directory's link count has moved.
// File systems that do not count links (1) are looked at each time.
func (l *taskList) refresh(unified bool) error {
	var st syscall.Stat_t
	if err := syscall.Fstat(l.dirFD, &st); err != nil {
		return fmt.Errorf("stat %s: %w", l.dir, gone(err))
	}
	links := uint64(st.Nlink)
	if links == l.links && links >= 2 {
		return nil
	}
	l.links = links
	if links == 2 && len(l.children) == 0 {
		return nil
	}
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return fmt.Errorf("nested groups: %w", gone(err))
	}
	if err := l.closeChildren(); err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		child, err := openTaskList(filepath.Join(l.dir, e.Name()), unified)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if child != nil {
			l.children = append(l.children, child)
		}
	}
	return nil
}

// add adds one task's growth since the last round and reports whether it lives.
func (r *runDelay) add(f *FS, tid int) bool {
	t := r.tasks[tid]
	if t != nil && t.fd >= 0 {
		if value, ok := readSchedstat(t.fd, &r.scratch); ok {
			r.grow(t, value)
			return true
		}
		// That task has exited. The kernel may have given its number to another.
		_ = syscall.Close(t.fd)
		delete(r.tasks, tid)
		t = nil
	}
	fd, err := openFile(f.procPath(strconv.Itoa(tid), "schedstat"))
	if err != nil {
		return false // exited since it was listed
	}
	value, ok := readSchedstat(fd, &r.scratch)
	if !ok {
		_ = syscall.Close(fd)
		return false
	}
	if t == nil {
		t = &task{fd: -1}
		r.tasks[tid] = t
	}
	if len(r.tasks) <= maxKeptTasks {
		t.fd = fd
	} else {
		_ = syscall.Close(fd)
	}
	r.grow(t, value)
	return true
}

func (r *runDelay) grow(t *task, value uint64) {
	if value >= t.last {
		r.total += value - t.last
	} else {
		r.total += value // another task with a number that was used before
	}
	t.last, t.round = value, r.round
}

// forget drops the tasks that the last round did not list.
func (r *runDelay) forget() error {
	var errs []error
	for tid, t := range r.tasks {
		if t.round == r.round {
			continue
		}
		delete(r.tasks, tid)
		if t.fd >= 0 {
			errs = append(errs, syscall.Close(t.fd))
		}
	}
	return errors.Join(errs...)
}

func (r *runDelay) close() error {
	r.round++
	err := r.forget()
	if r.top != nil {
		err = errors.Join(err, r.top.close())
	}
	return err
}

func (l *taskList) close() error {
	return errors.Join(syscall.Close(l.fd), syscall.Close(l.dirFD), l.closeChildren())
}

func (l *taskList) closeChildren() error {
	var errs []error
	for _, child := range l.children {
		errs = append(errs, child.close())
	}
	l.children = nil
	return errors.Join(errs...)
}

func readSchedstat(fd int, buf *[]byte) (uint64, bool) {
	text, err := readAll(fd, buf)
	if err != nil {
		return 0, false
	}
	return parseSchedstat(text)
}

// parseSchedstat returns the second of "run_ns wait_ns timeslices".
func parseSchedstat(text []byte) (waitNS uint64, ok bool) {
	_, rest, ok := leadingUint(text)
	if !ok || len(rest) == 0 || rest[0] != ' ' {
		return 0, false
	}
	waitNS, _, ok = leadingUint(rest[1:])
	return waitNS, ok
}
