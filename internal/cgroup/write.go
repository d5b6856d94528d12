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

// WriteError is a write that the kernel refused.
type WriteError struct {
	File  string // absolute path
	Value string // what was to be written
	Err   error  // the kernel's error, e.g. syscall.EINVAL
}

// Error names value, file and the kernel's reason.
func (e *WriteError) Error() string {
	return fmt.Sprintf("write %q to %s: %v", e.Value, e.File, e.Err)
}

// Unwrap gives the kernel's error.
func (e *WriteError) Unwrap() error { return e.Err }

// put writes a value to an existing file in one write call: the kernel takes
// each call as one setting. The file is never created.
func (g *Group) put(controller, name, value string) error {
	return g.putIn(g.dirs[controller], name, value)
}

func (g *Group) putIn(dir, name, value string) error {
	if g.path == "/" {
		return fmt.Errorf("write %q to %s: group / is the whole host, which has no limits", value, name)
	}
	if dir == "" {
		return fmt.Errorf("write %q to %s of group %s: %w", value, name, g.path, ErrNoController)
	}
	file := filepath.Join(dir, name)
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return &WriteError{File: file, Value: value, Err: absentReason(file, err)}
	}
	_, err = f.WriteString(value)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return &WriteError{File: file, Value: value, Err: gone(reason(err))}
	}
	return nil
}

// reason is the kernel's error without the path that os wraps around it.
func reason(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

func absentReason(file string, err error) error {
	if errors.Is(err, fs.ErrNotExist) && isDir(filepath.Dir(file)) {
		return ErrNoController
	}
	return gone(reason(err))
}

// SetShares sets the group's relative weight on Docker's CpuShares scale, 2 to
// 262144 (1024 is the default). On v2 it is converted to cpu.weight by
// WeightOfShares. Nothing is written when the value is already there.
func (g *Group) SetShares(shares uint64) error {
	if shares < MinShares || shares > MaxShares {
		return fmt.Errorf("shares %d of group %s are not allowed; between %d and %d", shares, g.path, MinShares, MaxShares)
	}
	name, value := "cpu.shares", shares
	if g.isV2(ctrlCPU) {
		name, value = "cpu.weight", WeightOfShares(shares)
	}
	if now, err := g.readUint(ctrlCPU, name); err == nil && now == value {
		return nil
	}
	return g.put(ctrlCPU, name, strconv.FormatUint(value, 10))
}

// SetQuota sets the group's CFS bandwidth. What already has the wanted value is
// not written, since any bandwidth write unthrottles the group at once.
//
// On v1 the kernel refuses (EINVAL) a limit above the parent's or below a
// child's; the error then names that group. On v2 the burst is written again
// afterwards, because kernels before 6.10 corrupt it.
func (g *Group) SetQuota(q Quota) error {
	if err := q.Validate(); err != nil {
		return fmt.Errorf("quota of group %s: %w", g.path, err)
	}
	now, err := g.quota()
	if err != nil {
		return fmt.Errorf("quota of group %s: %w", g.path, err)
	}
	if now == q {
		return nil
	}
	if g.isV2(ctrlCPU) {
		return g.setMax(q)
	}
	if err := g.setBandwidth(now, q); err != nil {
		return g.explainQuota(q, err)
	}
	return nil
}

// setMax writes cpu.max and puts cpu.max.burst back: before Linux 6.10,
// cpu_max_write took the burst, which is in µs, for ns.
// Source: Linux commit 49217ea147df, "sched/core: Fix incorrect initialization
// of the 'burst' parameter in cpu_max_write()".
func (g *Group) setMax(q Quota) error {
	value := "max"
	if q.QuotaUS != NoQuota {
		value = strconv.FormatInt(q.QuotaUS, 10)
	}
	burst, burstErr := g.readUint(ctrlCPU, "cpu.max.burst")
	if err := g.put(ctrlCPU, "cpu.max", fmt.Sprintf("%s %d", value, q.PeriodUS)); err != nil {
		return g.explainQuota(q, err)
	}
	if burstErr != nil || burst == 0 {
		return nil // no burst on this kernel (before 5.14) or none set
	}
	return g.put(ctrlCPU, "cpu.max.burst", strconv.FormatUint(burst, 10))
}

// setBandwidth writes the two v1 files in an order whose intermediate state the
// kernel accepts: quota ≥ 1 ms, and quota/period within parent and children.
func (g *Group) setBandwidth(now, q Quota) error {
	quota := func() error {
		if now.QuotaUS == q.QuotaUS {
			return nil
		}
		return g.put(ctrlCPU, "cpu.cfs_quota_us", strconv.FormatInt(q.QuotaUS, 10))
	}
	period := func() error {
		if now.PeriodUS == q.PeriodUS {
			return nil
		}
		return g.put(ctrlCPU, "cpu.cfs_period_us", strconv.FormatUint(q.PeriodUS, 10))
	}
	if q.QuotaUS == NoQuota {
		return inOrder(quota, period) // without quota any period is accepted
	}
	err := period()
	if err == nil {
		err = quota()
		if err != nil && now.PeriodUS != q.PeriodUS { // leave what was there
			return errors.Join(err, g.put(ctrlCPU, "cpu.cfs_period_us", strconv.FormatUint(now.PeriodUS, 10)))
		}
		return err
	}
	if !errors.Is(err, syscall.EINVAL) {
		return err
	}
	if err := inOrder(quota, period); !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return g.throughNoQuota(now, q)
}

func inOrder(writes ...func() error) error {
	for _, write := range writes {
		if err := write(); err != nil {
			return err
		}
	}
	return nil
}

// throughNoQuota is the last resort when neither order's intermediate state is
// accepted: lift the limit for the moment between two writes.
func (g *Group) throughNoQuota(now, q Quota) error {
	set := func(v Quota) error {
		return inOrder(
			func() error { return g.put(ctrlCPU, "cpu.cfs_quota_us", strconv.Itoa(NoQuota)) },
			func() error { return g.put(ctrlCPU, "cpu.cfs_period_us", strconv.FormatUint(v.PeriodUS, 10)) },
			func() error { return g.put(ctrlCPU, "cpu.cfs_quota_us", strconv.FormatInt(v.QuotaUS, 10)) },
		)
	}
	err := set(q)
	if err != nil {
		return errors.Join(err, set(now))
	}
	return nil
}

// explainQuota adds to an EINVAL what stands in the way: the group's own burst,
// which may not be above its quota, or a neighbour's limit (v1).
func (g *Group) explainQuota(q Quota, err error) error {
	if !errors.Is(err, syscall.EINVAL) {
		return err
	}
	name := "cpu.cfs_burst_us"
	if g.isV2(ctrlCPU) {
		name = "cpu.max.burst"
	}
	if burst, readErr := g.readUint(ctrlCPU, name); readErr == nil && q.QuotaUS != NoQuota && burst > uint64(q.QuotaUS) {
		return fmt.Errorf("%w: the group's burst (%s) is %d µs, above that quota", err, name, burst)
	}
	if g.isV2(ctrlCPU) {
		return err
	}
	if p := g.parentQuota(); p.CPUs() > 0 && (q.QuotaUS == NoQuota || q.CPUs() > p.CPUs()) {
		return fmt.Errorf("%w: the group above %s is limited to %s (%.3g CPUs)", err, g.path, p, p.CPUs())
	}
	if child, c := g.largestChild(); q.QuotaUS != NoQuota && c.CPUs() > q.CPUs() {
		return fmt.Errorf("%w: the nested group %s has a limit of %s (%.3g CPUs)", err, child, c, c.CPUs())
	}
	return err
}

func (g *Group) parentQuota() Quota {
	dir := filepath.Dir(g.dirs[ctrlCPU])
	parent := &Group{fs: g.fs, path: filepath.Dir(g.path), dirs: map[string]string{ctrlCPU: dir}}
	q, err := parent.quota()
	if err != nil {
		return Quota{QuotaUS: NoQuota}
	}
	return q
}

// largestChild returns the nested group with the highest quota.
func (g *Group) largestChild() (name string, largest Quota) {
	entries, _ := os.ReadDir(g.dirs[ctrlCPU])
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		dir := filepath.Join(g.dirs[ctrlCPU], e.Name())
		child := &Group{fs: g.fs, path: filepath.Join(g.path, e.Name()), dirs: map[string]string{ctrlCPU: dir}}
		if q, err := child.quota(); err == nil && q.CPUs() > largest.CPUs() {
			name, largest = child.path, q
		}
	}
	return name, largest
}
