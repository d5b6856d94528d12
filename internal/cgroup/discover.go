package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// idLength is the length of a container ID of Docker, containerd, CRI-O and Podman.
const idLength = 64

// maxDepth bounds the walk through the cgroup tree. Real trees are at most
// about ten deep (systemd slices, Kubernetes, Docker in Docker).
const maxDepth = 24

// Found is a container that the cgroup tree itself reveals.
type Found struct {
	ID      string // 64 hexadecimal digits
	Runtime string // docker, libpod, crio…: the name's prefix or its parent; "" when unknown
	Path    string // within the hierarchy that carries the CPU controller
	PIDs    []int  // of its processes, ascending, without those of containers nested in it
	Group   *Group
}

// Containers finds containers without an engine, by the names that engines
// give to groups: <id>, docker-<id>.scope and their like, at any depth. Groups
// without processes are left out: they belong to no running container.
func (f *FS) Containers() ([]Found, error) {
	top, ok := f.walkRoot()
	if !ok {
		return nil, errors.New("find containers: no hierarchy with a resource controller is mounted")
	}
	var found []Found
	if err := f.walk(top.dir, top.root, 0, &found); err != nil {
		return nil, fmt.Errorf("find containers: %w", err)
	}
	slices.SortFunc(found, func(a, b Found) int { return strings.Compare(a.ID, b.ID) })
	return found, nil
}

// walkRoot is the widest mount of the hierarchy whose paths Group.Path names.
func (f *FS) walkRoot() (mount, bool) {
	wanted := controllers[:]
	if !f.v1 {
		wanted = []string{""}
	}
	for _, controller := range wanted {
		for _, m := range f.mounts {
			if m.has(controller) {
				return m, true
			}
		}
	}
	return mount{}, false
}

func (f *FS) walk(dir, group string, depth int, found *[]Found) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) && depth > 0 {
		return nil // removed while we walked
	}
	if err != nil || depth > maxDepth {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		child, childDir := strings.TrimSuffix(group, "/")+"/"+e.Name(), filepath.Join(dir, e.Name())
		if id, runtime, ok := containerName(e.Name(), path.Base(group)); ok {
			if c, ok := f.container(id, runtime, child, childDir); ok {
				*found = append(*found, c)
			}
		}
		if err := f.walk(childDir, child, depth+1, found); err != nil {
			return err
		}
	}
	return nil
}

func (f *FS) container(id, runtime, group, dir string) (Found, bool) {
	pids := processes(dir, 0)
	if len(pids) == 0 {
		return Found{}, false
	}
	slices.Sort(pids)
	g, err := f.GroupOf(pids[0])
	if err != nil || g.path != group { // no /proc here, or the process has moved on
		if g, err = f.GroupAt(group); err != nil {
			return Found{}, false
		}
	}
	return Found{ID: id, Runtime: runtime, Path: group, PIDs: pids, Group: g}, true
}

// processes returns the processes of a group and of the groups below it, but
// for those of nested containers.
func processes(dir string, depth int) []int {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return nil
	}
	var pids []int
	for field := range strings.FieldsSeq(string(text)) {
		if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || depth > maxDepth {
		return pids
	}
	for _, e := range entries {
		if _, _, nested := containerName(e.Name(), ""); e.IsDir() && !nested {
			pids = append(pids, processes(filepath.Join(dir, e.Name()), depth+1)...)
		}
	}
	return pids
}

// containerName takes the container ID out of a group's name. parent is the
// name of the group above, which the cgroupfs driver uses for the runtime.
func containerName(name, parent string) (id, runtime string, ok bool) {
	base, scope := strings.CutSuffix(name, ".scope")
	prefix, id := "", base
	if len(base) > idLength {
		prefix, id = base[:len(base)-idLength], base[len(base)-idLength:]
		if !strings.HasSuffix(prefix, "-") || strings.HasSuffix(prefix, "conmon-") {
			return "", "", false // a monitor beside the container, not the container
		}
	}
	if len(id) != idLength || strings.Trim(id, "0123456789abcdef") != "" {
		return "", "", false
	}
	runtime = strings.TrimSuffix(prefix, "-")
	if runtime == "" && !scope && (parent == "docker" || parent == "libpod_parent") {
		runtime = parent
	}
	return id, runtime, true
}

// ownGroup cuts a path below the innermost group that is named like a
// container: what a container nests below itself is its own affair.
func ownGroup(group string) string {
	parts := strings.Split(group, "/")
	for i := len(parts) - 1; i >= 0; i-- {
		if _, _, ok := containerName(parts[i], ""); ok {
			return strings.Join(parts[:i+1], "/")
		}
	}
	return group
}
