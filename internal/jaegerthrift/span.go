package jaegerthrift

import (
	"encoding/binary"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// nanosPerMicro: Jaeger counts microseconds.
const nanosPerMicro = 1000

// spanHead is what a Span struct holds beside its lists.
type spanHead struct {
	low, high, id, parent int64
	name                  string
	flags                 int32
	start, duration       int64
	lists                 bool
}

// spanList reads n Span structs to the end of dst. A span whose fields are all
// zero is left out.
func (d *Decoder) spanList(n int, dst ptrace.SpanSlice) {
	spare := false
	for range n {
		if d.r.err != nil {
			return
		}
		var span ptrace.Span
		if spare {
			span = dst.At(dst.Len() - 1)
		} else {
			span = dst.AppendEmpty()
		}
		if spare = !d.span(span); !spare {
			d.spans++
		}
	}
	if spare {
		truncate(dst, dst.Len()-1)
	}
}

// span reads one Span struct and answers whether there was anything in it.
func (d *Decoder) span(dst ptrace.Span) bool {
	var head spanHead
	var tags seen
	d.refs = d.refs[:0]
	d.spanFields(dst, &head, &tags)
	if d.r.err != nil || (!head.lists && head == spanHead{}) {
		return false
	}
	dst.SetTraceID(traceID(head.high, head.low))
	dst.SetSpanID(spanID(head.id))
	dst.SetName(head.name)
	dst.SetStartTimestamp(timestamp(head.start))
	dst.SetEndTimestamp(timestamp(head.start + head.duration))
	parent := d.parent(&head)
	if parent != 0 {
		dst.SetParentSpanID(spanID(parent))
	}
	if tags.kind {
		dst.SetKind(spanKind(tags.text))
	}
	if tags.status {
		setStatus(dst.Attributes(), dst)
	}
	d.links(parent, dst.Links())
	return true
}

func (d *Decoder) spanFields(dst ptrace.Span, head *spanHead, tags *seen) {
	var id int32
	var typ wireType
	var set fieldSet
	r := &d.r
	for {
		if id, typ = r.field(id); typ == typeStop {
			break
		}
		switch {
		case id == 5 && typ == typeString:
			head.name = r.text()
		case id == 7 && typ == typeI32:
			head.flags = r.i32()
		case typ == typeI64 && head.integer(id, r):
		case id == 6 && typ == typeList:
			head.lists = true
			d.references()
			continue
		case id == 10 && typ == typeList:
			head.lists = true
			*tags = d.spanTags(dst.Attributes())
			continue
		case id == 11 && typ == typeList:
			head.lists = true
			d.logs(dst.Events())
			continue
		default:
			r.skipField(typ)
			continue
		}
		set.add(id)
	}
	if set != spanFields.fields {
		d.require(set, &spanFields)
	}
}

// integer reads the value of an i64 field and answers whether Span has it.
func (h *spanHead) integer(id int32, r *reader) bool {
	switch id {
	case 1:
		h.low = r.i64()
	case 2:
		h.high = r.i64()
	case 3:
		h.id = r.i64()
	case 4:
		h.parent = r.i64()
	case 8:
		h.start = r.i64()
	case 9:
		h.duration = r.i64()
	default:
		return false
	}
	return true
}

func (d *Decoder) spanTags(attrs pcommon.Map) seen {
	n := d.r.structs(smallestTag, "Span.tags")
	attrs.Clear() // a repeated field: the last one counts
	attrs.EnsureCapacity(min(n, maxScannedTags))
	return d.tags(n, attrs, ownerSpan)
}

func timestamp(micros int64) pcommon.Timestamp {
	return pcommon.Timestamp(uint64(micros) * nanosPerMicro)
}

func traceID(high, low int64) pcommon.TraceID {
	var id pcommon.TraceID
	binary.BigEndian.PutUint64(id[:8], uint64(high))
	binary.BigEndian.PutUint64(id[8:], uint64(low))
	return id
}

func spanID(n int64) pcommon.SpanID {
	var id pcommon.SpanID
	binary.BigEndian.PutUint64(id[:], uint64(n))
	return id
}
