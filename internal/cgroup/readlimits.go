package cgroup

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/governor-project/governor/internal/cpuset"
)

// LimitFields selects groups of limits: each costs its own files.
type LimitFields uint8

// The groups of limits.
const (
	LimitShares LimitFields = 1 << iota
	LimitQuota
	LimitCPUs // EffectiveCPUs only
)

// ReadLimits reads the wanted limits through kept descriptors, for callers that
// look often; CPUs (the configured set) is not read. It returns which limits
// the group has. The other fields of l are as in Group.Limits.
func (s *Stats) ReadLimits(l *Limits, want LimitFields) (have LimitFields, err error) {
	*l = Limits{Quota: Quota{QuotaUS: NoQuota, PeriodUS: DefaultPeriodUS}}
	readers := [...]struct {
		field LimitFields
		read  func(*Limits) (bool, error)
	}{{LimitShares, s.limitShares}, {LimitQuota, s.limitQuota}, {LimitCPUs, s.limitCPUs}}
	for _, r := range readers {
		if want&r.field == 0 {
			continue
		}
		present, err := r.read(l)
		if err != nil {
			return have, err
		}
		if present {
			have |= r.field
		}
	}
	return have, nil
}

func (s *Stats) limitShares(l *Limits) (bool, error) {
	if !s.group.isV2(ctrlCPU) {
		return s.number(fileShares, ctrlCPU, "cpu.shares", &l.Shares)
	}
	var weight uint64
	present, err := s.number(fileShares, ctrlCPU, "cpu.weight", &weight)
	if present {
		l.Shares = SharesOfWeight(weight)
	}
	return present, err
}

func (s *Stats) limitQuota(l *Limits) (bool, error) {
	if s.group.isV2(ctrlCPU) {
		text, present, err := s.file(fileQuota, ctrlCPU, "cpu.max")
		if err != nil || !present {
			return false, err
		}
		q, err := parseCPUMax(string(text))
		if err != nil {
			return false, s.malformed(ctrlCPU, "cpu.max", text)
		}
		l.Quota = q
		return true, nil
	}
	text, present, err := s.file(fileQuota, ctrlCPU, "cpu.cfs_quota_us")
	if err != nil || !present {
		return false, err
	}
	quota, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil {
		return false, s.malformed(ctrlCPU, "cpu.cfs_quota_us", text)
	}
	present, err = s.number(filePeriod, ctrlCPU, "cpu.cfs_period_us", &l.Quota.PeriodUS)
	if present {
		l.Quota.QuotaUS = quota
	}
	return present, err
}

// limitCPUs parses the list only when its text has changed.
func (s *Stats) limitCPUs(l *Limits) (bool, error) {
	name := "cpuset.effective_cpus"
	if s.group.isV2(ctrlCPUSet) {
		name = "cpuset.cpus.effective"
	}
	text, present, err := s.file(fileCPUs, ctrlCPUSet, name)
	if err != nil {
		return false, err
	}
	if !present { // a v2 group without cpuset runs where its ancestors may
		l.EffectiveCPUs, err = s.group.effectiveCPUs()
		if errors.Is(err, ErrNoController) {
			return false, nil
		}
		return err == nil, err
	}
	if s.cpusText == nil || !bytes.Equal(text, s.cpusText) {
		set, err := cpuset.Parse(string(text))
		if err != nil {
			return false, s.malformed(ctrlCPUSet, name, text)
		}
		s.cpus, s.cpusText = set, append(s.cpusText[:0], text...)
	}
	l.EffectiveCPUs = s.cpus
	return true, nil
}
