// Package topology reads the host's CPUs from sysfs: which are online, and
// which share a core, a NUMA node and a package.
//
// It is an edge room: it reads files below an injected root directory and
// takes no decision. Build makes the same values from one line for tests and
// simulations.
//
// Source: Linux Documentation/admin-guide/cputopology.rst and
// Documentation/ABI/stable/sysfs-devices-node.
package topology

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/governor-project/governor/internal/cpuset"
)

// Host is what one host offers. CPUs are the online ones, ascending by ID.
type Host struct {
	Online cpuset.Set
	CPUs   []CPU
}

// CPU is one logical CPU (a hardware thread).
type CPU struct {
	ID       int
	Package  int        // physical socket, from 0
	Node     int        // NUMA node, from 0
	Core     int        // lowest CPU of the same core: unique on the host, unlike the kernel's core_id
	Siblings cpuset.Set // the online CPUs of the same core, itself included
}

const (
	cpuDir  = "sys/devices/system/cpu"
	nodeDir = "sys/devices/system/node"
)

// Read takes the topology from sysfs below root, "/" in production. What the
// kernel does not say (as in many virtual machines) degrades: without
// topology files every CPU is its own core, without node files all are on node
// 0. Only an unreadable or malformed list of online CPUs is an error.
func Read(root string) (Host, error) {
	online, err := Online(root)
	if err != nil {
		return Host{}, err
	}
	nodes := readNodes(filepath.Join(root, nodeDir))
	h := Host{Online: online}
	for id := range online.All() {
		h.CPUs = append(h.CPUs, readCPU(filepath.Join(root, cpuDir), id, online, nodes))
	}
	return h, nil
}

// Online is the set of online CPUs alone, which costs one file.
func Online(root string) (cpuset.Set, error) {
	file := filepath.Join(root, cpuDir, "online")
	online, err := readSet(file)
	if errors.Is(err, fs.ErrNotExist) {
		online, err = listed(filepath.Join(root, cpuDir))
	}
	if err == nil && online.IsEmpty() {
		err = fmt.Errorf("%s lists none", file)
	}
	if err != nil {
		return cpuset.Set{}, fmt.Errorf("online CPUs: %w", err)
	}
	return online, nil
}

func readCPU(dir string, id int, online cpuset.Set, nodes map[int]cpuset.Set) CPU {
	topology := filepath.Join(dir, "cpu"+strconv.Itoa(id), "topology")
	c := CPU{ID: id, Package: readInt(filepath.Join(topology, "physical_package_id"))}
	siblings, err := readSet(filepath.Join(topology, "core_cpus_list"))
	if err != nil { // the name before Linux 5.3
		siblings, err = readSet(filepath.Join(topology, "thread_siblings_list"))
	}
	if err != nil {
		siblings = cpuset.Set{}
	}
	c.Siblings = siblings.Union(cpuset.Of(id)).Intersect(online)
	for first := range c.Siblings.All() {
		c.Core = first
		break
	}
	for node, cpus := range nodes {
		if cpus.Contains(id) {
			c.Node = node
		}
	}
	return c
}

// readInt is 0 for what the kernel does not know: a missing file, or -1.
func readInt(file string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func readSet(file string) (cpuset.Set, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return cpuset.Set{}, err
	}
	set, err := cpuset.Parse(string(text))
	if err != nil {
		return cpuset.Set{}, fmt.Errorf("%s: %w", file, err)
	}
	return set, nil
}

// listed takes the CPUs from the directory's cpuN entries.
func listed(dir string) (cpuset.Set, error) {
	ids, err := numbered(dir, "cpu")
	if err != nil {
		return cpuset.Set{}, err
	}
	return cpuset.Of(ids...), nil
}

func readNodes(dir string) map[int]cpuset.Set {
	ids, err := numbered(dir, "node")
	if err != nil {
		return nil
	}
	nodes := make(map[int]cpuset.Set, len(ids))
	for _, id := range ids {
		if cpus, err := readSet(filepath.Join(dir, "node"+strconv.Itoa(id), "cpulist")); err == nil {
			nodes[id] = cpus
		}
	}
	return nodes
}

// numbered returns the numbers of the entries called prefix<number>, ascending.
func numbered(dir, prefix string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var ids []int
	for _, e := range entries {
		text, ok := strings.CutPrefix(e.Name(), prefix)
		if n, err := strconv.Atoi(text); ok && err == nil && n >= 0 && n <= cpuset.MaxCPU {
			ids = append(ids, n)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// CPU returns the CPU with this number.
func (h Host) CPU(id int) (CPU, bool) {
	i, found := slices.BinarySearchFunc(h.CPUs, id, func(c CPU, id int) int { return c.ID - id })
	if !found {
		return CPU{}, false
	}
	return h.CPUs[i], true
}

// Cores returns the CPUs of each core, ordered by the core's lowest CPU.
func (h Host) Cores() []cpuset.Set {
	var cores []cpuset.Set
	for _, c := range h.CPUs {
		if c.ID == c.Core {
			cores = append(cores, c.Siblings)
		}
	}
	return cores
}

// Nodes returns the CPUs of each NUMA node.
func (h Host) Nodes() map[int]cpuset.Set {
	return h.group(func(c CPU) int { return c.Node })
}

// Packages returns the CPUs of each package.
func (h Host) Packages() map[int]cpuset.Set {
	return h.group(func(c CPU) int { return c.Package })
}

func (h Host) group(key func(CPU) int) map[int]cpuset.Set {
	sets := map[int]cpuset.Set{}
	for _, c := range h.CPUs {
		sets[key(c)] = sets[key(c)].Union(cpuset.Of(c.ID))
	}
	return sets
}
