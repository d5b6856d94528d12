package cgroup

// BlkioField is one kind of block I/O figure. v2 has the first two.
type BlkioField uint8

// The kinds of block I/O figures.
const (
	BlkioServiceBytes BlkioField = iota // bytes transferred
	BlkioServiced                       // operations
	BlkioQueued                         // requests queued
	BlkioServiceTime                    // ns from dispatch to completion
	BlkioWaitTime                       // ns in the scheduler's queues
	BlkioMerged                         // requests merged
	BlkioTime                           // ms of disk time
	BlkioSectors                        // sectors transferred
	BlkioFields                         // their number
)

// blkioCandidates is how many v1 files may hold a figure.
const blkioCandidates = 4

const blkioFileCount = int(BlkioFields) * blkioCandidates

// blkioFiles are the v1 files of each figure, the most complete first: the BFQ
// scheduler's, CFQ's (kernels before 5.0), the throttling layer's, which sees
// every device but only these two figures. The first that has an entry counts,
// as in runc. Source: Linux Documentation/admin-guide/cgroup-v1/blkio-controller.rst.
var blkioFiles = [BlkioFields][blkioCandidates]string{
	BlkioServiceBytes: {
		"blkio.bfq.io_service_bytes_recursive", "blkio.io_service_bytes_recursive",
		"blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes",
	},
	BlkioServiced: {
		"blkio.bfq.io_serviced_recursive", "blkio.io_serviced_recursive",
		"blkio.throttle.io_serviced_recursive", "blkio.throttle.io_serviced",
	},
	BlkioQueued:      {"blkio.bfq.io_queued_recursive", "blkio.io_queued_recursive"},
	BlkioServiceTime: {"blkio.bfq.io_service_time_recursive", "blkio.io_service_time_recursive"},
	BlkioWaitTime:    {"blkio.bfq.io_wait_time_recursive", "blkio.io_wait_time_recursive"},
	BlkioMerged:      {"blkio.bfq.io_merged_recursive", "blkio.io_merged_recursive"},
	BlkioTime:        {"blkio.bfq.time_recursive", "blkio.time_recursive"},
	BlkioSectors:     {"blkio.bfq.sectors_recursive", "blkio.sectors_recursive"},
}

// BlkioEntry is one figure of one device.
type BlkioEntry struct {
	Major, Minor uint32
	Operation    string // read, write, sync, async, discard, total; "" where the kernel does not divide
	Value        uint64
}

// Blkio is a group's block I/O, by kind of figure. A group that did none has
// no entries. The slices are reused by the next read.
type Blkio struct {
	Entries [BlkioFields][]BlkioEntry
}

// Blkio reads all block I/O figures. See ReadBlkio.
func (s *Stats) Blkio(b *Blkio) error { return s.ReadBlkio(b, 1<<BlkioFields-1) }

// ReadBlkio reads the kinds whose bit (1 << field) is set in want.
func (s *Stats) ReadBlkio(b *Blkio, want uint) error {
	for i := range b.Entries {
		b.Entries[i] = b.Entries[i][:0]
	}
	if s.group.isV2(ctrlBlkio) {
		return s.readIOStat(b, want)
	}
	for f := range BlkioFields {
		if want&(1<<f) == 0 {
			continue
		}
		if err := s.readBlkioV1(f, &b.Entries[f]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stats) readBlkioV1(f BlkioField, out *[]BlkioEntry) error {
	for i, name := range blkioFiles[f] {
		if name == "" {
			return nil
		}
		text, _, err := s.file(fileBlkio+fileID(int(f)*blkioCandidates+i), ctrlBlkio, name)
		if err != nil {
			return err
		}
		if *out = parseBlkio(text, *out); len(*out) > 0 {
			return nil
		}
	}
	return nil
}

func (s *Stats) readIOStat(b *Blkio, want uint) error {
	if want&(1<<BlkioServiceBytes|1<<BlkioServiced) == 0 {
		return nil
	}
	text, _, err := s.file(fileBlkio, ctrlBlkio, "io.stat")
	if err != nil {
		return err
	}
	parseIOStat(text, b, want)
	return nil
}

// parseBlkio reads "8:0 Read 4096" and "8:0 4096"; the line that sums over all
// devices ("Total 4096") has no device and is left out.
func parseBlkio(text []byte, out []BlkioEntry) []BlkioEntry {
	for len(text) > 0 {
		var line []byte
		line, text = nextLine(text)
		e, rest, ok := device(line)
		if !ok {
			continue
		}
		word, rest := field(rest)
		operation, known := operationName(word)
		if known {
			e.Operation = operation
			word, rest = field(rest)
		}
		value, tail, ok := leadingUint(word)
		if !ok || len(tail) > 0 || len(skipSpaces(rest)) > 0 {
			continue
		}
		e.Value = value
		out = append(out, e)
	}
	return out
}

// device reads the "8:0" that a line starts with.
func device(line []byte) (e BlkioEntry, rest []byte, ok bool) {
	major, rest, ok := leadingUint(line)
	if !ok || len(rest) == 0 || rest[0] != ':' || major > 1<<32-1 {
		return e, nil, false
	}
	minor, rest, ok := leadingUint(rest[1:])
	if !ok || len(rest) == 0 || rest[0] != ' ' || minor > 1<<32-1 {
		return e, nil, false
	}
	return BlkioEntry{Major: uint32(major), Minor: uint32(minor)}, rest, true
}

func operationName(word []byte) (string, bool) {
	switch string(word) {
	case "Read":
		return "read", true
	case "Write":
		return "write", true
	case "Sync":
		return "sync", true
	case "Async":
		return "async", true
	case "Discard":
		return "discard", true
	case "Total":
		return "total", true
	}
	return "", false
}

// parseIOStat reads "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6".
func parseIOStat(text []byte, b *Blkio, want uint) {
	for len(text) > 0 {
		var line []byte
		line, text = nextLine(text)
		e, rest, ok := device(line)
		for ok {
			var word []byte
			word, rest = field(rest)
			if len(word) == 0 {
				break
			}
			f, operation, digits := ioStatKey(word)
			value, tail, isNumber := leadingUint(digits)
			if operation == "" || !isNumber || len(tail) > 0 || want&(1<<f) == 0 {
				continue
			}
			e.Operation, e.Value = operation, value
			b.Entries[f] = append(b.Entries[f], e)
		}
	}
}

// ioStatKey splits "rbytes=1" into its kind, operation and digits; the
// operation is "" for keys that are not counted here.
func ioStatKey(word []byte) (f BlkioField, operation string, digits []byte) {
	i := 0
	for i < len(word) && word[i] != '=' {
		i++
	}
	if i == len(word) {
		return 0, "", nil
	}
	switch string(word[:i]) {
	case "rbytes":
		operation = "read"
	case "wbytes":
		operation = "write"
	case "dbytes":
		operation = "discard"
	case "rios":
		f, operation = BlkioServiced, "read"
	case "wios":
		f, operation = BlkioServiced, "write"
	case "dios":
		f, operation = BlkioServiced, "discard"
	}
	return f, operation, word[i+1:]
}
