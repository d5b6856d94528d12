package jaegerreceiver

import (
	"context"
	"errors"
	"fmt"
	"net"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/governor-project/governor/receiver/jaegerreceiver/internal/metadata"
)

// server is one protocol: bound when it exists, at work between start and shutdown.
type server interface {
	start()
	shutdown(ctx context.Context) error
	// unbind closes a server that was not started.
	unbind() error
	address() net.Addr
}

// jaegerReceiver owns the servers of the configured protocols.
type jaegerReceiver struct {
	cfg       *Config
	set       receiver.Settings
	next      consumer.Traces
	telemetry *metadata.TelemetryBuilder
	servers   map[string]server
}

func newReceiver(cfg *Config, set receiver.Settings, next consumer.Traces) (*jaegerReceiver, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	return &jaegerReceiver{cfg: cfg, set: set, next: next, telemetry: telemetry, servers: map[string]server{}}, nil
}

// Start binds every socket before anything runs. When one cannot be bound, none
// stays open.
func (r *jaegerReceiver) Start(ctx context.Context, host component.Host) error {
	if err := r.bind(ctx, host); err != nil {
		errs := []error{err}
		for _, s := range r.servers {
			errs = append(errs, s.unbind())
		}
		clear(r.servers)
		return fmt.Errorf("jaeger receiver: %w", errors.Join(errs...))
	}
	if err := r.telemetry.RegisterReceiverJaegerQueueBytesCallback(r.observeQueues); err != nil {
		return err
	}
	for _, s := range r.servers {
		s.start()
	}
	return nil
}

func (r *jaegerReceiver) bind(ctx context.Context, host component.Host) error {
	p := &r.cfg.Protocols
	if p.ThriftCompact.HasValue() {
		if err := r.bindUDP(ctx, protocolCompact, *p.ThriftCompact.Get(), newCompactGatherer); err != nil {
			return err
		}
	}
	if p.ThriftBinary.HasValue() {
		if err := r.bindUDP(ctx, protocolBinary, *p.ThriftBinary.Get(), newBinaryGatherer); err != nil {
			return err
		}
	}
	if p.ZipkinCompact.HasValue() {
		if err := r.bindUDP(ctx, protocolZipkin, *p.ZipkinCompact.Get(), newZipkinGatherer); err != nil {
			return err
		}
	}
	if p.ThriftHTTP.HasValue() {
		if err := r.bindHTTP(ctx, host); err != nil {
			return err
		}
	}
	if p.GRPC.HasValue() {
		return r.bindGRPC(ctx, host)
	}
	return nil
}

func (r *jaegerReceiver) bindUDP(ctx context.Context, protocol string, cfg UDPConfig, gatherers func() gatherer) error {
	deliver, err := r.newDelivery(protocol, "udp")
	if err != nil {
		return err
	}
	s, err := bindUDP(ctx, protocol, cfg, gatherers, deliver, r.set.Logger)
	if err != nil {
		return err
	}
	r.servers[protocol] = s
	return nil
}

func (r *jaegerReceiver) newDelivery(protocol, transport string) (*delivery, error) {
	report, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{
		ReceiverID: r.set.ID, Transport: transport, ReceiverCreateSettings: r.set,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", protocol, err)
	}
	return &delivery{
		protocol: protocol, next: r.next, report: report, account: newAccount(r.telemetry, r.set.ID, protocol),
		flush: r.cfg.Flush, retry: r.cfg.Retry, peerAddress: r.cfg.PeerAddress, logger: r.set.Logger,
	}, nil
}

// observeQueues reports the fill of the queues.
func (r *jaegerReceiver) observeQueues(_ context.Context, observer metric.Int64Observer) error {
	for protocol, s := range r.servers {
		if udp, ok := s.(*udpServer); ok {
			observer.Observe(int64(udp.queue.size()), metric.WithAttributes(receiverAttribute(r.set.ID), attribute.String("protocol", protocol)))
		}
	}
	return nil
}

// Shutdown drains all servers side by side, within DrainTimeout or the time that
// ctx leaves, whichever ends first.
func (r *jaegerReceiver) Shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.DrainTimeout)
	defer cancel()
	results := make(chan error)
	for _, s := range r.servers {
		go func() { results <- s.shutdown(ctx) }()
	}
	var errs []error
	for range r.servers {
		errs = append(errs, <-results)
	}
	r.telemetry.Shutdown()
	return errors.Join(errs...)
}
