package main

import (
	"io"
	"sync"

	"github.com/governor-project/governor/internal/experiment/worklog"
)

// logWriter writes log lines in the order in which they were handed over, without
// making a worker wait for the reader of the pipe. Safe for concurrent use.
type logWriter struct {
	w       io.Writer
	mu      sync.Mutex // guards pending and err
	pending []any
	err     error
	writing sync.Mutex // held while lines go out: keeps their order
	idle    sync.WaitGroup
}

func newLogWriter(w io.Writer) *logWriter { return &logWriter{w: w} }

// putLater hands over a line and returns at once; put reports what went wrong.
func (l *logWriter) putLater(line any) {
	l.mu.Lock()
	l.pending = append(l.pending, line)
	first := len(l.pending) == 1
	l.mu.Unlock()
	if first {
		l.idle.Go(l.flush)
	}
}

// put writes a line after all earlier ones and returns the first error so far.
func (l *logWriter) put(line any) error {
	l.putLater(line)
	l.idle.Wait()
	l.flush()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *logWriter) flush() {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.mu.Lock()
	lines := l.pending
	l.pending = nil
	l.mu.Unlock()
	for _, line := range lines {
		if err := worklog.Write(l.w, line); err != nil {
			l.mu.Lock()
			if l.err == nil {
				l.err = err
			}
			l.mu.Unlock()
		}
	}
}
