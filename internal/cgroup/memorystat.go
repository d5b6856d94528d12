package cgroup

// MemoryKey is one figure of memory.stat.
type MemoryKey uint8

// The figures of memory.stat that this package keeps, in bytes but for the
// page faults and page-ins, which are events. Names follow v1; the v2 name is
// given where it differs.
const (
	MemActiveAnon MemoryKey = iota
	MemActiveFile
	MemAnon // v2 only
	MemCache
	MemDirty // v2: file_dirty
	MemFile  // v2 only
	MemHierarchicalMemoryLimit
	MemHierarchicalMemswLimit
	MemInactiveAnon
	MemInactiveFile
	MemMappedFile // v2: file_mapped
	MemPgfault
	MemPgmajfault
	MemPgpgin
	MemPgpgout
	MemRSS
	MemRSSHuge // v2: anon_thp
	MemUnevictable
	MemWriteback // v2: file_writeback
	MemTotalActiveAnon
	MemTotalActiveFile
	MemTotalCache
	MemTotalDirty
	MemTotalInactiveAnon
	MemTotalInactiveFile
	MemTotalMappedFile
	MemTotalPgfault
	MemTotalPgmajfault
	MemTotalPgpgin
	MemTotalPgpgout
	MemTotalRSS
	MemTotalRSSHuge
	MemTotalUnevictable
	MemTotalWriteback
	memoryKeys
)

// MemoryStat is the content of memory.stat. The zero value is empty.
type MemoryStat struct {
	values [memoryKeys]uint64
	have   uint64 // bit per key
}

// Get returns a figure and whether the kernel has it.
func (m *MemoryStat) Get(k MemoryKey) (uint64, bool) {
	return m.values[k], m.have&(1<<k) != 0
}

func (m *MemoryStat) parse(text []byte, v2 bool) {
	for len(text) > 0 {
		var line []byte
		line, text = nextLine(text)
		name, value, ok := keyValue(line)
		if !ok {
			continue
		}
		key, known := memoryKey(name)
		if !known && v2 {
			key, known = memoryKeyV2(name)
		}
		if known {
			m.values[key] = value
			m.have |= 1 << key
		}
	}
}

// memoryKeyV2 knows the names that only v2 has.
func memoryKeyV2(name []byte) (MemoryKey, bool) {
	switch string(name) {
	case "anon":
		return MemAnon, true
	case "file":
		return MemFile, true
	case "file_dirty":
		return MemDirty, true
	case "file_mapped":
		return MemMappedFile, true
	case "file_writeback":
		return MemWriteback, true
	case "anon_thp":
		return MemRSSHuge, true
	}
	return 0, false
}

// memoryKey is a switch because the compiler turns one over byte slices into
// a search without allocation.
func memoryKey(name []byte) (MemoryKey, bool) {
	switch string(name) {
	case "active_anon":
		return MemActiveAnon, true
	case "active_file":
		return MemActiveFile, true
	case "cache":
		return MemCache, true
	case "dirty":
		return MemDirty, true
	case "hierarchical_memory_limit":
		return MemHierarchicalMemoryLimit, true
	case "hierarchical_memsw_limit":
		return MemHierarchicalMemswLimit, true
	case "inactive_anon":
		return MemInactiveAnon, true
	case "inactive_file":
		return MemInactiveFile, true
	case "mapped_file":
		return MemMappedFile, true
	case "pgfault":
		return MemPgfault, true
	case "pgmajfault":
		return MemPgmajfault, true
	case "pgpgin":
		return MemPgpgin, true
	case "pgpgout":
		return MemPgpgout, true
	case "rss":
		return MemRSS, true
	case "rss_huge":
		return MemRSSHuge, true
	case "unevictable":
		return MemUnevictable, true
	case "writeback":
		return MemWriteback, true
	}
	return memoryTotalKey(name)
}

func memoryTotalKey(name []byte) (MemoryKey, bool) {
	switch string(name) {
	case "total_active_anon":
		return MemTotalActiveAnon, true
	case "total_active_file":
		return MemTotalActiveFile, true
	case "total_cache":
		return MemTotalCache, true
	case "total_dirty":
		return MemTotalDirty, true
	case "total_inactive_anon":
		return MemTotalInactiveAnon, true
	case "total_inactive_file":
		return MemTotalInactiveFile, true
	case "total_mapped_file":
		return MemTotalMappedFile, true
	case "total_pgfault":
		return MemTotalPgfault, true
	case "total_pgmajfault":
		return MemTotalPgmajfault, true
	case "total_pgpgin":
		return MemTotalPgpgin, true
	case "total_pgpgout":
		return MemTotalPgpgout, true
	case "total_rss":
		return MemTotalRSS, true
	case "total_rss_huge":
		return MemTotalRSSHuge, true
	case "total_unevictable":
		return MemTotalUnevictable, true
	case "total_writeback":
		return MemTotalWriteback, true
	}
	return 0, false
}
