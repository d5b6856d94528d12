package cgroup

import "bytes"

// Sources of the stall figure.
const (
	StallPSI      = "psi"       // v2: time in which at least one task waited for a CPU
	StallRunDelay = "run_delay" // v1: sum over tasks of the time spent waiting on a run queue
)

// tickNS is the unit of cpuacct.stat: USER_HZ is 100 on every architecture
// that Docker runs on. Source: time(7), "The software clock, HZ, and jiffies".
const tickNS = 10_000_000

// CPUFields selects groups of CPU figures: each costs its own files.
type CPUFields uint8

// The groups of CPU figures.
const (
	CPUUsage      CPUFields = 1 << iota // UsageNS
	CPUModes                            // UserNS, SystemNS
	CPUThrottling                       // Periods, ThrottledPeriods, ThrottledNS
	CPUStall                            // StallNS, StallSource
	CPUPerCPU                           // PerCPUNS (v1 only)
	CPUAll        = CPUUsage | CPUModes | CPUThrottling | CPUStall | CPUPerCPU
)

// CPU is what a group has done with the CPU since it was made. All figures are
// counters; times are in nanoseconds.
type CPU struct {
	UsageNS, UserNS, SystemNS              uint64
	Periods, ThrottledPeriods, ThrottledNS uint64
	StallNS                                uint64
	StallSource                            string   // StallPSI or StallRunDelay
	PerCPUNS                               []uint64 // by CPU number; reused by the next read
	Have                                   CPUFields
}

// CPU reads all CPU figures. See ReadCPU.
func (s *Stats) CPU(c *CPU) error { return s.ReadCPU(c, CPUAll) }

// ReadCPU reads the wanted figures and only the files that hold them. Fields
// that were not wanted or that this kernel does not have are zero and not in
// c.Have.
//
// StallNS from run-queue waits starts, at the first read, with the sum over
// the tasks alive then; it never goes backwards while the Stats is open.
func (s *Stats) ReadCPU(c *CPU, want CPUFields) error {
	*c = CPU{PerCPUNS: c.PerCPUNS[:0]}
	read := s.readCPUV1
	if s.group.isV2(ctrlCPU) {
		read = s.readCPUV2
	}
	if err := read(c, want); err != nil {
		return err
	}
	if want&CPUStall != 0 {
		return s.readStall(c)
	}
	return nil
}

func (s *Stats) readCPUV1(c *CPU, want CPUFields) error {
	if want&CPUUsage != 0 {
		if ok, err := s.number(fileCPUUsage, ctrlCPUAcct, "cpuacct.usage", &c.UsageNS); err != nil {
			return err
		} else if ok {
			c.Have |= CPUUsage
		}
	}
	if want&CPUModes != 0 {
		text, present, err := s.file(fileCPUModes, ctrlCPUAcct, "cpuacct.stat")
		if err != nil {
			return err
		}
		if present && parseCPUAcctStat(text, c) {
			c.Have |= CPUModes
		}
	}
	if want&CPUThrottling != 0 {
		text, present, err := s.file(fileCPUStat, ctrlCPU, "cpu.stat")
		if err != nil {
			return err
		}
		if present {
			c.Have |= parseCPUStat(text, c) & CPUThrottling
		}
	}
	if want&CPUPerCPU != 0 {
		text, present, err := s.file(fileCPUPerCPU, ctrlCPUAcct, "cpuacct.usage_percpu")
		if err != nil {
			return err
		}
		if present {
			c.PerCPUNS = parsePerCPU(text, c.PerCPUNS)
			c.Have |= CPUPerCPU
		}
	}
	return nil
}

func (s *Stats) readCPUV2(c *CPU, want CPUFields) error {
	if want&(CPUUsage|CPUModes|CPUThrottling) == 0 {
		return nil
	}
	text, present, err := s.file(fileCPUStat, ctrlCPU, "cpu.stat")
	if err != nil || !present {
		return err
	}
	c.Have |= parseCPUStat(text, c) & want
	return nil
}

// readStall takes pressure on v2 where the kernel has it, else run-queue waits.
func (s *Stats) readStall(c *CPU) error {
	if s.group.isV2(ctrlCPU) {
		text, present, err := s.file(filePressure, ctrlCPU, "cpu.pressure")
		if err != nil {
			return err
		}
		if total, ok := parsePressure(text); present && ok {
			c.StallNS, c.StallSource = total, StallPSI
			c.Have |= CPUStall
			return nil
		}
	}
	ok, err := s.delay.read(s.group, &s.buf)
	if err != nil || !ok {
		return err
	}
	c.StallNS, c.StallSource = s.delay.total, StallRunDelay
	c.Have |= CPUStall
	return nil
}

// parseCPUAcctStat reads "user 12\nsystem 34\n", in ticks.
func parseCPUAcctStat(text []byte, c *CPU) bool {
	seen := 0
	for len(text) > 0 {
		var line []byte
		line, text = nextLine(text)
		key, value, ok := keyValue(line)
		switch {
		case !ok:
		case string(key) == "user":
			c.UserNS = value * tickNS
			seen++
		case string(key) == "system":
			c.SystemNS = value * tickNS
			seen++
		}
	}
	return seen == 2
}

// parseCPUStat reads cpu.stat of either version: v1 has throttling in ns, v2
// has usage too, all in µs. It returns what was there.
func parseCPUStat(text []byte, c *CPU) (have CPUFields) {
	for len(text) > 0 {
		var line []byte
		line, text = nextLine(text)
		key, value, ok := keyValue(line)
		if !ok {
			continue
		}
		switch string(key) {
		case "usage_usec":
			c.UsageNS = value * 1000
			have |= CPUUsage
		case "user_usec":
			c.UserNS = value * 1000
			have |= CPUModes
		case "system_usec":
			c.SystemNS = value * 1000
		case "nr_periods":
			c.Periods = value
			have |= CPUThrottling
		case "nr_throttled":
			c.ThrottledPeriods = value
		case "throttled_time":
			c.ThrottledNS = value
		case "throttled_usec":
			c.ThrottledNS = value * 1000
		}
	}
	return have
}

// parsePerCPU reads "123 456 \n".
func parsePerCPU(text []byte, out []uint64) []uint64 {
	for {
		v, rest, ok := leadingUint(skipSpaces(text))
		if !ok {
			return out
		}
		out, text = append(out, v), rest
	}
}

// parsePressure returns "some … total=<µs>" of cpu.pressure in ns.
// Source: Linux Documentation/accounting/psi.rst.
func parsePressure(text []byte) (ns uint64, ok bool) {
	for len(text) > 0 {
		var line []byte
		line, text = nextLine(text)
		if !bytes.HasPrefix(line, []byte("some ")) {
			continue
		}
		i := bytes.Index(line, []byte("total="))
		if i < 0 {
			return 0, false
		}
		us, _, ok := leadingUint(line[i+len("total="):])
		return us * 1000, ok
	}
	return 0, false
}
