package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"runtime"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// shipment is what a sender process did.
type shipment struct {
	Packets int64   `json:"packets"`
	Spans   int64   `json:"spans"`
	Seconds float64 `json:"seconds"`
}

// sender replays packets in a circle.
type sender struct {
	conn     *ipv4.PacketConn
	messages []ipv4.Message
	packets  []packet
	next     int // index of the next packet
	sent     shipment
}

// newSender sends to an address over a connected socket.
func newSender(address string, packets []packet) (*sender, error) {
	conn, err := net.Dial("udp", address)
	if err != nil {
		return nil, err
	}
	s := &sender{conn: ipv4.NewPacketConn(conn.(*net.UDPConn)), packets: packets}
	for _, p := range packets {
		s.messages = append(s.messages, ipv4.Message{Buffers: [][]byte{p.data}})
	}
	return s, nil
}

// send sends n packets with as few calls as possible (sendmmsg).
func (s *sender) send(n int) error {
	for n > 0 {
		if s.next == len(s.packets) {
			s.next = 0
		}
		part := min(n, len(s.packets)-s.next)
		sent, err := s.conn.WriteBatch(s.messages[s.next:s.next+part], 0)
		if errors.Is(err, unix.ECONNREFUSED) {
			return fmt.Errorf("nobody listens any more: %w", err)
		}
		if err != nil {
			return err
		}
		for _, p := range s.packets[s.next : s.next+sent] {
			s.sent.Spans += int64(p.spans)
		}
		s.sent.Packets += int64(sent)
		s.next += sent
		n -= sent
	}
	return nil
}

// sendFor sends at the pace of p for a time, and wakes every tick.
func (s *sender) sendFor(p *pacer, tick, length time.Duration) error {
	begin, err := monotonic()
	if err != nil {
		return err
	}
	elapsed := time.Duration(0)
	for wake := begin; elapsed < length; {
		n := p.due(elapsed)
		if err := s.send(n); err != nil {
			return err
		}
		p.done(n)
		wake += tick
		if err := sleepUntil(wake); err != nil {
			return err
		}
		now, err := monotonic()
		if err != nil {
			return err
		}
		wake = max(wake, now-tick) // what was slept through is not made up tick by tick
		elapsed = now - begin
	}
	s.sent.Seconds = elapsed.Seconds()
	return nil
}

// monotonic is the kernel's clock, which sleepUntil takes too. The runtime's own
// sleep is not precise enough for a tick.
func monotonic() (time.Duration, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0, fmt.Errorf("clock_gettime: %w", err)
	}
	return time.Duration(now.Nano()), nil
}

func sleepUntil(at time.Duration) error {
	wake := unix.NsecToTimespec(at.Nanoseconds())
	for {
		err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &wake, nil)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("clock_nanosleep: %w", err)
		}
	}
}

// runSend is the process's main: it sends and writes its shipment.
func runSend(args []string) error {
	flags := flag.NewFlagSet("send", flag.ContinueOnError)
	file := flags.String("packets", "", "file of packets")
	to := flags.String("to", "", "address of the receiver")
	rate := flags.Int("rate", 0, "spans a second")
	length := flags.Duration("for", 0, "how long")
	tick := flags.Duration("tick", 0, "how often to wake and send what is due")
	if err := flags.Parse(args); err != nil {
		return err
	}
	packets, err := loadPackets(*file)
	if err != nil {
		return err
	}
	s, err := newSender(*to, packets)
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	if err := s.sendFor(newPacer(*rate, spansPerPacket(packets), *tick), *tick, *length); err != nil {
		return err
	}
	return errors.Join(json.NewEncoder(os.Stdout).Encode(s.sent), s.conn.Close())
}
