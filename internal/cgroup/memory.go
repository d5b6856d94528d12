package cgroup

// MemoryFields selects groups of memory figures: each costs its own file.
type MemoryFields uint8

// The groups of memory figures.
const (
	MemoryUsage  MemoryFields = 1 << iota // UsageBytes
	MemoryLimit                           // LimitBytes
	MemoryPeak                            // PeakBytes
	MemoryFails                           // Fails
	MemoryDetail                          // Detail, WorkingSet
	MemoryAll    = MemoryUsage | MemoryLimit | MemoryPeak | MemoryFails | MemoryDetail
)

// unlimitedV1 is what memory.limit_in_bytes shows at least when there is no
// limit: the largest long rounded down to pages of at most 64 KiB.
// Source: Linux mm/page_counter.c, PAGE_COUNTER_MAX.
const unlimitedV1 = 1<<63 - 1<<16

// Memory is a group's memory, with that of the groups below it.
type Memory struct {
	UsageBytes uint64 // with page cache
	LimitBytes uint64 // 0: none
	PeakBytes  uint64 // largest UsageBytes so far
	Fails      uint64 // times that the limit was hit: failcnt on v1, the max event on v2
	Detail     MemoryStat
	Have       MemoryFields
}

// WorkingSet is the usage without the page cache that the kernel would give up
// first: what `docker stats` shows. Without detail it is the usage.
func (m *Memory) WorkingSet() uint64 {
	inactive, ok := m.Detail.Get(MemTotalInactiveFile) // v1
	if !ok {
		inactive, ok = m.Detail.Get(MemInactiveFile)
	}
	if !ok || inactive > m.UsageBytes {
		return m.UsageBytes
	}
	return m.UsageBytes - inactive
}

// Memory reads all memory figures. See ReadMemory.
func (s *Stats) Memory(m *Memory) error { return s.ReadMemory(m, MemoryAll) }

// memoryFile is one file with one number.
type memoryFile struct {
	field  MemoryFields
	id     fileID
	v1, v2 string
	target func(*Memory) *uint64
}

var memoryFiles = [...]memoryFile{
	{MemoryUsage, fileMemoryUsage, "memory.usage_in_bytes", "memory.current", func(m *Memory) *uint64 { return &m.UsageBytes }},
	{MemoryLimit, fileMemoryMax, "memory.limit_in_bytes", "memory.max", func(m *Memory) *uint64 { return &m.LimitBytes }},
	{MemoryPeak, fileMemoryPeak, "memory.max_usage_in_bytes", "memory.peak", func(m *Memory) *uint64 { return &m.PeakBytes }},
}

// ReadMemory reads the wanted figures and only the files that hold them.
func (s *Stats) ReadMemory(m *Memory, want MemoryFields) error {
	*m = Memory{}
	v2 := s.group.isV2(ctrlMemory)
	for i := range memoryFiles {
		f := &memoryFiles[i]
		if want&f.field == 0 {
			continue
		}
		name := f.v1
		if v2 {
			name = f.v2
		}
		present, err := s.number(f.id, ctrlMemory, name, f.target(m))
		if err != nil {
			return err
		}
		if present {
			m.Have |= f.field
		}
	}
	if m.LimitBytes >= unlimitedV1 {
		m.LimitBytes = 0
	}
	if want&MemoryFails != 0 {
		if err := s.readFails(m, v2); err != nil {
			return err
		}
	}
	if want&MemoryDetail != 0 {
		return s.readDetail(m, v2)
	}
	return nil
}

func (s *Stats) readFails(m *Memory, v2 bool) error {
	if !v2 {
		present, err := s.number(fileMemoryFails, ctrlMemory, "memory.failcnt", &m.Fails)
		if present {
			m.Have |= MemoryFails
		}
		return err
	}
	text, present, err := s.file(fileMemoryFails, ctrlMemory, "memory.events")
	if err != nil || !present {
		return err
	}
	for len(text) > 0 {
		var line []byte
		line, text = nextLine(text)
		if key, value, ok := keyValue(line); ok && string(key) == "max" {
			m.Fails = value
			m.Have |= MemoryFails
		}
	}
	return nil
}

func (s *Stats) readDetail(m *Memory, v2 bool) error {
	text, present, err := s.file(fileMemoryStat, ctrlMemory, "memory.stat")
	if err != nil || !present {
		return err
	}
	m.Detail.parse(text, v2)
	m.Have |= MemoryDetail
	return nil
}
