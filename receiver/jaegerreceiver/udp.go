package jaegerreceiver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/governor-project/governor/internal/jaegerthrift"
)

// readErrorPause keeps a failing socket from spinning.
const readErrorPause = 100 * time.Millisecond

// appender adds one packet of a peer to what is being gathered.
type appender func(g *jaegerthrift.Gatherer, data, peer string) (spans int, err error)

// udpServer owns one socket, its reader, its queue and its workers.
type udpServer struct {
	protocol string
	cfg      UDPConfig
	socket   *udpSocket
	queue    *queue
	deliver  *delivery
	decode   appender
	logger   *zap.Logger

	// pause is how long packets gather in the kernel.
	pause time.Duration

	stopping atomic.Bool
	reader   sync.WaitGroup
	workers  sync.WaitGroup
	// abandon ends what workers are doing when the time to drain is over.
	abandon context.CancelFunc
}

// bindUDP binds the socket and starts nothing.
func bindUDP(ctx context.Context, protocol string, cfg UDPConfig, decode appender, deliver *delivery, logger *zap.Logger) (*udpServer, error) {
	socket, err := listenUDP(ctx, cfg.Endpoint, cfg.SocketBufferSize)
	if err != nil {
		return nil, fmt.Errorf("%s: listen on udp %s: %w", protocol, cfg.Endpoint, err)
	}
	return &udpServer{
		pause:    min(deliver.flush.Interval, socket.safePause()),
		protocol: protocol, cfg: cfg, socket: socket, decode: decode, deliver: deliver,
		queue:  newQueue(cfg.QueueBytes, cfg.QueueSize),
		logger: logger.With(zap.String("protocol", protocol), zap.Stringer("address", socket.conn.LocalAddr())),
	}, nil
}

func (s *udpServer) address() net.Addr { return s.socket.conn.LocalAddr() }

func (s *udpServer) unbind() error { return s.socket.conn.Close() }

func (s *udpServer) start() {
	s.logger.Info("receiving", zap.Int("receive_buffer_asked", s.cfg.SocketBufferSize), zap.Int("receive_buffer_given", s.socket.buffer))
	// The kernel reports twice what it was asked for.
	if s.socket.buffer < s.cfg.SocketBufferSize {
		s.logger.Warn("the kernel gave a smaller receive buffer than asked for, packets of a burst may be lost; "+
			"raise net.core.rmem_max (sysctl) or give the process CAP_NET_ADMIN",
			zap.Int("receive_buffer_asked", s.cfg.SocketBufferSize), zap.Int("receive_buffer_given", s.socket.buffer))
	}
	// Not the context of Start: that one ends when Start returns.
	ctx, cancel := context.WithCancel(context.Background())
	s.abandon = cancel
	for range s.cfg.Workers {
		w := newWorker(s)
		s.workers.Go(func() { w.run(ctx) })
	}
	s.reader.Go(s.read)
}

// read moves packets from the socket to the queue until the server stops, and
// then what is still in the socket.
//
// After the first packet it lets others gather in the kernel and takes them all
// at once: being woken costs more than a packet.
func (s *udpServer) read() {
	in := newIntake(s)
	for {
		n, err := in.read(0)
		switch {
		case err == nil:
			if n < readBatch {
				time.Sleep(s.pause)
			}
			in.drain()
			in.push()
			s.deliver.account.dropped(s.socket.newDrops(), reasonKernel)
		case s.stopping.Load():
			s.empty(in)
			return
		case errors.Is(err, net.ErrClosed):
			return
		default:
			s.logger.Warn("cannot read from the socket", zap.Error(err))
			time.Sleep(readErrorPause)
		}
	}
}

// empty takes what the socket holds at the end. The kernel takes nothing more
// from here on, so that an endless stream cannot hold up a shutdown.
func (s *udpServer) empty(in *intake) {
	if err := s.socket.deafen(); err != nil {
		s.logger.Warn("the socket goes on receiving while it is being emptied", zap.Error(err))
	}
	s.deliver.account.dropped(s.socket.newDrops(), reasonKernel)
	if err := s.socket.conn.SetReadDeadline(time.Time{}); err != nil {
		s.logger.Warn("packets in the socket are lost", zap.Error(err))
		return
	}
	in.drain()
	in.push()
}

// shutdown empties the socket, then the queue, until ctx ends. What is left then
// is counted.
func (s *udpServer) shutdown(ctx context.Context) error {
	s.stopping.Store(true)
	err := s.socket.conn.SetReadDeadline(time.Unix(1, 0)) // wakes the reader
	s.reader.Wait()
	s.queue.close()
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		s.workers.Wait()
	}()
	select {
	case <-finished:
	case <-ctx.Done():
		left := s.queue.abandon()
		s.deliver.account.dropped(left, reasonShutdown)
		s.abandon()
		<-finished
		s.logger.Warn("shut down before everything received was delivered", zap.Int("packets_in_queue", left))
	}
	s.abandon()
	s.deliver.account.dropped(s.socket.newDrops(), reasonShutdown)
	return errors.Join(err, s.socket.conn.Close())
}
