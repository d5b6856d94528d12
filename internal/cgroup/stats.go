package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/governor-project/governor/internal/cpuset"
)

// initialBuffer fits every file of a usual group in one read; it grows when not.
const initialBuffer = 8 << 10

// certainlyComplete is the length below which one read has got the whole of a
// kernel file: seq_file fills at least a page less one record (records here
// are below 600 bytes) before it returns.
// Source: Linux fs/seq_file.c, seq_read_iter.
const certainlyComplete = 4096 - 600

// Stats reads one group's statistics. It opens each file when its figure is
// first asked for, keeps the descriptor, re-reads it with pread and allocates
// nothing while doing so. It is for one goroutine at a time.
//
// Every method's error wraps fs.ErrNotExist when the group is gone; the
// caller then closes the Stats. A controller that the group lacks is no error:
// the result's Have says what was there.
type Stats struct {
	group  *Group
	buf    []byte
	files  [fileCount]statFile
	delay  runDelay
	netPID int // process that the network file is open for

	cpus     cpuset.Set // parsed from cpusText
	cpusText []byte
}

type fileState uint8

const (
	fileUnopened fileState = iota
	fileOpen
	fileAbsent // the group has no such file: its controller is missing
)

// statFile is one kept descriptor.
type statFile struct {
	fd    int
	state fileState
}

// fileID names a file that may be kept open.
type fileID uint8

const (
	fileCPUUsage fileID = iota
	fileCPUModes
	fileCPUPerCPU
	fileCPUStat
	filePressure
	fileMemoryStat
	fileMemoryUsage
	fileMemoryMax
	fileMemoryPeak
	fileMemoryFails
	filePIDs
	filePIDsMax
	fileShares
	fileQuota
	filePeriod
	fileCPUs
	fileNet
	fileBlkio // the first of blkioFileCount
	fileCount = fileBlkio + fileID(blkioFileCount)
)

// OpenStats prepares reading the group's statistics. It fails, wrapping
// fs.ErrNotExist, when the group is gone.
func (g *Group) OpenStats() (*Stats, error) {
	if !g.exists() {
		return nil, fmt.Errorf("statistics of group %s: %w", g.path, fs.ErrNotExist)
	}
	return &Stats{group: g, buf: make([]byte, initialBuffer)}, nil
}

// Group is the group that the statistics are of.
func (s *Stats) Group() *Group { return s.group }

// Close closes all descriptors. The Stats is empty afterwards and may be used again.
func (s *Stats) Close() error {
	var errs []error
	for i := range s.files {
		errs = append(errs, s.files[i].close())
	}
	s.files = [fileCount]statFile{}
	errs = append(errs, s.delay.close())
	s.delay = runDelay{}
	return errors.Join(errs...)
}

func (f *statFile) close() error {
	if f.state != fileOpen {
		return nil
	}
	f.state = fileUnopened
	return syscall.Close(f.fd)
}

// file returns the content of a file of the group. The bytes are valid until
// the next read. present is false when the group has no such file.
func (s *Stats) file(id fileID, controller, name string) (text []byte, present bool, err error) {
	f := &s.files[id]
	if f.state == fileAbsent {
		return nil, false, nil
	}
	if f.state == fileUnopened {
		if err := s.open(f, s.group.dirs[controller], name); err != nil || f.state == fileAbsent {
			return nil, false, err
		}
	}
	text, err = readAll(f.fd, &s.buf)
	if err == nil {
		return text, true, nil
	}
	if err == syscall.EOPNOTSUPP { // pressure that was switched off at boot
		closeErr := f.close()
		f.state = fileAbsent
		return nil, false, closeErr
	}
	return nil, false, fmt.Errorf("read %s: %w", filepath.Join(s.group.dirs[controller], name), gone(err))
}

func (s *Stats) open(f *statFile, dir, name string) error {
	if dir == "" {
		f.state = fileAbsent
		return nil
	}
	file := filepath.Join(dir, name)
	fd, err := openFile(file)
	switch {
	case err == nil:
		f.fd, f.state = fd, fileOpen
		return nil
	case errors.Is(err, fs.ErrNotExist) && isDir(dir):
		f.state = fileAbsent
		return nil
	}
	return fmt.Errorf("open %s: %w", file, gone(err))
}

func openFile(file string) (int, error) {
	for {
		fd, err := syscall.Open(file, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		if err != syscall.EINTR {
			return fd, err
		}
	}
}

// readAll reads a kernel file from its start, growing the buffer as needed.
func readAll(fd int, buf *[]byte) ([]byte, error) {
	n := 0
	for {
		got, err := syscall.Pread(fd, (*buf)[n:], int64(n))
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		n += got
		switch {
		case n == len(*buf):
			larger := make([]byte, 2*len(*buf))
			copy(larger, *buf)
			*buf = larger
		case got == 0 || n < certainlyComplete:
			return (*buf)[:n], nil
		}
	}
}

// number reads a file with one number into v; Have tells the caller's result
// whether it was there.
func (s *Stats) number(id fileID, controller, name string, v *uint64) (bool, error) {
	text, present, err := s.file(id, controller, name)
	if err != nil || !present {
		return false, err
	}
	value, ok := single(text)
	if !ok {
		return false, s.malformed(controller, name, text)
	}
	*v = value
	return true, nil
}

// malformed reports a file that does not have the kernel's form.
func (s *Stats) malformed(controller, name string, text []byte) error {
	const quoted = 80
	return fmt.Errorf("%s: unexpected content %q", filepath.Join(s.group.dirs[controller], name), text[:min(len(text), quoted)])
}
