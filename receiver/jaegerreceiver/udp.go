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
)

// readErrorPause keeps a failing socket from spinning.
const readErrorPause = 100 * time.Millisecond

// udpServer owns the sockets of one address, a reader for each, the queue that
// the readers fill and the workers that empty it.
type udpServer struct {
	protocol  string
	cfg       UDPConfig
	sockets   []*udpSocket
	queue     *queue
	deliver   *delivery
	gatherers func() gatherer
	logger    *zap.Logger

	// pause is how long packets gather in the kernel.
	pause time.Duration

	stopping atomic.Bool
	readers  sync.WaitGroup
	workers  sync.WaitGroup
	// abandon ends what workers are doing when the time to drain is over.
	abandon context.CancelFunc
}

// bindUDP binds the sockets and starts nothing.
func bindUDP(ctx context.Context, protocol string, cfg UDPConfig, gatherers func() gatherer, deliver *delivery, logger *zap.Logger) (*udpServer, error) {
	sockets, err := listenUDP(ctx, cfg.Endpoint, cfg.Sockets, cfg.SocketBufferSize)
	if err != nil {
		return nil, fmt.Errorf("%s: listen on udp %s: %w", protocol, cfg.Endpoint, err)
	}
	return &udpServer{
		pause:    min(deliver.flush.Interval, sockets[0].safePause()),
		protocol: protocol, cfg: cfg, sockets: sockets, gatherers: gatherers, deliver: deliver,
		queue:  newQueue(cfg.QueueBytes, cfg.QueueSize),
		logger: logger.With(zap.String("protocol", protocol), zap.Stringer("address", sockets[0].conn.LocalAddr())),
	}, nil
}

func (s *udpServer) address() net.Addr { return s.sockets[0].conn.LocalAddr() }

func (s *udpServer) unbind() error { return closeAll(s.sockets) }

func (s *udpServer) start() {
	given := s.sockets[0].buffer
	s.logger.Info("receiving", zap.Int("sockets", len(s.sockets)),
		zap.Int("receive_buffer_asked", s.cfg.SocketBufferSize), zap.Int("receive_buffer_given", given))
	// The kernel reports twice what it was asked for.
	if given < s.cfg.SocketBufferSize {
		s.logger.Warn("the kernel gave a smaller receive buffer than asked for, packets of a burst may be lost; "+
			"raise net.core.rmem_max (sysctl) or give the process CAP_NET_ADMIN",
			zap.Int("receive_buffer_asked", s.cfg.SocketBufferSize), zap.Int("receive_buffer_given", given))
	}
	// Not the context of Start: that one ends when Start returns.
	ctx, cancel := context.WithCancel(context.Background())
	s.abandon = cancel
	for range s.cfg.Workers {
		w := newWorker(s)
		s.workers.Go(func() { w.run(ctx) })
	}
	for _, socket := range s.sockets {
		s.readers.Go(func() { s.read(socket) })
	}
}

// read moves packets from one socket to the queue until the server stops, and
// then what is still in the socket.
//
// After the first packet it lets others gather in the kernel and takes them all
// at once: being woken costs more than a packet.
func (s *udpServer) read(socket *udpSocket) {
	in := newIntake(s, socket)
	defer in.close()
	for {
		n, err := in.read(0)
		switch {
		case err == nil:
			if n < readBatch {
				time.Sleep(s.pause)
			}
			in.drain()
			in.push()
			s.deliver.account.dropped(socket.newDrops(), reasonKernel)
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

// empty takes what a socket holds at the end. The kernel takes nothing more
// from here on, so that an endless stream cannot hold up a shutdown.
func (s *udpServer) empty(in *intake) {
	if err := in.socket.deafen(); err != nil {
		s.logger.Warn("the socket goes on receiving while it is being emptied", zap.Error(err))
	}
	s.deliver.account.dropped(in.socket.newDrops(), reasonKernel)
	if err := in.socket.conn.SetReadDeadline(time.Time{}); err != nil {
		s.logger.Warn("packets in the socket are lost", zap.Error(err))
		return
	}
	in.drain()
	in.push()
}

// shutdown empties the sockets, then the queue, until ctx ends. What is left then
// is counted.
func (s *udpServer) shutdown(ctx context.Context) error {
	s.stopping.Store(true)
	var errs []error
	for _, socket := range s.sockets {
		errs = append(errs, socket.conn.SetReadDeadline(time.Unix(1, 0))) // wakes the reader
	}
	s.readers.Wait()
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
	for _, socket := range s.sockets {
		s.deliver.account.dropped(socket.newDrops(), reasonShutdown)
	}
	return errors.Join(append(errs, closeAll(s.sockets))...)
}
