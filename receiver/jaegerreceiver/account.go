package jaegerreceiver

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/governor-project/governor/receiver/jaegerreceiver/internal/metadata"
)

// The protocols, as they are called in the configuration, in metrics and in errors.
const (
	protocolCompact = "thrift_compact"
	protocolBinary  = "thrift_binary"
	protocolZipkin  = "zipkin_compact"
	protocolHTTP    = "thrift_http"
	protocolGRPC    = "grpc"
)

// peerAttribute names the address that a resource's spans came from.
const peerAttribute = "network.peer.address"

// reason says why a packet was dropped. The set is closed.
type reason int

const (
	reasonQueueFull reason = iota
	reasonOversized
	reasonUndecodable
	reasonRefused
	reasonKernel
	reasonShutdown
	reasons
)

func (r reason) String() string {
	return [reasons]string{"queue_full", "oversized", "undecodable", "refused", "kernel", "shutdown"}[r]
}

// account counts the packets of one protocol. Every packet that is received ends
// in exactly one of accepted and dropped; packets that the kernel dropped were
// not received.
type account struct {
	telemetry *metadata.TelemetryBuilder
	protocol  []metric.AddOption
	reasons   [reasons][]metric.AddOption
}

// receiverAttribute tells the receivers of a process apart.
func receiverAttribute(id component.ID) attribute.KeyValue {
	return attribute.String("receiver", id.String())
}

func newAccount(telemetry *metadata.TelemetryBuilder, receiver component.ID, protocol string) *account {
	id, name := receiverAttribute(receiver), attribute.String("protocol", protocol)
	set := func(attrs ...attribute.KeyValue) []metric.AddOption {
		return []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attrs...))}
	}
	a := &account{telemetry: telemetry, protocol: set(id, name)}
	for r := range reasons {
		a.reasons[r] = set(id, name, attribute.String("reason", r.String()))
	}
	return a
}

func (a *account) received(packets, bytes int) {
	a.telemetry.ReceiverJaegerPacketsReceived.Add(context.Background(), int64(packets), a.protocol...)
	a.telemetry.ReceiverJaegerBytesReceived.Add(context.Background(), int64(bytes), a.protocol...)
}

func (a *account) accepted(packets, spans int) {
	a.telemetry.ReceiverJaegerPacketsAccepted.Add(context.Background(), int64(packets), a.protocol...)
	a.telemetry.ReceiverJaegerSpansAccepted.Add(context.Background(), int64(spans), a.protocol...)
}

func (a *account) dropped(packets int, why reason) {
	if packets > 0 {
		a.telemetry.ReceiverJaegerPacketsDropped.Add(context.Background(), int64(packets), a.reasons[why]...)
	}
}
