package main

import (
	"context"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uber/jaeger-client-go/thrift"
	"github.com/uber/jaeger-client-go/thrift-gen/agent"
	jaegerthrift "github.com/uber/jaeger-client-go/thrift-gen/jaeger"
	"github.com/uber/jaeger-client-go/thrift-gen/zipkincore"
)

// collector implements the agent's thrift service over one UDP socket.
type collector struct {
	mu      sync.Mutex
	batches []*jaegerthrift.Batch
}

func (c *collector) EmitBatch(_ context.Context, b *jaegerthrift.Batch) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.batches = append(c.batches, b)
	return nil
}

func (c *collector) EmitZipkinBatch(context.Context, []*zipkincore.Span) error { return nil }

func startCollector(t *testing.T) (port int, got func() []*jaegerthrift.Batch) {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	c := &collector{}
	processor := agent.NewAgentProcessor(c)
	var reader sync.WaitGroup
	reader.Go(func() {
		buf := make([]byte, 65536)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			memory := thrift.NewTMemoryBufferLen(n)
			memory.Write(buf[:n])
			protocol := thrift.NewTCompactProtocolFactoryConf(nil).GetProtocol(memory)
			_, _ = processor.Process(context.Background(), protocol, protocol)
		}
	})
	t.Cleanup(func() { conn.Close(); reader.Wait() })
	return conn.LocalAddr().(*net.UDPAddr).Port, func() []*jaegerthrift.Batch {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.batches
	}
}

func TestRequestSendsNestedSpansFromTheIntendedArrival(t *testing.T) {
	port, got := startCollector(t)
	t.Setenv(envAgentHost, "127.0.0.1")
	t.Setenv(envAgentPort, strconv.Itoa(port))
	t.Setenv(envServiceName, "shop")
	t.Setenv(envGUID, "hotrod-0123456789ab")

	tr, err := newTracing(10 * time.Millisecond)
	require.NoError(t, err)
	b, err := calibrate()
	require.NoError(t, err)
	intended := time.Now().Add(-time.Second) // it waited for a second
	require.NoError(t, tr.serve(&request{intended: intended}, time.Millisecond, b))
	tr.close()
	tr.close() // twice is harmless

	spans := func() (all []*jaegerthrift.Span) {
		for _, b := range got() { // a slow machine sends them in several packets
			all = append(all, b.Spans...)
		}
		return all
	}
	require.Eventually(t, func() bool { return len(spans()) == 5 }, 5*time.Second, 5*time.Millisecond)
	batch := got()[0]
	assert.Equal(t, "shop", batch.Process.ServiceName)
	tags := map[string]string{}
	for _, tag := range batch.Process.Tags {
		tags[tag.Key] = tag.GetVStr()
	}
	assert.Equal(t, "hotrod-0123456789ab", tags[guidTag])

	byName := map[string]*jaegerthrift.Span{}
	for _, s := range spans() {
		byName[s.OperationName] = s
	}
	require.Len(t, byName, 5)
	root := byName["request"]
	assert.Zero(t, root.ParentSpanId)
	assert.Equal(t, intended.UnixMicro(), root.StartTime)
	assert.GreaterOrEqual(t, root.Duration, int64(1_001_000), "the wait and the work")
	parents := map[string]string{"authorize": "request", "compute": "request", "lookup": "compute", "render": "request"}
	for name, parent := range parents {
		assert.Equal(t, byName[parent].SpanId, byName[name].ParentSpanId, "parent of %s", name)
		assert.Equal(t, root.TraceIdLow, byName[name].TraceIdLow)
	}
	sent, lost := tr.counts()
	assert.EqualValues(t, 5, sent)
	assert.Zero(t, lost)
}

func TestWithoutAgentNothingIsSent(t *testing.T) {
	t.Setenv(envAgentHost, "")
	tr, err := newTracing(time.Second)
	require.NoError(t, err)
	defer tr.close()
	b, err := calibrate()
	require.NoError(t, err)
	require.NoError(t, tr.serve(&request{intended: time.Now()}, time.Millisecond, b))
	sent, lost := tr.counts()
	assert.Zero(t, sent)
	assert.Zero(t, lost)
}

func TestUnusableAgentAddressIsAnError(t *testing.T) {
	t.Setenv(envAgentHost, "127.0.0.1")
	t.Setenv(envAgentPort, "no-port")
	_, err := newTracing(time.Second)
	require.Error(t, err)
	assert.True(t, strings.HasPrefix(err.Error(), "send spans to 127.0.0.1:no-port: "), err.Error())
}
