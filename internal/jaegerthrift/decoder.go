package jaegerthrift

import (
	"fmt"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/xpdata"
)

// Decoder appends packets to traces that the caller owns. The zero value is
// ready. A Decoder serves one goroutine at a time.
//
// Strings of the traces share one copy of the packet, so keeping any of them
// keeps that copy (as many bytes as the packet had).
type Decoder struct {
	r    reader
	dst  ptrace.Traces
	peer string
	refs []reference

	// The list of tags that was read last, the most that were in one of this
	// packet, and what makes attributes of them.
	list     []tag
	mostTags int
	builder  xpdata.MapBuilder

	// groups is nil unless packets may share resources; see Gatherer.
	groups map[group]ptrace.ResourceSpans
	key    group

	// What the current packet has done to dst, for rollback.
	resource    ptrace.ResourceSpans
	created     bool // resource was appended
	joined      bool // resource was there and had spansBefore spans
	spansBefore int
	spans       int // spans of this packet
}

// group is the identity of a resource: packets with the same bytes of process
// from the same peer describe the same one.
type group struct {
	peer, process string
	binary        bool
}

// AppendCompact decodes an emitBatch message of the compact protocol and appends
// what it holds to dst as one ResourceSpans. It returns the number of spans. On
// failure the error is an *Error and dst is as it was.
func (d *Decoder) AppendCompact(packet []byte, dst ptrace.Traces) (spans int, err error) {
	return d.append(string(packet), false, (*Decoder).message, dst)
}

// AppendBinary is AppendCompact for the binary protocol, with the strict and the
// older header.
func (d *Decoder) AppendBinary(packet []byte, dst ptrace.Traces) (spans int, err error) {
	return d.append(string(packet), true, (*Decoder).message, dst)
}

// AppendBatch is AppendBinary for a Batch struct without a message around it, as
// Jaeger clients send it over HTTP.
func (d *Decoder) AppendBatch(body []byte, dst ptrace.Traces) (spans int, err error) {
	return d.append(string(body), true, (*Decoder).batch, dst)
}

func (d *Decoder) append(packet string, binary bool, read func(*Decoder), dst ptrace.Traces) (spans int, err error) {
	d.r = reader{data: packet, binary: binary}
	d.dst, d.key = dst, group{}
	d.created, d.joined, d.spans = false, false, 0
	defer func() {
		if crash := recover(); crash != nil {
			d.r.err = &Error{Kind: KindInternal, Offset: d.r.pos, What: fmt.Sprint(crash)}
			d.builder = xpdata.MapBuilder{}
		}
		if d.r.err != nil {
			d.rollback()
			spans, err = 0, d.r.err
		}
		d.release()
	}()
	read(d)
	return d.spans, nil
}

// rollback undoes what the packet has appended so far.
func (d *Decoder) rollback() {
	switch {
	case d.created:
		resources := d.dst.ResourceSpans()
		last := resources.Len() - 1
		at := -1
		resources.RemoveIf(func(ptrace.ResourceSpans) bool { at++; return at == last })
	case d.joined && d.spansBefore == 0:
		d.resource.ScopeSpans().RemoveIf(func(ptrace.ScopeSpans) bool { return true })
	case d.joined:
		truncate(d.resource.ScopeSpans().At(0).Spans(), d.spansBefore)
	}
	d.created, d.joined, d.spans = false, false, 0
}

// release lets go of the packet, and of room that only an unusual packet needs.
func (d *Decoder) release() {
	d.r = reader{}
	if cap(d.list) > maxKeptTags {
		d.list = nil
	} else {
		clear(d.list[:d.mostTags])
	}
	d.mostTags = 0
	if cap(d.refs) > maxKeptReferences {
		d.refs = nil
	}
}

// truncate removes all spans from index n on.
func truncate(spans ptrace.SpanSlice, n int) {
	at := -1
	spans.RemoveIf(func(ptrace.Span) bool { at++; return at >= n })
}

// forget lets go of traces that belong to someone else from now on.
func (d *Decoder) forget() {
	d.dst, d.resource, d.key = ptrace.Traces{}, ptrace.ResourceSpans{}, group{}
}
