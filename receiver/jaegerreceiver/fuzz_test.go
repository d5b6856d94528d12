package jaegerreceiver

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"github.com/jaegertracing/jaeger-idl/thrift-gen/zipkincore"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
)

// A Zipkin packet of n bytes may cost at most zipkinFixedCost + n*zipkinCostPerByte
// bytes of heap. The dearest valid thing is a span of three bytes, an ID and
// nothing else: the thrift struct, Jaeger's model of it and the span in pdata.
const (
	zipkinFixedCost   = 32 << 10
	zipkinCostPerByte = 512
)

// An HTTP body of n bytes may cost at most httpFixedCost + n*httpCostPerByte bytes
// of heap: the decoder's, and reading the body in growing pieces.
const (
	httpFixedCost   = 64 << 10
	httpCostPerByte = 112
)

// allocated is what a call takes from the heap.
func allocated(call func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func FuzzZipkinCompact(f *testing.F) {
	f.Add(zipkinMessage(f, zipkinSpan("shop", 3), zipkinSpan("db", 4)))
	f.Add(zipkinMessage(f, make([]*zipkincore.Span, 0)...))
	f.Add(jaegerClientZipkinPacket(f, "shop"))
	f.Fuzz(func(t *testing.T, packet []byte) {
		g := newZipkinGatherer()
		var err error
		cost := allocated(func() { err = g.add(string(packet), "192.0.2.1") })
		if limit := uint64(zipkinFixedCost + zipkinCostPerByte*len(packet)); cost > limit {
			t.Fatalf("%d bytes cost %d bytes of heap, more than %d", len(packet), cost, limit)
		}
		if err != nil {
			require.Zero(t, g.Packets())
			require.Zero(t, g.Take().ResourceSpans().Len(), "a refused packet leaves nothing")
			return
		}
		require.Equal(t, 1, g.Packets())
		spans := g.Spans()
		require.Equal(t, spans, g.Take().SpanCount())
		_, err = zipkinOracle(packet)
		require.NoError(t, err, "accepted here, refused by the thrift library")
	})
}

func FuzzHTTPBody(f *testing.F) {
	f.Add(message(f, protocolHTTP, "shop", 3), true)
	f.Add(message(f, protocolHTTP, "shop", 40), true)
	f.Add([]byte{}, false)
	for _, c := range corpus(f) {
		f.Add(c.packet, c.protocol == protocolHTTP)
	}
	next := &sink{}
	r := build(f, quick(protocolHTTP, nil), next)
	require.NoError(f, r.bindHTTP(context.Background(), componenttest.NewNopHost()))
	s := r.servers[protocolHTTP].(*httpServer)
	require.NoError(f, s.unbind())
	f.Fuzz(func(t *testing.T, body []byte, thrift bool) {
		request := httptest.NewRequest(http.MethodPost, "/api/traces", bytes.NewReader(body))
		if thrift {
			request.Header.Set("Content-Type", "application/x-thrift")
		}
		answer := httptest.NewRecorder()
		next.traces, next.peers = nil, nil
		cost := allocated(func() { s.post(answer, request) })
		if limit := uint64(httpFixedCost + httpCostPerByte*len(body)); cost > limit {
			t.Fatalf("%d bytes cost %d bytes of heap, more than %d", len(body), cost, limit)
		}
		if answer.Code == http.StatusAccepted {
			require.True(t, thrift)
			require.Len(t, next.traces, 1)
			return
		}
		require.Equal(t, http.StatusBadRequest, answer.Code)
		require.NotEmpty(t, answer.Body.String(), "the sender learns why")
		require.Empty(t, next.traces)
	})
}
