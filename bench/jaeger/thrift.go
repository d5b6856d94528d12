package main

import (
	"context"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/agent"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
)

// thriftReader decodes packets with the Apache Thrift library, as contrib's
// receiver does: the protocol and its buffer are used again and again.
type thriftReader struct {
	buffer   *thrift.TMemoryBuffer
	protocol thrift.TProtocol
}

func newThriftReader() *thriftReader {
	buffer := thrift.NewTMemoryBufferLen(maxDatagram)
	return &thriftReader{buffer: buffer, protocol: thrift.NewTCompactProtocolConf(buffer, nil)}
}

// batch reads one emitBatch message. After an error the reader is spoiled.
func (r *thriftReader) batch(packet []byte) (*jaeger.Batch, error) {
	ctx := context.Background()
	r.buffer.Reset()
	r.buffer.Buffer.Write(packet)
	if _, _, _, err := r.protocol.ReadMessageBegin(ctx); err != nil {
		return nil, err
	}
	args := agent.NewAgentEmitBatchArgs()
	if err := args.Read(ctx, r.protocol); err != nil {
		return nil, err
	}
	return args.GetBatch(), r.protocol.ReadMessageEnd(ctx)
}
