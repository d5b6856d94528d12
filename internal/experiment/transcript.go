package experiment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/governor-project/governor/internal/experiment/worklog"
)

// transcript is what a workload container has said so far. It is an io.Writer
// for the container's standard output. Safe for concurrent use.
type transcript struct {
	mu      sync.Mutex
	partial []byte
	news    chan struct{} // closed and replaced with every line
	start   *worklog.Start
	measure *worklog.Measure
	end     *worklog.End
	seconds map[int]worklog.Second
	latest  worklog.Second // the newest complete second, for the progress display
	err     error          // the first line that could not be read
	closed  bool           // the container's output has ended
}

func newTranscript() *transcript {
	return &transcript{news: make(chan struct{}), seconds: make(map[int]worklog.Second)}
}

// Write takes the next bytes of the output. It never fails: what cannot be read
// is reported by wait.
func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.partial = append(t.partial, p...)
	for {
		line, rest, ok := bytes.Cut(t.partial, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		t.take(line)
		t.partial = append(t.partial[:0], rest...)
		t.tell()
	}
}

func (t *transcript) take(line []byte) {
	v, err := worklog.Parse(line)
	if err != nil && t.err == nil {
		t.err = err
	}
	switch v := v.(type) {
	case worklog.Start:
		t.start = &v
	case worklog.Measure:
		t.measure = &v
	case worklog.End:
		t.end = &v
	case worklog.Second:
		t.seconds[v.Second] = v
		if v.Second >= t.latest.Second {
			t.latest = v
		}
	}
}

func (t *transcript) tell() {
	close(t.news)
	t.news = make(chan struct{})
}

// fail notes what the container wrote to its standard error: the workload says
// nothing there unless something is wrong.
func (t *transcript) fail(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text = strings.TrimSpace(text); text != "" && t.err == nil {
		t.err = errors.New(text)
	}
}

// problem is what went wrong, as far as the container has said it.
func (t *transcript) problem() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		return "nothing"
	}
	return t.err.Error()
}

// close says that no more output comes.
func (t *transcript) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.tell()
}

// wait returns as soon as cond holds; cond is called with the lock held. It
// fails when ctx ends, when a line was unreadable, or when the output ends first.
func (t *transcript) wait(ctx context.Context, what string, cond func(*transcript) bool) error {
	for {
		t.mu.Lock()
		met, news, err, closed := cond(t), t.news, t.err, t.closed
		t.mu.Unlock()
		switch {
		case err != nil:
			return err
		case met:
			return nil
		case closed:
			return fmt.Errorf("the container ended before %s", what)
		}
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, context.Cause(ctx))
		}
	}
}

func started(t *transcript) bool   { return t.start != nil }
func measuring(t *transcript) bool { return t.measure != nil }
func ended(t *transcript) bool     { return t.end != nil }

// through is met when the first n seconds of the window are complete.
func through(n int) func(*transcript) bool {
	return func(t *transcript) bool {
		for i := range n {
			if _, ok := t.seconds[i]; !ok {
				return false
			}
		}
		return true
	}
}
