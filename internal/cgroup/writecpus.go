package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/governor-project/governor/internal/cpuset"
)

// NotGrantedError says that the kernel took a cpuset (v2) but grants another one.
type NotGrantedError struct {
	Group     string
	Requested cpuset.Set
	Granted   cpuset.Set
}

// Error names both sets.
func (e *NotGrantedError) Error() string {
	return fmt.Sprintf("cpuset %q of group %s: the kernel grants %q instead", e.Requested, e.Group, e.Granted)
}

// SetCPUs binds the group to the CPUs. cpuset.mems is never touched: changing
// it migrates memory.
//
// On v1 nested groups must stay within it: everything is first widened to old ∪
// new from the top down, then narrowed from the bottom up, so that no write
// meets EBUSY and no process is ever without a CPU. A nested group that had the
// container's whole set follows it; one with a narrower set of its own keeps
// what remains of it.
//
// On v2 the empty set means "inherit", and the kernel may grant something else
// than was written: a *NotGrantedError says so, and the written value stays.
func (g *Group) SetCPUs(s cpuset.Set) error {
	if g.isV2(ctrlCPUSet) {
		return g.setUnifiedCPUs(s)
	}
	if s.IsEmpty() {
		return fmt.Errorf("cpuset of group %s: the empty set is not allowed", g.path)
	}
	if g.dirs[ctrlCPUSet] == "" {
		return fmt.Errorf("write %q to cpuset.cpus of group %s: %w", s, g.path, ErrNoController)
	}
	old, err := g.readSet(g.dirs[ctrlCPUSet], "cpuset.cpus")
	if err != nil {
		return err
	}
	var steps []cpusStep
	if err := g.planCPUs(&steps, g.dirs[ctrlCPUSet], old, s, 0); err != nil {
		return err
	}
	for i := range steps { // top down
		if err := g.apply(&steps[i], steps[i].now.Union(steps[i].final)); err != nil {
			return err
		}
	}
	for i := len(steps) - 1; i >= 0; i-- { // bottom up
		if err := g.apply(&steps[i], steps[i].final); err != nil {
			return err
		}
	}
	return nil
}

func (g *Group) setUnifiedCPUs(s cpuset.Set) error {
	value := s.String()
	if s.IsEmpty() {
		value = "\n" // an empty write would not reach the kernel
	}
	if now, err := g.readSet(g.dirs[ctrlCPUSet], "cpuset.cpus"); err != nil || !now.Equal(s) {
		if err := g.put(ctrlCPUSet, "cpuset.cpus", value); err != nil {
			return err
		}
	}
	granted, err := g.readSet(g.dirs[ctrlCPUSet], "cpuset.cpus.effective")
	if err != nil {
		return err
	}
	if !s.IsEmpty() && !granted.Equal(s) {
		return &NotGrantedError{Group: g.path, Requested: s, Granted: granted}
	}
	return nil
}

// cpusStep is one group's way from its present to its final set.
type cpusStep struct {
	dir        string
	now, final cpuset.Set
}

// planCPUs lists the group and its nested groups, parents before children.
func (g *Group) planCPUs(steps *[]cpusStep, dir string, now, final cpuset.Set, depth int) error {
	*steps = append(*steps, cpusStep{dir: dir, now: now, final: final})
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("nested groups of %s: %w", g.path, err)
	}
	for _, e := range entries {
		if !e.IsDir() || depth > maxDepth {
			continue
		}
		child := filepath.Join(dir, e.Name())
		childNow, err := g.readSet(child, "cpuset.cpus")
		if err != nil {
			return err
		}
		if childNow.IsEmpty() {
			continue // not set up: on v1 it can hold no process
		}
		if err := g.planCPUs(steps, child, childNow, follow(childNow, now, final), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// follow is what becomes of a nested group's set when its parent's changes.
func follow(child, parentNow, parentFinal cpuset.Set) cpuset.Set {
	kept := child.Intersect(parentFinal)
	if child.Equal(parentNow) || kept.IsEmpty() {
		return parentFinal
	}
	return kept
}

func (g *Group) apply(step *cpusStep, s cpuset.Set) error {
	if step.now.Equal(s) {
		return nil
	}
	err := g.putIn(step.dir, "cpuset.cpus", s.String())
	if err != nil {
		if step.dir != g.dirs[ctrlCPUSet] && errors.Is(err, os.ErrNotExist) {
			return nil // a nested group that has just been removed
		}
		return err
	}
	step.now = s
	return nil
}
