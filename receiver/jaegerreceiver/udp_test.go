package jaegerreceiver

import (
	"bytes"
	"context"
	"errors"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer/consumererror"
)

func TestBothUDPProtocolsDeliver(t *testing.T) {
	for _, protocol := range []string{protocolCompact, protocolBinary} {
		t.Run(protocol, func(t *testing.T) {
			next := &sink{}
			r := run(t, quick(protocol, nil), next)
			conn := dial(t, r.at(protocol))
			packet := message(t, protocol, "shop", 3)
			send(t, conn, packet)
			require.Eventually(t, func() bool { return next.spans() == 3 }, 5*time.Second, time.Millisecond)
			send(t, conn, packet, packet)
			require.Eventually(t, func() bool { return next.spans() == 9 }, 5*time.Second, time.Millisecond)
			r.stop(t)

			assert.Equal(t, map[string]any{"service.name": "shop", "network.peer.address": "127.0.0.1"},
				next.traces[0].ResourceSpans().At(0).Resource().Attributes().AsRaw())
			assert.Equal(t, "127.0.0.1", next.peers[0].String(), "client.Info has the only peer")
			assert.Equal(t, 3, r.count(t, "packets_received", "protocol", protocol))
			assert.Equal(t, 3*len(packet), r.count(t, "bytes_received", "protocol", protocol))
			assert.Equal(t, 3, r.count(t, "packets_accepted", "protocol", protocol))
			assert.Equal(t, 9, r.count(t, "spans_accepted", "protocol", protocol))
			assert.Zero(t, r.count(t, "packets_dropped"))
		})
	}
}

func TestPeersAreToldApart(t *testing.T) {
	next := &sink{}
	cfg := quick(protocolCompact, nil)
	cfg.Flush.Interval = 200 * time.Millisecond
	r := run(t, cfg, next)
	to, err := net.ResolveUDPAddr("udp", r.at(protocolCompact))
	require.NoError(t, err)
	packet := message(t, protocolCompact, "shop", 1)
	for _, ip := range []string{"127.0.0.2", "127.0.0.3", "127.0.0.2"} {
		conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)}, to)
		require.NoError(t, err)
		send(t, conn, packet)
		require.NoError(t, conn.Close())
	}
	r.settle(t, 3)
	r.stop(t)
	require.Len(t, next.traces, 1, "gathered into one flush")
	assert.Nil(t, next.peers[0], "several peers have no common address")
	resources := next.traces[0].ResourceSpans()
	require.Equal(t, 2, resources.Len())
	spans := map[string]int{}
	for _, rs := range resources.All() {
		peer, _ := rs.Resource().Attributes().Get("network.peer.address")
		spans[peer.Str()] = rs.ScopeSpans().At(0).Spans().Len()
	}
	assert.Equal(t, map[string]int{"127.0.0.2": 2, "127.0.0.3": 1}, spans)
}

// A socket for all addresses is an IPv6 one that takes IPv4 too.
func TestAllAddresses(t *testing.T) {
	next := &sink{}
	r := run(t, quick(protocolCompact, func(c *UDPConfig) { c.Endpoint = ":0" }), next)
	_, port, err := net.SplitHostPort(r.at(protocolCompact))
	require.NoError(t, err)
	packet := message(t, protocolCompact, "shop", 1)
	for i, ip := range []string{"127.0.0.1", "::1"} {
		send(t, dial(t, net.JoinHostPort(ip, port)), packet)
		r.settle(t, i+1)
		assert.Equal(t, ip, next.peers[i].String(), "not in the form ::ffff:127.0.0.1")
	}
	r.stop(t)
}

func TestSmallReceiveBuffersGatherForAShorterTime(t *testing.T) {
	for size, want := range map[int]time.Duration{
		16 << 20: 5 * time.Millisecond, // what the kernel reports for the default
		425984:   924444 * time.Nanosecond,
		2304:     0,
	} {
		s := &udpSocket{buffer: size}
		assert.InDelta(t, want, min(defaultFlushInterval, s.safePause()), float64(10*time.Microsecond))
	}
}

func TestPeerAddressCanBeSwitchedOff(t *testing.T) {
	next := &sink{}
	cfg := quick(protocolCompact, nil)
	cfg.PeerAddress = false
	r := run(t, cfg, next)
	send(t, dial(t, r.at(protocolCompact)), message(t, protocolCompact, "shop", 1))
	r.settle(t, 1)
	r.stop(t)
	assert.Equal(t, map[string]any{"service.name": "shop"}, next.traces[0].ResourceSpans().At(0).Resource().Attributes().AsRaw())
	assert.Equal(t, "127.0.0.1", next.peers[0].String())
}

func TestBadPacketsCostOnePacketEach(t *testing.T) {
	next := &sink{}
	r := run(t, quick(protocolCompact, func(c *UDPConfig) { c.MaxPacketSize = 1000 }), next)
	conn := dial(t, r.at(protocolCompact))
	good := message(t, protocolCompact, "shop", 2)
	zipkin := bytes.Replace(good, []byte("\x09emitBatch"), []byte("\x0femitZipkinBatch"), 1)
	send(t, conn, good, good[:len(good)-1], zipkin, nil, make([]byte, 1001), make([]byte, 20000), []byte("garbage"),
		[]byte("\x82\x81\x01\x09emitBatch\x1c\x1c\x18\x00\x00\x19\xfc\xff\xff\xff\x7f"), good)
	r.settle(t, 9)
	r.stop(t)
	assert.Equal(t, 4, next.spans())
	assert.Equal(t, 2, r.count(t, "packets_accepted"))
	assert.Equal(t, 5, r.dropped(t, reasonUndecodable))
	assert.Equal(t, 2, r.dropped(t, reasonOversized))
}

func TestAPacketOfExactlyTheLargestSizeIsTaken(t *testing.T) {
	packet := message(t, protocolCompact, "shop", 20)
	next := &sink{}
	r := run(t, quick(protocolCompact, func(c *UDPConfig) { c.MaxPacketSize = len(packet) }), next)
	send(t, dial(t, r.at(protocolCompact)), packet)
	r.settle(t, 1)
	r.stop(t)
	assert.Equal(t, 20, next.spans())
}

func TestASecondReceiverOnThePortFailsCleanly(t *testing.T) {
	first := run(t, quick(protocolBinary, nil), &sink{})
	defer first.stop(t)
	taken := first.at(protocolBinary)

	free, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	address := free.LocalAddr().String()
	require.NoError(t, free.Close())

	cfg := quick(protocolCompact, func(c *UDPConfig) { c.Endpoint = address })
	cfg.Protocols.ThriftBinary = configoptional.Some(defaultUDP(taken))
	second := build(t, cfg, &sink{})
	before := runtime.NumGoroutine()
	err = second.Start(context.Background(), componenttest.NewNopHost())
	require.EqualError(t, err, "jaeger receiver: thrift_binary: listen on udp "+taken+
		": listen udp "+taken+": bind: address already in use")
	assert.Equal(t, before, runtime.NumGoroutine(), "nothing runs")
	again, err := net.ListenPacket("udp", address)
	require.NoError(t, err, "the socket that could be bound is closed again")
	require.NoError(t, again.Close())
	second.stop(t)
}

func TestRetryableErrorsAreRetried(t *testing.T) {
	next := &sink{refuse: func(_ context.Context, call int) error {
		if call <= 2 {
			return errors.New("busy")
		}
		return nil
	}}
	r := run(t, quick(protocolCompact, nil), next)
	send(t, dial(t, r.at(protocolCompact)), message(t, protocolCompact, "shop", 2))
	r.settle(t, 1)
	r.stop(t)
	assert.Equal(t, 3, next.attempts())
	assert.Equal(t, 2, next.spans())
	assert.Equal(t, 1, r.count(t, "packets_accepted"))
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		refuse func(context.Context, int) error
		least  int
		most   int
	}{
		"for good":   {func(context.Context, int) error { return consumererror.NewPermanent(errors.New("never")) }, 1, 1},
		"again":      {func(context.Context, int) error { return errors.New("busy") }, 2, 100},
		"by a panic": {func(context.Context, int) error { panic("boom") }, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			next := &sink{refuse: c.refuse}
			r := run(t, quick(protocolCompact, nil), next)
			packet := message(t, protocolCompact, "shop", 2)
			send(t, dial(t, r.at(protocolCompact)), packet)
			r.settle(t, 1)
			assert.Equal(t, 1, r.dropped(t, reasonRefused))
			assert.GreaterOrEqual(t, next.attempts(), c.least)
			assert.LessOrEqual(t, next.attempts(), c.most)

			next.mu.Lock()
			next.refuse = nil
			next.mu.Unlock()
			send(t, dial(t, r.at(protocolCompact)), packet)
			r.settle(t, 2)
			assert.Equal(t, 1, r.count(t, "packets_accepted"), "the receiver goes on")
			r.stop(t)
		})
	}
}
