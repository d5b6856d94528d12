package main

import (
	"testing"

	"github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCapturedPackets(t *testing.T) {
	for _, size := range packetSizes() {
		packets, err := capturePackets(size)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, len(packets), wantedPackets/2)
		for _, p := range packets {
			assert.Equal(t, size, p.spans)
			batch, err := newThriftReader().batch(p.data)
			require.NoError(t, err)
			checkBatch(t, batch, size)
		}
	}
}

// checkBatch looks for what the benchmark promises of a span.
func checkBatch(t *testing.T, batch *jaeger.Batch, spans int) {
	t.Helper()
	require.Len(t, batch.Spans, spans)
	assert.Equal(t, "frontend", batch.Process.ServiceName)
	for _, span := range batch.Spans {
		require.Len(t, span.Tags, 5)
		require.Len(t, span.Logs, 2)
		require.Len(t, span.Logs[0].Fields, 2)
		require.NotZero(t, span.TraceIdHigh)
		require.NotEmpty(t, span.References)
	}
}

func TestTooManySpansForAPacket(t *testing.T) {
	_, err := capturePackets(1000)
	require.EqualError(t, err, "1000 spans do not fit into a packet of 65507 bytes")
}

func TestAlike(t *testing.T) {
	packets := make([]packet, wantedPackets)
	for i := range packets {
		packets[i].spans = 3 + i%2
	}
	kept, err := alike(packets, 3)
	require.NoError(t, err)
	assert.Len(t, kept, wantedPackets/2)
	_, err = alike(packets, 5)
	require.EqualError(t, err, "only 0 of 48 packets have 5 spans")
}

func TestDecodersAgree(t *testing.T) {
	packets, err := capturePackets(19)
	require.NoError(t, err)
	for name, decode := range decoders() {
		for range 2 { // decoders are used again
			for _, p := range packets {
				traces, err := decode(p.data)
				require.NoError(t, err, name)
				require.Equal(t, p.spans, traces.SpanCount(), name)
			}
		}
		_, err = decode(packets[0].data[:40])
		require.Error(t, err, name)
	}
}
