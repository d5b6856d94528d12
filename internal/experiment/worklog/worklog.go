// Package worklog is the format of the demo workload's own log: JSON lines that
// cmd/workload writes to its standard output and internal/experiment reads back
// through Docker. Latency figures of the experiment come from here and never
// from the agent under test.
//
// It is a pure room: bytes in, values out; no I/O and no clock.
//
// A service writes, in this order: one Start, one Measure when the measured
// window begins, one Second for every second of the window, and one End. A
// request belongs to the second of its intended arrival, and its latency counts
// from that intended arrival. A Second is written once, when all of its requests
// have finished; those that are incomplete when the service is told to stop are
// written then, with the age of each unfinished request as a lower bound of its
// latency. An interference container writes Start and End only.
package worklog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Kinds of lines: the value of the key "type".
const (
	KindStart   = "start"
	KindMeasure = "measure"
	KindSecond  = "second"
	KindEnd     = "end"
)

// Start says that the process has begun its work.
type Start struct {
	Type   string `json:"type"`
	Role   string `json:"role"`    // service or interference
	UnixNS int64  `json:"unix_ns"` // wall clock
}

// At is the instant of the start.
func (s Start) At() time.Time { return time.Unix(0, s.UnixNS) }

// Measure says when second 0 of the measured window begins.
type Measure struct {
	Type   string `json:"type"`
	UnixNS int64  `json:"unix_ns"` // wall clock
}

// At is the start of the measured window.
func (m Measure) At() time.Time { return time.Unix(0, m.UnixNS) }

// Second holds the requests whose intended arrival lies in one second of the
// measured window.
type Second struct {
	Type         string  `json:"type"`
	Second       int     `json:"second"`                  // counted from the start of the window
	Arrivals     int     `json:"arrivals"`                // finished + unfinished + shed
	LatencyUS    []int64 `json:"latency_us"`              // µs from intended arrival to completion, in order of completion
	UnfinishedUS []int64 `json:"unfinished_us,omitempty"` // µs from intended arrival to the end of the run: lower bounds
	Shed         int     `json:"shed,omitempty"`          // refused because the queue was full
}

// End holds the totals of the measured window.
type End struct {
	Type       string  `json:"type"`
	Role       string  `json:"role"`
	UnixNS     int64   `json:"unix_ns"`
	Requests   int     `json:"requests"`
	Finished   int     `json:"finished"`
	Unfinished int     `json:"unfinished"`
	Shed       int     `json:"shed"`
	SpansSent  int64   `json:"spans_sent"`  // over the whole life of the process
	SpansLost  int64   `json:"spans_lost"`  // by the tracing client: queue full or failed sends
	CPUSeconds float64 `json:"cpu_seconds"` // of the whole process, as the kernel counted it
}

// maxLine bounds one line: a second of 100,000 requests fits ten times over.
const maxLine = 16 << 20

// Parse reads one line. The result is a Start, Measure, Second or End.
func Parse(line []byte) (any, error) {
	if len(line) > maxLine {
		return nil, fmt.Errorf("workload log: a line of %d bytes is longer than the limit of %d", len(line), maxLine)
	}
	var head struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return nil, fmt.Errorf("workload log: line %.80q: %w", line, err)
	}
	switch head.Type {
	case KindStart:
		return decode[Start](line)
	case KindMeasure:
		return decode[Measure](line)
	case KindSecond:
		return decodeSecond(line)
	case KindEnd:
		return decode[End](line)
	}
	return nil, fmt.Errorf("workload log: line type %q is unknown; allowed are start, measure, second and end", head.Type)
}

func decode[T any](line []byte) (any, error) {
	var v T
	if err := json.Unmarshal(line, &v); err != nil {
		return nil, fmt.Errorf("workload log: line %.80q: %w", line, err)
	}
	return v, nil
}

func decodeSecond(line []byte) (any, error) {
	var s Second
	if err := json.Unmarshal(line, &s); err != nil {
		return nil, fmt.Errorf("workload log: line %.80q: %w", line, err)
	}
	if got := len(s.LatencyUS) + len(s.UnfinishedUS) + s.Shed; got != s.Arrivals || s.Shed < 0 || s.Second < 0 {
		return nil, fmt.Errorf("workload log: second %d has %d arrivals and accounts for %d", s.Second, s.Arrivals, got)
	}
	return s, nil
}

// Write appends one line to w. Lines are written with a single call of w.Write,
// so that lines of several goroutines never mix on a pipe.
func Write(w io.Writer, line any) error {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(line); err != nil {
		return fmt.Errorf("workload log: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("workload log: %w", err)
	}
	return nil
}
