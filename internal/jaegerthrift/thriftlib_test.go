package jaegerthrift

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/agent"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	contrib "github.com/open-telemetry/opentelemetry-collector-contrib/pkg/translator/jaeger"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// wire is one of the ways in which a batch travels, written by the Apache Thrift
// library and read by this package.
type wire struct {
	name     string
	protocol func(thrift.TTransport) thrift.TProtocol
	bare     bool
	decode   func(*Decoder, []byte, ptrace.Traces) (int, error)
}

func wires() []wire {
	yes, no := true, false
	strict := &thrift.TConfiguration{TBinaryStrictWrite: &yes}
	old := &thrift.TConfiguration{TBinaryStrictWrite: &no}
	compact := func(t thrift.TTransport) thrift.TProtocol { return thrift.NewTCompactProtocolConf(t, nil) }
	binary := func(c *thrift.TConfiguration) func(thrift.TTransport) thrift.TProtocol {
		return func(t thrift.TTransport) thrift.TProtocol { return thrift.NewTBinaryProtocolConf(t, c) }
	}
	return []wire{
		{"compact", compact, false, (*Decoder).AppendCompact},
		{"binary strict", binary(strict), false, (*Decoder).AppendBinary},
		{"binary old", binary(old), false, (*Decoder).AppendBinary},
		{"bare batch", binary(strict), true, (*Decoder).AppendBatch},
	}
}

func (w wire) encode(t testing.TB, batch *jaeger.Batch) []byte {
	t.Helper()
	return w.encodeAs(t, batch, emitBatch, thrift.ONEWAY)
}

func (w wire) encodeAs(t testing.TB, batch *jaeger.Batch, method string, kind thrift.TMessageType) []byte {
	t.Helper()
	ctx := context.Background()
	buffer := thrift.NewTMemoryBufferLen(1024)
	p := w.protocol(buffer)
	if w.bare {
		require.NoError(t, batch.Write(ctx, p))
	} else {
		require.NoError(t, p.WriteMessageBegin(ctx, method, kind, 7))
		require.NoError(t, (&agent.AgentEmitBatchArgs{Batch: batch}).Write(ctx, p))
		require.NoError(t, p.WriteMessageEnd(ctx))
	}
	require.NoError(t, p.Flush(ctx))
	return bytes.Clone(buffer.Bytes())
}

// oracle is what contrib's translator makes of a batch.
func oracle(t testing.TB, batch *jaeger.Batch) ptrace.Traces {
	t.Helper()
	traces, err := contrib.ThriftToTraces(batch)
	require.NoError(t, err)
	return traces
}

// oracleOf decodes with the thrift library and translates with contrib's.
func oracleOf(w wire, packet []byte) (traces ptrace.Traces, err error) {
	ctx := context.Background()
	buffer := thrift.NewTMemoryBufferLen(len(packet))
	buffer.Buffer = bytes.NewBuffer(packet)
	p := w.protocol(buffer)
	if w.bare {
		batch := jaeger.NewBatch()
		if err := batch.Read(ctx, p); err != nil {
			return traces, err
		}
		return contrib.ThriftToTraces(batch)
	}
	if _, _, _, err := p.ReadMessageBegin(ctx); err != nil {
		return traces, err
	}
	var args agent.AgentEmitBatchArgs
	if err := args.Read(ctx, p); err != nil {
		return traces, err
	}
	return contrib.ThriftToTraces(args.Batch)
}

// plain is a traces value without pdata around it, in which attributes have no
// order, for comparison and for reading failures.
func plain(traces ptrace.Traces) []any {
	out := []any{}
	for _, rs := range traces.ResourceSpans().All() {
		scopes := []any{}
		for _, ss := range rs.ScopeSpans().All() {
			spans := []any{}
			for _, span := range ss.Spans().All() {
				spans = append(spans, plainSpan(span))
			}
			scopes = append(scopes, map[string]any{"scope": ss.Scope().Name(), "spans": spans})
		}
		out = append(out, map[string]any{"resource": rs.Resource().Attributes().AsRaw(), "scopes": scopes})
	}
	return out
}

func plainSpan(span ptrace.Span) map[string]any {
	events, links := []any{}, []any{}
	for _, event := range span.Events().All() {
		events = append(events, map[string]any{
			"name": event.Name(), "at": event.Timestamp(), "attributes": event.Attributes().AsRaw(),
		})
	}
	for _, link := range span.Links().All() {
		links = append(links, map[string]any{
			"trace": link.TraceID(), "span": link.SpanID(), "attributes": link.Attributes().AsRaw(),
		})
	}
	return map[string]any{
		"trace": span.TraceID(), "span": span.SpanID(), "parent": span.ParentSpanID(),
		"name": span.Name(), "kind": span.Kind(), "start": span.StartTimestamp(), "end": span.EndTimestamp(),
		"status": span.Status().Code(), "message": span.Status().Message(), "flags": span.Flags(),
		"state": span.TraceState().AsRaw(), "attributes": span.Attributes().AsRaw(),
		"events": events, "links": links,
	}
}

func keys(attrs pcommon.Map) []string {
	names := []string{}
	for name := range attrs.All() {
		names = append(names, name)
	}
	return names
}

// resourceName names a resource by its attributes, whatever their order.
func resourceName(rs ptrace.ResourceSpans) string {
	return fmt.Sprintf("%#v", rs.Resource().Attributes().AsRaw()) // fmt sorts the keys
}
