package jaegerreceiver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// udpSocket is one of the bound UDP sockets of an address. One goroutine reads it.
type udpSocket struct {
	conn  *net.UDPConn
	batch *ipv4.PacketConn
	raw   syscall.RawConn
	// buffer is the receive buffer that the kernel gave, in bytes; it counts its
	// own bookkeeping too and reports twice what it was asked for.
	buffer int
	drops  uint32 // the kernel's counter when it was last read
}

// listenUDP binds so many sockets to endpoint, each with a receive buffer of about
// bufferSize bytes. The kernel spreads senders over them.
//
// The first one is bound without SO_REUSEPORT, so that it fails when anybody is on
// the address, even with that option. It gets the option when it is bound, and
// then the others may join it. A socket of a process of the same user that sets
// the option itself could join too; nothing in the kernel tells it apart.
func listenUDP(ctx context.Context, endpoint string, n, bufferSize int) (sockets []*udpSocket, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll(sockets))
			sockets = nil
		}
	}()
	for i := range n {
		socket, err := bindSocket(ctx, endpoint, i > 0, bufferSize)
		if err != nil {
			return sockets, err
		}
		sockets = append(sockets, socket)
		if i == 0 && n > 1 {
			if err := socket.control(share); err != nil {
				return sockets, fmt.Errorf("set SO_REUSEPORT: %w", err)
			}
			endpoint = socket.conn.LocalAddr().String() // port 0 has become a real one
		}
	}
	return sockets, nil
}

// share lets further sockets with the same option bind to the same address.
func share(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }

func closeAll(sockets []*udpSocket) error {
	var errs []error
	for _, s := range sockets {
		errs = append(errs, s.conn.Close())
	}
	return errors.Join(errs...)
}

func bindSocket(ctx context.Context, endpoint string, shared bool, bufferSize int) (*udpSocket, error) {
	listener := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var inner error
		err := raw.Control(func(fd uintptr) {
			askBuffer(int(fd), bufferSize)
			if shared {
				inner = share(int(fd))
			}
		})
		return errors.Join(err, inner)
	}}
	bound, err := listener.ListenPacket(ctx, "udp", endpoint)
	if err != nil {
		return nil, err
	}
	conn := bound.(*net.UDPConn)
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	s := &udpSocket{conn: conn, batch: ipv4.NewPacketConn(conn), raw: raw}
	err = s.control(func(fd int) (err error) {
		s.buffer, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read back SO_RCVBUF: %w", err), conn.Close())
	}
	return s, nil
}

// askBuffer asks for a receive buffer. SO_RCVBUFFORCE goes beyond
// net.core.rmem_max and needs CAP_NET_ADMIN; SO_RCVBUF gets what is allowed. A
// refusal shows when the size is read back.
func askBuffer(fd, size int) {
	if size == 0 {
		return
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size)
	}
}

func (s *udpSocket) control(call func(fd int) error) error {
	var inner error
	if err := s.raw.Control(func(fd uintptr) { inner = call(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// deafen makes the kernel drop every packet that comes from now on; those in the
// receive buffer stay readable. The drops go into the kernel's counter.
func (s *udpSocket) deafen() error {
	dropAll, err := bpf.Assemble([]bpf.Instruction{bpf.RetConstant{Val: 0}})
	if err != nil {
		return err
	}
	return s.batch.SetBPF(dropAll)
}

const (
	// packetCharge is what the kernel charges the receive buffer for a packet of
	// up to about 1,500 bytes (its skb's truesize).
	packetCharge = 2304
	// worstPerMillisecond is the packets of a burst that must fit while nobody
	// reads: about what one core can send over loopback.
	worstPerMillisecond = 200
)

// safePause is how long packets may gather in the receive buffer.
func (s *udpSocket) safePause() time.Duration {
	pause := time.Duration(s.buffer) * time.Millisecond / (packetCharge * worstPerMillisecond)
	if pause < time.Millisecond/2 {
		return 0 // not worth a timer
	}
	return pause
}

// Socket memory figures as getsockopt(SO_MEMINFO) returns them.
// Source: include/uapi/linux/sock_diag.h
const (
	memInfoFields = 9
	memInfoDrops  = 8
)

// newDrops returns how many packets the kernel dropped since the last call. It
// reads the counter that SO_RXQ_OVFL attaches to packets, but at once: with the
// option the drops behind the last packet would never be seen.
func (s *udpSocket) newDrops() int {
	var info [memInfoFields]uint32
	size := uint32(unsafe.Sizeof(info))
	err := s.control(func(fd int) error {
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		if errno != 0 {
			return errno
		}
		return nil
	})
	if err != nil {
		return 0
	}
	drops := info[memInfoDrops] - s.drops // wraps as the kernel's counter does
	s.drops = info[memInfoDrops]
	return int(drops)
}
