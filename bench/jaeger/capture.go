package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"time"

	"github.com/opentracing/opentracing-go"
	"github.com/opentracing/opentracing-go/ext"
	"github.com/opentracing/opentracing-go/log"
	client "github.com/uber/jaeger-client-go"
)

const (
	// wantedPackets is how many different packets a set has.
	wantedPackets = 48
	// captureRounds is how often the client's packet size may be corrected.
	captureRounds = 12
	// captureWait is how long a packet may take from the client to the socket.
	captureWait = 300 * time.Millisecond
	// captureBuffer holds a whole set in the socket.
	captureBuffer = 4 << 20
	// probeSpans are enough for two packets of firstPacketSize.
	probeSpans = 60
	// clientReserve is about what the client keeps free for the message around a batch.
	// Source: emitBatchOverhead of github.com/uber/jaeger-client-go, less what a message has.
	clientReserve = 40
	// firstPacketSize is a client packet size that holds some spans of any set.
	firstPacketSize = 4000
)

// capturePackets runs the real jaeger-client-go against a local socket and
// returns packets that hold exactly spans spans each. It finds the client's
// maximal packet size for that by trying.
func capturePackets(spans int) ([]packet, error) {
	size := firstPacketSize
	for range captureRounds {
		probe, err := runClient(size, max(3*spans, probeSpans), 2)
		if err != nil {
			return nil, err
		}
		full := probe[len(probe)-1]
		each := len(full.data) / full.spans
		// Half a span more, so that no packet misses its last span by a few bytes.
		size = len(full.data) + clientReserve + (spans-full.spans)*each + each/2
		if size > maxDatagram {
			return nil, fmt.Errorf("%d spans do not fit into a packet of %d bytes", spans, maxDatagram)
		}
		if full.spans == spans {
			all, err := runClient(size, spans*(wantedPackets+1), wantedPackets)
			if err != nil {
				return nil, err
			}
			return alike(all, spans)
		}
	}
	return nil, fmt.Errorf("no packet size of the client gives %d spans a packet", spans)
}

// alike keeps the packets with exactly spans spans.
func alike(packets []packet, spans int) ([]packet, error) {
	var kept []packet
	for _, p := range packets {
		if p.spans == spans {
			kept = append(kept, p)
		}
	}
	if len(kept) < wantedPackets/2 {
		return nil, fmt.Errorf("only %d of %d packets have %d spans", len(kept), len(packets), spans)
	}
	return kept, nil
}

// runClient lets a client with that maximal packet size finish some spans, and
// returns its first packets.
func runClient(packetSize, spans, packets int) ([]packet, error) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetReadBuffer(captureBuffer); err != nil {
		return nil, err
	}
	transport, err := client.NewUDPTransport(conn.LocalAddr().String(), packetSize)
	if err != nil {
		return nil, err
	}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		finishSpans(transport, spans)
	}()
	got, err := readDatagrams(conn, packets)
	<-finished
	return got, err
}

func readDatagrams(conn *net.UDPConn, packets int) ([]packet, error) {
	var got []packet
	buffer := make([]byte, maxDatagram)
	for len(got) < packets {
		if err := conn.SetReadDeadline(time.Now().Add(captureWait)); err != nil {
			return nil, err
		}
		n, err := conn.Read(buffer)
		if errors.Is(err, os.ErrDeadlineExceeded) && len(got) > 0 {
			return got, nil
		}
		if err != nil {
			return nil, fmt.Errorf("packet %d of the client: %w", len(got), err)
		}
		data := bytes.Clone(buffer[:n])
		batch, err := newThriftReader().batch(data)
		if err != nil {
			return nil, fmt.Errorf("packet %d of the client: %w", len(got), err)
		}
		got = append(got, packet{spans: len(batch.Spans), data: data})
	}
	return got, nil
}

// finishSpans finishes server spans of 5 tags and 2 logs below a span that stays
// open, as a service that answers requests does.
func finishSpans(transport client.Transport, spans int) {
	reporter := client.NewRemoteReporter(transport,
		client.ReporterOptions.BufferFlushInterval(time.Hour), client.ReporterOptions.QueueSize(spans))
	// The same IDs in each run, since their size on the wire depends on their value.
	random := rand.New(rand.NewPCG(6831, 1))
	tracer, closer := client.NewTracer("frontend", client.NewConstSampler(true), reporter,
		client.TracerOptions.RandomNumber(random.Uint64),
		client.TracerOptions.Gen128Bit(true), client.TracerOptions.HighTraceIDGenerator(random.Uint64))
	parent := tracer.StartSpan("session")
	for range spans {
		span := tracer.StartSpan("GET /dispatch", opentracing.ChildOf(parent.Context()))
		ext.SpanKindRPCServer.Set(span)
		ext.HTTPMethod.Set(span, "GET")
		ext.HTTPUrl.Set(span, "/dispatch?customer=731")
		ext.HTTPStatusCode.Set(span, 200)
		ext.Component.Set(span, "net/http")
		span.LogFields(log.Event("HTTP request received"), log.String("level", "info"))
		span.LogFields(log.Event("found driver"), log.Int("driver", 42))
		span.Finish()
	}
	_ = closer.Close() // sends what is left; it always answers nil
}
