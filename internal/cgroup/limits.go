package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/governor-project/governor/internal/cpuset"
)

// Bounds of a CFS quota. Source: Linux kernel/sched/core.c,
// min_cfs_quota_period, max_cfs_quota_period, and scheduler/sched-bwc.rst.
const (
	MinQuotaUS  = 1_000     // 1 ms
	MinPeriodUS = 1_000     // 1 ms
	MaxPeriodUS = 1_000_000 // 1 s
	// DefaultPeriodUS is the kernel's default period, 100 ms.
	DefaultPeriodUS = 100_000
	// NoQuota in Quota.QuotaUS means that there is no limit.
	NoQuota = -1
)

// Quota is a CFS bandwidth limit: QuotaUS µs of CPU time in each period of
// PeriodUS µs. QuotaUS -1 means no limit.
type Quota struct {
	QuotaUS  int64
	PeriodUS uint64
}

// CPUs is the limit in CPUs, 0 when there is none.
func (q Quota) CPUs() float64 {
	if q.QuotaUS <= 0 || q.PeriodUS == 0 {
		return 0
	}
	return float64(q.QuotaUS) / float64(q.PeriodUS)
}

// String is for messages: "50000/100000 µs" or "none".
func (q Quota) String() string {
	if q.QuotaUS < 0 {
		return "none"
	}
	return fmt.Sprintf("%d/%d µs", q.QuotaUS, q.PeriodUS)
}

// Validate says whether the kernel can take the quota.
func (q Quota) Validate() error {
	var errs []error
	if q.QuotaUS != NoQuota && q.QuotaUS < MinQuotaUS {
		errs = append(errs, fmt.Errorf("quota %d µs is not allowed; at least %d µs, or %d for no limit", q.QuotaUS, MinQuotaUS, NoQuota))
	}
	if q.PeriodUS < MinPeriodUS || q.PeriodUS > MaxPeriodUS {
		errs = append(errs, fmt.Errorf("period %d µs is not allowed; between %d and %d µs", q.PeriodUS, MinPeriodUS, MaxPeriodUS))
	}
	return errors.Join(errs...)
}

// Limits are the CPU limits of a group itself; ancestors may restrict it further.
type Limits struct {
	Shares        uint64     // Docker's CpuShares scale, 2 to 262144; 0: no cpu controller here
	Quota         Quota      // {-1, 100000} where there is no cpu controller
	CPUs          cpuset.Set // as configured; empty: inherited (v2)
	EffectiveCPUs cpuset.Set // what the kernel grants
}

// Limits reads the group's CPU limits from the kernel. A controller that the
// group lacks leaves its fields at "not limited". The error wraps
// fs.ErrNotExist when the group is gone.
func (g *Group) Limits() (Limits, error) {
	l := Limits{Quota: Quota{QuotaUS: NoQuota, PeriodUS: DefaultPeriodUS}}
	if !g.exists() {
		return Limits{}, fmt.Errorf("limits of group %s: %w", g.path, fs.ErrNotExist)
	}
	readers := []func(*Limits) error{g.readShares, g.readQuota, g.readCPUs}
	for _, read := range readers {
		if err := read(&l); err != nil && !errors.Is(err, ErrNoController) {
			return Limits{}, err
		}
	}
	return l, nil
}

func (g *Group) readShares(l *Limits) error {
	if g.isV2(ctrlCPU) {
		weight, err := g.readUint(ctrlCPU, "cpu.weight")
		if err == nil {
			l.Shares = SharesOfWeight(weight)
		}
		return err
	}
	var err error
	l.Shares, err = g.readUint(ctrlCPU, "cpu.shares")
	return err
}

func (g *Group) readQuota(l *Limits) error {
	q, err := g.quota()
	if err == nil {
		l.Quota = q
	}
	return err
}

func (g *Group) quota() (Quota, error) {
	if g.isV2(ctrlCPU) {
		text, err := g.read(ctrlCPU, "cpu.max")
		if err != nil {
			return Quota{}, err
		}
		q, err := parseCPUMax(text)
		return q, g.at(ctrlCPU, "cpu.max", err)
	}
	text, err := g.read(ctrlCPU, "cpu.cfs_quota_us")
	if err != nil {
		return Quota{}, err
	}
	quota, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return Quota{}, g.at(ctrlCPU, "cpu.cfs_quota_us", err)
	}
	period, err := g.readUint(ctrlCPU, "cpu.cfs_period_us")
	return Quota{QuotaUS: quota, PeriodUS: period}, err
}

// parseCPUMax reads "max 100000" or "50000 100000". Source: cgroup-v2.rst, cpu.max.
func parseCPUMax(text string) (Quota, error) {
	fields := strings.Fields(text)
	if len(fields) != 2 {
		return Quota{}, fmt.Errorf("%q is not of the form \"quota period\"", text)
	}
	period, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return Quota{}, fmt.Errorf("period: %w", err)
	}
	if fields[0] == "max" {
		return Quota{QuotaUS: NoQuota, PeriodUS: period}, nil
	}
	quota, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil || quota < 0 {
		return Quota{}, fmt.Errorf("quota %q is neither a number of µs nor max", fields[0])
	}
	return Quota{QuotaUS: quota, PeriodUS: period}, nil
}

func (g *Group) readCPUs(l *Limits) error {
	var err error
	if l.CPUs, err = g.readSet(g.dirs[ctrlCPUSet], "cpuset.cpus"); err != nil && !errors.Is(err, ErrNoController) {
		return err
	}
	l.EffectiveCPUs, err = g.effectiveCPUs()
	return err
}

// effectiveCPUs asks the group, or the nearest ancestor that has the
// controller: a v2 group without cpuset runs where its ancestor may.
func (g *Group) effectiveCPUs() (cpuset.Set, error) {
	name, top := "cpuset.effective_cpus", g.fs.topOf(ctrlCPUSet, g.dirs[ctrlCPUSet])
	if g.isV2(ctrlCPUSet) {
		name = "cpuset.cpus.effective"
	}
	for dir := g.dirs[ctrlCPUSet]; dir != ""; dir = filepath.Dir(dir) {
		set, err := g.readSet(dir, name)
		if err == nil && !set.IsEmpty() {
			return set, nil
		}
		if err != nil && !errors.Is(err, ErrNoController) {
			return cpuset.Set{}, err
		}
		if dir == top || len(dir) <= len(top) {
			break
		}
	}
	return cpuset.Set{}, fmt.Errorf("effective CPUs of group %s: %w", g.path, ErrNoController)
}

// topOf is the mount directory that dir lies in.
func (f *FS) topOf(controller, dir string) string {
	for _, m := range f.mounts {
		if m.has(controller) || m.unified && !f.mountedV1(controller) {
			if dir == m.dir || strings.HasPrefix(dir, m.dir+"/") {
				return m.dir
			}
		}
	}
	return dir
}

func (g *Group) readSet(dir, name string) (cpuset.Set, error) {
	text, err := g.readIn(dir, name)
	if err != nil {
		return cpuset.Set{}, err
	}
	set, err := cpuset.Parse(text)
	if err != nil {
		return cpuset.Set{}, fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
	}
	return set, nil
}

// isV2 reports whether the group's controller lives in the unified hierarchy.
func (g *Group) isV2(controller string) bool {
	return g.unified != "" && g.dirs[controller] == g.unified
}

func (g *Group) readUint(controller, name string) (uint64, error) {
	text, err := g.read(controller, name)
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseUint(text, 10, 64)
	return v, g.at(controller, name, err)
}

func (g *Group) at(controller, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", filepath.Join(g.dirs[controller], name), err)
}

func (g *Group) read(controller, name string) (string, error) {
	return g.readIn(g.dirs[controller], name)
}

// readIn reads a small file of a group. A file that is missing in a group that
// exists means that its controller is missing.
func (g *Group) readIn(dir, name string) (string, error) {
	if dir == "" {
		return "", fmt.Errorf("read %s of group %s: %w", name, g.path, ErrNoController)
	}
	file := filepath.Join(dir, name)
	text, err := os.ReadFile(file)
	if err != nil {
		return "", absent(file, err)
	}
	return strings.TrimSpace(string(text)), nil
}

// absent turns "no such file" into ErrNoController when the group is there,
// and into fs.ErrNotExist when it is not. Other errors pass, recognised by gone.
func absent(file string, err error) error {
	if errors.Is(err, fs.ErrNotExist) && isDir(filepath.Dir(file)) {
		return fmt.Errorf("%s: %w", file, ErrNoController)
	}
	return gone(err)
}
