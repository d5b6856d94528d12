package topology

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/governor-project/governor/internal/cpuset"
)

// Build makes a host from one line, outermost level first, for example
// "2 packages x 4 cores x 2 threads" or "2 packages x 2 nodes x 4 cores".
// Levels that are left out count one; without a nodes level each package is one
// node. CPUs are numbered as Linux does on x86: the first thread of every core,
// package by package, then the second threads.
func Build(line string) (Host, error) {
	n, err := parseLevels(line)
	if err != nil {
		return Host{}, fmt.Errorf("topology %q: %w", line, err)
	}
	cores := n.packages * n.nodes * n.cores
	if cores*n.threads > cpuset.MaxCPU+1 {
		return Host{}, fmt.Errorf("topology %q: %d CPUs are more than %d", line, cores*n.threads, cpuset.MaxCPU+1)
	}
	h := Host{Online: cpuset.Range(0, cores*n.threads-1)}
	for id := range cores * n.threads {
		core := id % cores
		siblings := cpuset.Set{}
		for t := range n.threads {
			siblings = siblings.Union(cpuset.Of(core + t*cores))
		}
		h.CPUs = append(h.CPUs, CPU{
			ID: id, Package: core / (n.nodes * n.cores), Node: core / n.cores, Core: core, Siblings: siblings,
		})
	}
	return h, nil
}

// MustBuild is Build for tests' literals; it panics on a mistake in the line.
func MustBuild(line string) Host {
	h, err := Build(line)
	if err != nil {
		panic(err)
	}
	return h
}

type levels struct{ packages, nodes, cores, threads int }

func parseLevels(line string) (levels, error) {
	n := levels{packages: 1, nodes: 1, cores: 1, threads: 1}
	targets := map[string]*int{"package": &n.packages, "node": &n.nodes, "core": &n.cores, "thread": &n.threads}
	order := []string{"package", "node", "core", "thread"}
	for item := range strings.SplitSeq(line, " x ") {
		number, name, _ := strings.Cut(strings.TrimSpace(item), " ")
		name = strings.TrimSuffix(name, "s")
		for len(order) > 0 && order[0] != name {
			order = order[1:]
		}
		if len(order) == 0 {
			return levels{}, fmt.Errorf("%q is not a level; allowed are packages, nodes, cores and threads, each once, in this order", item)
		}
		order = order[1:]
		v, err := strconv.Atoi(number)
		if err != nil || v < 1 || v > cpuset.MaxCPU+1 {
			return levels{}, fmt.Errorf("%q is not a number from 1 to %d", number, cpuset.MaxCPU+1)
		}
		*targets[name] = v
	}
	return n, nil
}
