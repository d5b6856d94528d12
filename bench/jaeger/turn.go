package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// warmUp is how long packets come before the figures begin, so that code is
// paged in and heaps have grown.
const warmUp = 500 * time.Millisecond

// The rates in spans a second: one that both receivers should bear, for what a
// span costs, and one that is hard on them, for what is lost.
const (
	costRate = 60_000
	lossRate = 120_000
)

// packetSizes are the spans a packet: a client with little traffic, one with
// packets of the usual network size, one that fills its packets.
func packetSizes() []int { return []int{3, 19, 160} }

// turn is what one receiver did with one shipment.
type turn struct {
	MicrosecondsPerSpan float64 `json:"us_per_span"`     // CPU time over spans accepted
	Loss                float64 `json:"loss"`            // share of the spans sent that was not accepted
	RSSBytes            float64 `json:"rss_bytes"`       // afterwards
	StartBytes          float64 `json:"start_bytes"`     // resident before any packet
	PeakBytes           float64 `json:"peak_bytes"`      // the most that was resident
	SentPerSecond       float64 `json:"sent_per_second"` // spans
}

func newTurn(sent shipment, hello greeting, got figures) (turn, error) {
	if got.Spans <= 0 || got.Spans > sent.Spans {
		return turn{}, fmt.Errorf("%d of %d spans accepted", got.Spans, sent.Spans)
	}
	return turn{
		MicrosecondsPerSpan: got.CPUSeconds * 1e6 / float64(got.Spans),
		Loss:                1 - float64(got.Spans)/float64(sent.Spans),
		RSSBytes:            float64(got.RSSBytes),
		StartBytes:          float64(hello.RSSBytes),
		PeakBytes:           float64(got.PeakBytes),
		SentPerSecond:       float64(sent.Spans) / sent.Seconds,
	}, nil
}

// arena is what all turns share.
type arena struct {
	program string // this executable
	folder  string // of packet files
	length  time.Duration
	tick    time.Duration // of the sender
	profile string        // folder for CPU profiles; empty: none are made
}

// fill captures the packets of all sizes.
func (a arena) fill() (map[int][]packet, error) {
	sets := map[int][]packet{}
	for _, size := range packetSizes() {
		packets, err := capturePackets(size)
		if err != nil {
			return nil, fmt.Errorf("packets of %d spans: %w", size, err)
		}
		if err := savePackets(a.file(size), packets); err != nil {
			return nil, err
		}
		sets[size] = packets
	}
	return sets, nil
}

func (a arena) file(size int) string { return filepath.Join(a.folder, fmt.Sprintf("%d.packets", size)) }

// play gives one receiver one turn, in a process of its own.
func (a arena) play(name string, size, rate int) (result turn, err error) {
	profile := ""
	if a.profile != "" {
		profile = filepath.Join(a.profile, fmt.Sprintf("%s-%d-%d.pprof", name, size, rate)) // of the last turn
	}
	s, err := startServer(a.program, name, profile)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if _, err := ship(a.program, a.file(size), s.hello.Address, rate, a.tick, warmUp); err != nil {
		return result, err
	}
	if _, err := s.ask("begin"); err != nil {
		return result, err
	}
	sent, err := ship(a.program, a.file(size), s.hello.Address, rate, a.tick, a.length)
	if err != nil {
		return result, err
	}
	got, err := s.ask(fmt.Sprintf("end %d", sent.Spans))
	if err != nil {
		return result, err
	}
	result, err = newTurn(sent, s.hello, got)
	if err != nil {
		return result, fmt.Errorf("%s: %w", name, err)
	}
	return result, nil
}
