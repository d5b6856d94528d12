package jaegerreceiver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/agent"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/zipkincore"
	jaegertranslator "github.com/open-telemetry/opentelemetry-collector-contrib/pkg/translator/jaeger"
	zipkinconverter "github.com/open-telemetry/opentelemetry-collector-contrib/pkg/translator/zipkin/zipkinthriftconverter"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// emitZipkinBatch is the one method of agent.thrift's Agent service that carries
// Zipkin spans.
// Source: https://github.com/jaegertracing/jaeger-idl/blob/main/thrift/agent.thrift
const emitZipkinBatch = "emitZipkinBatch"

// zipkinGatherer gathers emitZipkinBatch messages of the compact protocol. What a
// Zipkin span means is decided by the converter that Jaeger's own collector used.
type zipkinGatherer struct {
	traces  ptrace.Traces
	spans   int
	packets int
}

func newZipkinGatherer() gatherer { return &zipkinGatherer{traces: ptrace.NewTraces()} }

func (g *zipkinGatherer) Spans() int { return g.spans }

func (g *zipkinGatherer) Packets() int { return g.packets }

func (g *zipkinGatherer) Take() ptrace.Traces {
	taken := g.traces
	*g = zipkinGatherer{traces: ptrace.NewTraces()}
	return taken
}

func (g *zipkinGatherer) add(data, peer string) error {
	traces, err := decodeZipkin([]byte(data))
	if err != nil {
		return fmt.Errorf("zipkin thrift: %w", err)
	}
	if peer != "" {
		for _, rs := range traces.ResourceSpans().All() {
			rs.Resource().Attributes().PutStr(peerAttribute, peer)
		}
	}
	g.packets++
	g.spans += traces.SpanCount()
	traces.ResourceSpans().MoveAndAppendTo(g.traces.ResourceSpans())
	return nil
}

// decodeZipkin reads a whole emitZipkinBatch message. Bytes behind it are ignored,
// as the thrift libraries do. A crash of the libraries below costs the packet only.
func decodeZipkin(packet []byte) (traces ptrace.Traces, err error) {
	defer func() {
		if crash := recover(); crash != nil {
			err = fmt.Errorf("cannot translate the batch: %v", crash)
		}
	}()
	ctx, protocol := context.Background(), newBoundedCompact(packet)
	method, kind, _, err := protocol.ReadMessageBegin(ctx)
	switch {
	case err != nil:
		return traces, err
	case method != emitZipkinBatch:
		return traces, fmt.Errorf("method %.40q is not %s", method, emitZipkinBatch)
	case kind != thrift.CALL && kind != thrift.ONEWAY:
		return traces, fmt.Errorf("message type %d is neither a call nor oneway", kind)
	}
	var args agent.AgentEmitZipkinBatchArgs
	if err := args.Read(ctx, protocol); err != nil {
		return traces, err
	}
	if args.Spans == nil {
		return traces, errors.New("missing field: emitZipkinBatch.spans")
	}
	batch := &model.Batch{}
	for _, span := range args.Spans {
		if blank(span) {
			continue
		}
		span.BinaryAnnotations = slices.DeleteFunc(span.BinaryAnnotations, nameless)
		// The converter always gives spans; its error tells of a span without a
		// service name, which gets a stand-in.
		converted, _ := zipkinconverter.ToDomainSpan(span)
		batch.Spans = append(batch.Spans, converted...)
	}
	return jaegertranslator.ProtoToTraces([]*model.Batch{batch})
}

// blank and nameless things say nothing and take one byte to write: a packet of
// them would become a thousand times its size. Blank spans are left out, as those
// of Jaeger's thrift are, and so are tags without a key.
func blank(span *zipkincore.Span) bool {
	return span.TraceID == 0 && span.TraceIDHigh == nil && span.ID == 0 && span.Name == "" &&
		span.Timestamp == nil && len(span.Annotations) == 0 && len(span.BinaryAnnotations) == 0
}

func nameless(tag *zipkincore.BinaryAnnotation) bool { return tag.Key == "" && tag.Host == nil }

// boundedCompact is the thrift library's reader of the compact protocol, which
// believes declared sizes. This one holds each against the bytes that are left
// before anybody allocates for it.
type boundedCompact struct {
	*thrift.TCompactProtocol
	left *bytes.Buffer
}

func newBoundedCompact(packet []byte) boundedCompact {
	memory := &thrift.TMemoryBuffer{Buffer: bytes.NewBuffer(packet)}
	limits := &thrift.TConfiguration{MaxMessageSize: int32(max(1, len(packet)))}
	return boundedCompact{thrift.NewTCompactProtocolConf(memory, limits), memory.Buffer}
}

// fits fails when so many elements, each of at least one byte, cannot follow.
func (p boundedCompact) fits(what string, n int, err error) error {
	if err == nil && (n < 0 || n > p.left.Len()) {
		return fmt.Errorf("%s of %d elements in %d bytes", what, n, p.left.Len())
	}
	return err
}

// ReadListBegin reads the header of a list.
func (p boundedCompact) ReadListBegin(ctx context.Context) (thrift.TType, int, error) {
	element, n, err := p.TCompactProtocol.ReadListBegin(ctx)
	return element, n, p.fits("list", n, err)
}

// ReadSetBegin reads the header of a set.
func (p boundedCompact) ReadSetBegin(ctx context.Context) (thrift.TType, int, error) {
	element, n, err := p.TCompactProtocol.ReadSetBegin(ctx)
	return element, n, p.fits("set", n, err)
}

// ReadMapBegin reads the header of a map.
func (p boundedCompact) ReadMapBegin(ctx context.Context) (key, value thrift.TType, n int, err error) {
	key, value, n, err = p.TCompactProtocol.ReadMapBegin(ctx)
	return key, value, n, p.fits("map", n, err)
}

// ReadString reads a string.
func (p boundedCompact) ReadString(ctx context.Context) (string, error) {
	value, err := p.ReadBinary(ctx)
	return string(value), err
}

// maxLengthBytes is what the 32 bits of a length take at 7 bits a byte.
const maxLengthBytes = 5

// ReadBinary reads bytes; they share the packet's memory. The library's own takes
// at least 512 bytes for a value of one.
func (p boundedCompact) ReadBinary(context.Context) ([]byte, error) {
	var n uint64
	for i := range maxLengthBytes {
		b, err := p.left.ReadByte()
		if err != nil {
			return nil, err
		}
		n |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			if n > uint64(p.left.Len()) {
				return nil, fmt.Errorf("string of %d bytes in %d bytes", n, p.left.Len())
			}
			return p.left.Next(int(n)), nil
		}
	}
	return nil, errors.New("length of more than 32 bits")
}

// Skip steps over a value with this reader's bounds.
func (p boundedCompact) Skip(ctx context.Context, kind thrift.TType) error {
	return thrift.SkipDefaultDepth(ctx, p, kind)
}
