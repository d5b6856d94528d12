package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// The controllers that this package reads or writes. On v2 all of them live in
// one directory.
const (
	ctrlCPU     = "cpu"
	ctrlCPUAcct = "cpuacct"
	ctrlCPUSet  = "cpuset"
	ctrlMemory  = "memory"
	ctrlBlkio   = "blkio"
	ctrlPIDs    = "pids"
)

var controllers = [...]string{ctrlCPU, ctrlCPUAcct, ctrlCPUSet, ctrlMemory, ctrlBlkio, ctrlPIDs}

// Group is one container's cgroup over all controllers. Its methods are safe
// for concurrent use as far as the kernel's files are; two writers of the same
// limits must agree between themselves.
type Group struct {
	fs      *FS
	path    string            // within the hierarchy that carries the CPU controller
	dirs    map[string]string // controller → directory; absent when no mount shows it
	unified string            // directory in the unified hierarchy; "" on pure v1
}

// Path is the group's path within the hierarchy that carries the CPU
// controller, for example "/docker/<id>".
func (g *Group) Path() string { return g.path }

// Version is the layout that carries the group's CPU controller.
func (g *Group) Version() Version { return g.fs.Version() }

// Dir is the directory of a controller (cpu, cpuacct, cpuset, memory, blkio,
// pids), "" when the host has none. On v2 it is the same for all of them.
func (g *Group) Dir(controller string) string { return g.dirs[controller] }

// GroupOf returns the group that the process belongs to, over all hierarchies,
// through root/proc/PID/cgroup: so it holds for any engine, driver and nesting.
// Where the process sits in a group that its container made for itself
// (…/<container ID>/init), the container's own group is returned. The error
// wraps fs.ErrNotExist when the process or its group is gone.
func (f *FS) GroupOf(pid int) (*Group, error) {
	place := f.procPath(strconv.Itoa(pid), "cgroup")
	text, err := os.ReadFile(place)
	if err != nil {
		return nil, fmt.Errorf("cgroup of process %d: %w", pid, gone(err))
	}
	members, err := parseMembership(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	g, err := f.assemble(members)
	if err != nil {
		return nil, fmt.Errorf("cgroup of process %d: %w", pid, err)
	}
	return g, nil
}

// membership is one line of /proc/PID/cgroup.
type membership struct {
	controllers []string // empty for the unified hierarchy
	path        string
	deleted     bool // the kernel has marked the group as removed
}

// parseMembership reads /proc/PID/cgroup: "4:cpu,cpuacct:/docker/<id>", and
// "0::/path" for the unified hierarchy. Source: cgroups(7), "/proc files".
func parseMembership(text []byte) ([]membership, error) {
	var members []membership
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			continue
		}
		fields := strings.SplitN(line, ":", 3)
		if len(fields) != 3 || !strings.HasPrefix(fields[2], "/") {
			return nil, fmt.Errorf("cgroup line %q is not of the form \"id:controllers:/path\"", line)
		}
		m := membership{}
		m.path, m.deleted = strings.CutSuffix(fields[2], " (deleted)")
		if fields[1] != "" {
			m.controllers = strings.Split(fields[1], ",")
		}
		members = append(members, m)
	}
	return members, nil
}

// assemble maps each hierarchy's path to a directory.
func (f *FS) assemble(members []membership) (*Group, error) {
	g := &Group{fs: f, dirs: map[string]string{}}
	for _, member := range members {
		containerPath := ownGroup(member.path)
		if member.deleted {
			return nil, fmt.Errorf("group %s: %w", containerPath, fs.ErrNotExist)
		}
		if len(member.controllers) == 0 {
			g.unified, _ = f.directory("", containerPath)
			if !f.v1 {
				g.path = containerPath
			}
			continue
		}
		for _, controller := range member.controllers {
			dir, ok := f.directory(controller, containerPath)
			if !ok {
				continue
			}
			g.dirs[controller] = dir
			if controller == ctrlCPU || g.path == "" {
				g.path = containerPath
			}
		}
	}
	return g, g.complete()
}

// complete lets the unified directory stand in for controllers that no v1
// hierarchy has, and fails when nothing of the group is visible.
func (g *Group) complete() error {
	if g.unified != "" {
		for _, controller := range controllers {
			if g.dirs[controller] == "" && !g.fs.mountedV1(controller) {
				g.dirs[controller] = g.unified
			}
		}
	}
	if len(g.dirs) == 0 {
		return fmt.Errorf("no mounted hierarchy shows group %s", g.path)
	}
	return nil
}

func (f *FS) mountedV1(controller string) bool {
	_, ok := f.directory(controller, "/")
	return ok
}

// directory finds the directory of a group in a controller's v1 hierarchy, or
// in the unified one for "".
func (f *FS) directory(controller, group string) (string, bool) {
	for _, m := range f.mounts {
		if !m.has(controller) {
			continue
		}
		if rel, ok := m.below(group); ok {
			return filepath.Join(m.dir, rel), true
		}
	}
	return "", false
}

func (m mount) has(controller string) bool {
	if controller == "" {
		return m.unified
	}
	for _, c := range m.controllers {
		if c == controller {
			return true
		}
	}
	return false
}

// GroupAt returns the group with this path in every hierarchy that has it; the
// error wraps fs.ErrNotExist when none has.
func (f *FS) GroupAt(groupPath string) (*Group, error) {
	groupPath = path.Clean("/" + groupPath)
	g := &Group{fs: f, path: groupPath, dirs: map[string]string{}}
	for _, controller := range controllers {
		if dir, ok := f.directory(controller, groupPath); ok && isDir(dir) {
			g.dirs[controller] = dir
		}
	}
	if dir, ok := f.directory("", groupPath); ok && isDir(dir) {
		g.unified = dir
	}
	if len(g.dirs) == 0 && g.unified == "" {
		return nil, fmt.Errorf("group %s: %w", groupPath, fs.ErrNotExist)
	}
	return g, g.complete()
}

func isDir(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && info.IsDir()
}

// exists reports whether the group's directory is still there.
func (g *Group) exists() bool {
	for _, controller := range controllers {
		if dir := g.dirs[controller]; dir != "" {
			return isDir(dir)
		}
	}
	return false
}

// gone makes the errors by which the kernel says "this process or group is no
// more" recognisable as fs.ErrNotExist: ENODEV for a file of a removed group,
// ESRCH for a file of an exited process.
func gone(err error) error {
	if errors.Is(err, syscall.ENODEV) || errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("%w (%w)", err, fs.ErrNotExist)
	}
	return err
}
