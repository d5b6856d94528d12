// Package cgroup reads and writes the kernel's control groups: it finds a
// process's groups in the v1, v2 and hybrid layouts, reads statistics without
// allocating, and reads and writes CPU limits.
//
// It is an edge room: it does file I/O below an injected root directory ("/" in
// production, a fixture tree in tests), knows no container engine, takes no
// decision and has no clock. Everything it says about a container comes from
// the kernel.
//
// Sources: Linux Documentation/admin-guide/cgroup-v1/, cgroup-v2.rst,
// scheduler/sched-bwc.rst and accounting/psi.rst.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Version is the layout that carries the resource controllers.
type Version int

// The layouts. The zero value is none of them.
const (
	V1 Version = 1 // one hierarchy for each controller
	V2 Version = 2 // one unified hierarchy
)

// String returns "v1" or "v2".
func (v Version) String() string { return fmt.Sprintf("v%d", int(v)) }

// ErrNoController says that the group exists but lacks the controller that a
// read or write needs, for example because cpuset is not delegated to it.
var ErrNoController = errors.New("controller not available in this group")

// FS is the cgroup file systems of one host, as seen from below a root
// directory. It is immutable after Open and safe for concurrent use.
type FS struct {
	root   string
	mounts []mount // of cgroup and cgroup2 file systems, widest root first
	v1     bool
	v2     bool
}

// Open finds the cgroup mounts below root, which is "/" in production, through
// root/proc/self/mountinfo (or, where that is another PID namespace's view,
// root/proc/1/mountinfo). It fails when there is no cgroup file system.
func Open(root string) (*FS, error) {
	text, place, err := readMountinfo(root)
	if err != nil {
		return nil, fmt.Errorf("find cgroup mounts: %w", err)
	}
	mounts, err := parseMountinfo(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	f := &FS{root: filepath.Clean(root)}
	for _, m := range mounts {
		m.dir = f.hostPath(m.point)
		f.v1 = f.v1 || (!m.unified && isResource(m.controllers))
		f.v2 = f.v2 || m.unified
		f.mounts = append(f.mounts, m)
	}
	if len(f.mounts) == 0 || !f.v1 && !f.v2 {
		return nil, fmt.Errorf("%s: no cgroup file system with a resource controller is mounted", place)
	}
	slices.SortStableFunc(f.mounts, func(a, b mount) int { return len(a.root) - len(b.root) })
	return f, nil
}

func readMountinfo(root string) (text []byte, place string, err error) {
	for _, process := range []string{"self", "1"} {
		place = filepath.Join(root, "proc", process, "mountinfo")
		if text, err = os.ReadFile(place); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return text, place, err
}

// hostPath turns an absolute path of mountinfo into one below the root. A
// mount point that already lies below the root (a host tree mounted into the
// agent's own container) is taken as it is.
func (f *FS) hostPath(path string) string {
	if f.root == "/" || path == f.root || strings.HasPrefix(path, f.root+"/") {
		return path
	}
	return filepath.Join(f.root, path)
}

// isResource reports whether the hierarchy carries a controller: named
// hierarchies such as name=systemd only group processes.
func isResource(controllers []string) bool {
	return slices.ContainsFunc(controllers, func(c string) bool { return !strings.HasPrefix(c, "name=") })
}

// Version is V1 when any resource controller is mounted the v1 way, else V2.
func (f *FS) Version() Version {
	if f.v1 {
		return V1
	}
	return V2
}

// Hybrid reports whether a unified hierarchy is mounted beside v1 controllers.
func (f *FS) Hybrid() bool { return f.v1 && f.v2 }

// Root is the root directory that was given to Open.
func (f *FS) Root() string { return f.root }

// procPath is a path below root/proc.
func (f *FS) procPath(elements ...string) string {
	return filepath.Join(append([]string{f.root, "proc"}, elements...)...)
}
