package cgroup

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// mount is one mounted cgroup hierarchy.
type mount struct {
	root        string   // the group that is mounted at point, e.g. "/" or "/docker/<id>"
	point       string   // mount point as mountinfo names it
	dir         string   // point below the injected root
	unified     bool     // cgroup2
	controllers []string // v1 only: cpu, cpuacct, name=systemd…
}

// parseMountinfo returns the cgroup and cgroup2 mounts of a mountinfo file.
// Source of the format: Linux Documentation/filesystems/proc.rst, 3.5.
func parseMountinfo(text []byte) ([]mount, error) {
	var mounts []mount
	for line := range bytes.Lines(text) {
		m, isCgroup, err := parseMount(strings.TrimRight(string(line), "\n"))
		if err != nil {
			return nil, err
		}
		if isCgroup {
			mounts = append(mounts, m)
		}
	}
	return mounts, nil
}

// parseMount reads "36 35 98:0 /root /point rw,noatime master:1 - type source superoptions".
func parseMount(line string) (m mount, isCgroup bool, err error) {
	before, after, found := strings.Cut(line, " - ")
	if !found {
		if strings.TrimSpace(line) == "" {
			return mount{}, false, nil
		}
		return mount{}, false, fmt.Errorf("mount line %q has no \" - \" separator", line)
	}
	where, what := strings.Fields(before), strings.Fields(after)
	if len(what) == 0 || what[0] != "cgroup" && what[0] != "cgroup2" {
		return mount{}, false, nil
	}
	if len(where) < 6 || len(what) < 3 {
		return mount{}, false, fmt.Errorf("mount line %q has too few fields", line)
	}
	m = mount{root: unescape(where[3]), point: unescape(where[4]), unified: what[0] == "cgroup2"}
	if !m.unified {
		m.controllers = controllersOf(what[2])
	}
	return m, true, nil
}

// controllersOf drops the mount options that are not controllers.
func controllersOf(options string) []string {
	return slices.DeleteFunc(strings.Split(options, ","), func(o string) bool {
		switch o {
		case "rw", "ro", "none", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "favordynmods", "":
			return true
		}
		return strings.HasPrefix(o, "release_agent=")
	})
}

// unescape undoes the kernel's octal escapes for space, tab, newline and backslash.
func unescape(field string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(field)
}

// below returns the path of group relative to the mount's root, "." for the
// root itself, and whether the mount shows that group at all. Both may start
// with "/.." when a cgroup namespace hides their upper part.
// Source: cgroup_namespaces(7), "/proc/pid/mountinfo".
func (m mount) below(group string) (string, bool) {
	base, path := components(m.root), components(group)
	if len(path) < len(base) || !slices.Equal(base, path[:len(base)]) {
		return "", false
	}
	if slices.Contains(path[len(base):], "..") {
		return "", false
	}
	if len(path) == len(base) {
		return ".", true
	}
	return strings.Join(path[len(base):], "/"), true
}

func components(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}
