package jaegerreceiver

import (
	"net"
	"net/netip"

	"go.uber.org/zap"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

const (
	// readBatch is how many packets one system call may return.
	readBatch = 32
	// maxPeers bounds the names of peers that a reader remembers.
	maxPeers = 4096
)

// The packets' room is outside the Go heap: most of it is never touched, and the
// heap's limits should not count it.
func packetRoom(size int) (room []byte, free func() error) {
	room, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return make([]byte, size), func() error { return nil }
	}
	return room, func() error { return unix.Munmap(room) }
}

// intake is the reader's room: packets on their way from the socket to the queue.
// It belongs to the reader's goroutine.
type intake struct {
	server   *udpServer
	socket   *udpSocket
	messages []ipv4.Message
	peers    map[netip.Addr]string
	packets  []packet
	free     func() error

	// Counts since the last push.
	received, bytes, oversized int
}

func newIntake(s *udpServer, socket *udpSocket) *intake {
	// One byte more than allowed tells a packet that is too large from one that
	// just fits.
	size := s.cfg.MaxPacketSize + 1
	room, free := packetRoom(readBatch * size)
	messages := make([]ipv4.Message, readBatch)
	for i := range messages {
		messages[i].Buffers = [][]byte{room[i*size : (i+1)*size]}
	}
	return &intake{
		server: s, socket: socket, messages: messages, peers: map[netip.Addr]string{},
		packets: make([]packet, 0, chunkPackets), free: free,
	}
}

// close gives back the room; nothing can be read afterwards.
func (in *intake) close() {
	if err := in.free(); err != nil {
		in.server.logger.Warn("cannot free the room for packets", zap.Error(err))
	}
}

// read takes what one system call returns; flags 0 waits for the first packet.
func (in *intake) read(flags int) (int, error) {
	n, err := in.socket.batch.ReadBatch(in.messages, flags)
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
