package jaegerreceiver

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/governor-project/governor/receiver/jaegerreceiver/internal/metadata"
)

// block holds the next component until the test lets go or the receiver gives up.
func block() (refuse func(context.Context, int) error, release func()) {
	gate := make(chan struct{})
	return func(ctx context.Context, _ int) error {
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}, func() { close(gate) }
}

func TestAccountWithAFullQueue(t *testing.T) {
	refuse, release := block()
	next := &sink{refuse: refuse}
	packet := message(t, protocolCompact, "shop", 3)
	r := run(t, quick(protocolCompact, func(c *UDPConfig) {
		c.QueueBytes = max(c.MaxPacketSize, 50*(len(packet)+packetOverhead)) + packetOverhead
	}), next)
	conn := dial(t, r.at(protocolCompact))
	const sent = 5000
	for i := range sent {
		send(t, conn, packet)
		if i%100 == 0 {
			time.Sleep(time.Millisecond) // bounded load
		}
	}
	require.Eventually(t, func() bool { return r.dropped(t, reasonQueueFull) > 0 }, 5*time.Second, time.Millisecond)
	assert.LessOrEqual(t, r.servers[protocolCompact].(*udpServer).queue.size(), r.cfg.Protocols.ThriftCompact.Get().QueueBytes)
	release()
	r.settle(t, sent)
	r.stop(t)
	accepted := r.count(t, "packets_accepted")
	assert.Positive(t, accepted)
	assert.Equal(t, 3*accepted, next.spans())
	assert.Equal(t, 3*accepted, r.count(t, "spans_accepted"))
	assert.Equal(t, sent, accepted+r.dropped(t, reasonQueueFull)+r.dropped(t, reasonKernel))
	assert.Equal(t, sent, r.count(t, "packets_received")+r.dropped(t, reasonKernel))
	assert.Zero(t, r.servers[protocolCompact].(*udpServer).queue.size(), "every byte is released")
}

func TestAccountWhenTheKernelDrops(t *testing.T) {
	next := &sink{}
	// The smallest buffer that the kernel gives holds a handful of packets.
	r := run(t, quick(protocolCompact, func(c *UDPConfig) { c.SocketBufferSize = 1 }), next)
	conn := dial(t, r.at(protocolCompact))
	packet := message(t, protocolCompact, "shop", 1)
	sent := 0
	for deadline := time.Now().Add(5 * time.Second); r.dropped(t, reasonKernel) == 0 && time.Now().Before(deadline); {
		for range 500 {
			send(t, conn, packet)
		}
		sent += 500
	}
	r.settle(t, sent)
	r.stop(t)
	assert.Positive(t, r.dropped(t, reasonKernel))
	assert.Equal(t, sent, r.count(t, "packets_received")+r.dropped(t, reasonKernel))
	assert.Equal(t, next.spans(), r.count(t, "packets_accepted"))
}

func TestAccountOfEverythingAtOnce(t *testing.T) {
	var calls atomic.Int64
	next := &sink{refuse: func(context.Context, int) error {
		if calls.Add(1)%3 == 0 {
			return errors.New("busy")
		}
		return nil
	}}
	cfg := quick(protocolCompact, func(c *UDPConfig) { c.MaxPacketSize = 2000; c.QueueSize = 64 })
	cfg.Retry.MaxElapsedTime = 0
	cfg.Flush.MaxSpans = 8
	r := run(t, cfg, next)
	conn := dial(t, r.at(protocolCompact))
	good := message(t, protocolCompact, "shop", 2)
	sent := 0
	for range 300 {
		send(t, conn, good, good[:10], make([]byte, 3000), good, good)
		sent += 5
	}
	r.settle(t, sent)
	r.stop(t)
	assert.Positive(t, r.dropped(t, reasonUndecodable))
	assert.Positive(t, r.dropped(t, reasonOversized))
	assert.Positive(t, r.dropped(t, reasonRefused))
	assert.Equal(t, next.spans(), r.count(t, "spans_accepted"))
}

// What was received or waits in the socket when the shutdown starts is delivered.
func TestShutdownUnderLoadLosesNothing(t *testing.T) {
	next := &sink{refuse: func(context.Context, int) error { time.Sleep(2 * time.Millisecond); return nil }}
	cfg := quick(protocolCompact, nil)
	cfg.Flush.MaxSpans = 64
	r := run(t, cfg, next)
	conn := dial(t, r.at(protocolCompact))
	packet := message(t, protocolCompact, "shop", 3)
	const sent = 3000
	for range sent {
		send(t, conn, packet)
	}
	r.stop(t)
	kernel := r.dropped(t, reasonKernel)
	assert.Equal(t, sent, r.count(t, "packets_accepted")+kernel)
	assert.Equal(t, 3*(sent-kernel), next.spans())
	assert.Equal(t, kernel, r.count(t, "packets_dropped"))
}

func TestShutdownWithSendersThatGoOn(t *testing.T) {
	next := &sink{}
	r := run(t, quick(protocolCompact, nil), next)
	conn := dial(t, r.at(protocolCompact))
	packet := message(t, protocolCompact, "shop", 1)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = conn.Write(packet)
			}
		}
	}()
	require.Eventually(t, func() bool { return next.spans() > 100 }, 5*time.Second, time.Millisecond)
	start := time.Now()
	r.stop(t)
	assert.Less(t, time.Since(start), 5*time.Second, "an endless stream does not hold the shutdown")
	close(stop)
	<-stopped
	assert.Equal(t, r.count(t, "packets_received"), r.count(t, "packets_accepted")+r.dropped(t, reasonQueueFull))
	assert.Equal(t, next.spans(), r.count(t, "spans_accepted"))
}

func TestShutdownGivesUpAndCountsWhatIsLeft(t *testing.T) {
	refuse, release := block()
	defer release()
	next := &sink{refuse: refuse}
	cfg := quick(protocolCompact, nil)
	cfg.DrainTimeout = 50 * time.Millisecond
	cfg.Flush.MaxSpans = 10
	r := run(t, cfg, next)
	conn := dial(t, r.at(protocolCompact))
	packet := message(t, protocolCompact, "shop", 1)
	const sent = 2000
	for range sent {
		send(t, conn, packet)
	}
	start := time.Now()
	r.stop(t)
	assert.Less(t, time.Since(start), 5*time.Second)
	assert.Zero(t, next.spans())
	assert.Positive(t, r.dropped(t, reasonShutdown))
	assert.Equal(t, sent, r.dropped(t, reasonShutdown)+r.dropped(t, reasonKernel))
	assert.Zero(t, r.servers[protocolCompact].(*udpServer).queue.size())
}

func TestReceiversOfAProcessAreToldApartInMetrics(t *testing.T) {
	telemetry := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, telemetry.Shutdown(context.Background())) })
	packet := message(t, protocolCompact, "shop", 1)
	var rigs []*rig
	for _, id := range []component.ID{component.NewID(metadata.Type), component.NewIDWithName(metadata.Type, "bridge")} {
		set := receivertest.NewNopSettings(metadata.Type)
		set.ID, set.TelemetrySettings = id, telemetry.NewTelemetrySettings()
		r, err := newReceiver(quick(protocolCompact, nil), set, &sink{})
		require.NoError(t, err)
		require.NoError(t, r.Start(context.Background(), componenttest.NewNopHost()))
		rigs = append(rigs, &rig{r, telemetry})
	}
	send(t, dial(t, rigs[0].at(protocolCompact)), packet)
	send(t, dial(t, rigs[1].at(protocolCompact)), packet, packet)
	rigs[0].settle(t, 3)
	assert.Equal(t, 1, rigs[0].count(t, "packets_accepted", "receiver", "jaeger"))
	assert.Equal(t, 2, rigs[0].count(t, "packets_accepted", "receiver", "jaeger/bridge"))
	queues, err := telemetry.GetMetric("otelcol_receiver_jaeger_queue_bytes")
	require.NoError(t, err)
	assert.Len(t, queues.Data.(metricdata.Gauge[int64]).DataPoints, 2)
	for _, r := range rigs {
		r.stop(t)
	}
}
