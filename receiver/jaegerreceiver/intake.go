package jaegerreceiver

import (
	"net"
	"net/netip"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

const (
	// readBatch is how many packets one system call may return.
	readBatch = 32
	// maxPeers bounds the names of peers that a reader remembers.
	maxPeers = 4096
)

// intake is the reader's room: packets on their way from the socket to the queue.
// It belongs to the reader's goroutine.
type intake struct {
	server   *udpServer
	messages []ipv4.Message
	peers    map[netip.Addr]string
	packets  []packet

	// Counts since the last push.
	received, bytes, oversized int
}

func newIntake(s *udpServer) *intake {
	messages := make([]ipv4.Message, readBatch)
	for i := range messages {
		// One byte more than allowed tells a packet that is too large from one
		// that just fits.
		messages[i].Buffers = [][]byte{make([]byte, s.cfg.MaxPacketSize+1)}
	}
	return &intake{
		server: s, messages: messages, peers: map[netip.Addr]string{},
		packets: make([]packet, 0, chunkPackets),
	}
}

// read takes what one system call returns; flags 0 waits for the first packet.
func (in *intake) read(flags int) (int, error) {
	n, err := in.server.socket.batch.ReadBatch(in.messages, flags)
	if err != nil {
		return 0, err
	}
	for i := range in.messages[:n] {
		m := &in.messages[i]
		in.received++
		in.bytes += m.N
		if m.N > in.server.cfg.MaxPacketSize {
			in.oversized++
			continue
		}
		in.packets = append(in.packets, packet{data: string(m.Buffers[0][:m.N]), peer: in.peer(m.Addr)})
	}
	return n, nil
}

// drain reads until the socket is empty.
func (in *intake) drain() {
	for {
		if len(in.packets) > chunkPackets-readBatch {
			in.push()
		}
		if n, err := in.read(unix.MSG_DONTWAIT); err != nil || n < readBatch {
			return
		}
	}
}

// push queues what was read and counts it.
func (in *intake) push() {
	account := in.server.deliver.account
	account.received(in.received, in.bytes)
	account.dropped(in.oversized, reasonOversized)
	account.dropped(in.server.queue.push(in.packets), reasonQueueFull)
	clear(in.packets)
	in.packets = in.packets[:0]
	in.received, in.bytes, in.oversized = 0, 0, 0
}

// peer is the sender's IP address as text, which is made once per sender.
func (in *intake) peer(addr net.Addr) string {
	udp, ok := addr.(*net.UDPAddr)
	if !ok {
		return ""
	}
	ip := udp.AddrPort().Addr().Unmap()
	name, ok := in.peers[ip]
	if !ok {
		if len(in.peers) >= maxPeers {
			clear(in.peers)
		}
		name = ip.String()
		in.peers[ip] = name
	}
	return name
}
