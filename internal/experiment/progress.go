package experiment

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Intervals of the progress display.
const (
	terminalInterval = time.Second
	plainInterval    = 5 * time.Second // one line each, for logs
)

// overheadTime is what a phase takes beyond its window: warm-up, starting and
// removing containers; and governedExtra for the agent and the kill check.
const (
	overheadTime  = warmUp + 3*time.Second
	governedExtra = 9 * time.Second
)

// progress tells what runs, its live figures and the time that remains.
type progress struct {
	w         io.Writer
	terminal  bool
	remaining time.Duration // after the current step
	name      string
	deadline  time.Time // estimated end of the current step
	spoke     time.Time
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w}
	if f, ok := w.(*os.File); ok {
		_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
		p.terminal = err == nil
	}
	return p
}

// expected is how long a phase is estimated to take in all.
func expected(p Phase, base int) time.Duration {
	if p == Governed {
		return time.Duration(base*governedLengths)*time.Second + overheadTime + governedExtra
	}
	return time.Duration(base)*time.Second + overheadTime
}

// begin starts a step that is estimated to take this long.
func (p *progress) begin(name string, length time.Duration) {
	p.name, p.deadline = name, time.Now().Add(length)
	p.remaining -= length
	p.speak("")
}

// note says what happens within a step.
func (p *progress) note(text string) { p.speak(text) }

// sleep waits for d and shows live figures meanwhile.
func (p *progress) sleep(ctx context.Context, d time.Duration, live func() string) error {
	over := time.NewTimer(d)
	defer over.Stop()
	interval := plainInterval
	if p.terminal {
		interval = terminalInterval
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-over.C:
			return nil
		case <-time.After(max(interval-time.Since(p.spoke), 0)):
			p.speak(live())
		}
	}
}

func (p *progress) speak(text string) {
	p.spoke = time.Now()
	left := max(p.remaining+max(time.Until(p.deadline), 0), 0).Round(time.Second)
	line := fmt.Sprintf("[%d:%02d left] %s", int(left.Minutes()), int(left.Seconds())%60, p.name)
	if text != "" {
		line += ": " + text
	}
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%.110s", line)
		return
	}
	fmt.Fprintln(p.w, line)
}

// done clears the line of a terminal.
func (p *progress) done() {
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
