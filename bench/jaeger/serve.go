package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"
)

const (
	// settlePoll is how often a server looks whether spans still come in.
	settlePoll = 5 * time.Millisecond
	// settleQuiet is how long none must come for a turn to be over.
	settleQuiet = 400 * time.Millisecond
)

// greeting is a server's first line.
type greeting struct {
	Address  string `json:"address"`
	RSSBytes int64  `json:"rss_bytes"` // VmRSS before any packet
}

// figures is a server's answer to a command.
type figures struct {
	Spans      int64   `json:"spans"`       // accepted since begin
	CPUSeconds float64 `json:"cpu_seconds"` // user and system, since begin, without idling afterwards
	RSSBytes   int64   `json:"rss_bytes"`   // VmRSS
	PeakBytes  int64   `json:"peak_bytes"`  // VmHWM
}

// serve is a process with one receiver. It writes its address, then answers the
// commands "begin" and "end SPANS" with figures, until its input ends.
func serve(name string, in io.Reader, out io.Writer) error {
	ctx := context.Background()
	endpoint, err := freeEndpoint()
	if err != nil {
		return err
	}
	var next counter
	r, err := startReceiver(ctx, name, endpoint, &next)
	if err != nil {
		return err
	}
	resident, err := residentMemory()
	if err != nil {
		return err
	}
	answers := json.NewEncoder(out)
	if err := answers.Encode(greeting{Address: endpoint, RSSBytes: resident.now}); err != nil {
		return err
	}
	m := meter{count: next.spans.Load}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		answer, err := m.obey(lines.Text())
		if err != nil {
			return err
		}
		if err := answers.Encode(answer); err != nil {
			return err
		}
	}
	return r.Shutdown(ctx)
}

// freeEndpoint is a loopback address whose UDP port nobody uses now.
func freeEndpoint() (string, error) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return "", err
	}
	return conn.LocalAddr().String(), conn.Close()
}

// meter takes the figures of a server between two commands.
type meter struct {
	count  func() int64
	before reading
}

// reading is the CPU time at which a number of spans had come in.
type reading struct {
	spans int64
	cpu   time.Duration
}

func (m *meter) obey(command string) (figures, error) {
	verb, argument, _ := strings.Cut(command, " ")
	switch verb {
	case "begin":
		if _, err := m.settle(-1); err != nil {
			return figures{}, err
		}
		runtime.GC() // both receivers begin with a heap without garbage
		now, err := m.read()
		m.before = now
		return figures{}, err
	case "end":
		expected, err := strconv.ParseInt(argument, 10, 64)
		if err != nil {
			return figures{}, fmt.Errorf("command %q: %w", command, err)
		}
		return m.end(expected)
	}
	return figures{}, fmt.Errorf("command %q: must be begin or end", command)
}

func (m *meter) end(expected int64) (figures, error) {
	after, err := m.settle(m.before.spans + expected)
	if err != nil {
		return figures{}, err
	}
	resident, err := residentMemory()
	return figures{
		Spans: after.spans - m.before.spans, CPUSeconds: (after.cpu - m.before.cpu).Seconds(),
		RSSBytes: resident.now, PeakBytes: resident.peak,
	}, err
}

// settle waits until expected spans have come, or none for a while, and returns
// the reading at the last of them.
func (m *meter) settle(expected int64) (reading, error) {
	last, err := m.read()
	for quiet := time.Duration(0); err == nil && last.spans != expected && quiet < settleQuiet; quiet += settlePoll {
		time.Sleep(settlePoll)
		if m.count() != last.spans {
			quiet = 0
			last, err = m.read()
		}
	}
	return last, err
}

func (m *meter) read() (reading, error) {
	cpu, err := cpuTime()
	return reading{spans: m.count(), cpu: cpu}, err
}

// runServe is the process's main: serve NAME [PROFILE].
func runServe(args []string) (err error) {
	switch len(args) {
	case 1:
	case 2:
		file, err := os.Create(args[1])
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(file); err != nil {
			return errors.Join(err, file.Close())
		}
		defer func() {
			pprof.StopCPUProfile()
			err = errors.Join(err, file.Close())
		}()
	default:
		return fmt.Errorf("serve takes one receiver's name and perhaps a file for its profile, got %q", args)
	}
	return serve(args[0], os.Stdin, os.Stdout)
}
