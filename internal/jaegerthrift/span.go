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

// readSpans reads n Span structs to the end of dst. A span whose fields are all
// zero is left out.
func (d *Decoder) readSpans(n int, dst ptrace.SpanSlice) {
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
	d.refs = d.refs[:0]
	d.spanFields(dst, &head)
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
	d.links(parent, dst.Links())
	return true
}

func (d *Decoder) spanFields(dst ptrace.Span, head *spanHead) {
	var id int32
	var typ wireType
	var set fieldSet
	r := &d.r
	for {
		if id, typ = r.field(id); typ == typeStop {
			break
		}
		switch {
		case typ == typeI64 && head.integer(id, r):
		case id == 5 && typ == typeString:
			head.name = r.text()
		case id == 7 && typ == typeI32:
			head.flags = r.i32()
		case typ == typeList && d.spanList(id, dst):
			head.lists = true
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
	var dst *int64
	switch id {
	case 1:
		dst = &h.low
	case 2:
		dst = &h.high
	case 3:
		dst = &h.id
	case 4:
		dst = &h.parent
	case 8:
		dst = &h.start
	case 9:
		dst = &h.duration
	default:
		return false
	}
	*dst = r.i64()
	return true
}

// spanList reads the value of a list field and answers whether Span has it.
func (d *Decoder) spanList(id int32, dst ptrace.Span) bool {
	switch id {
	case 6:
		d.references()
	case 10:
		d.spanTags(dst)
	case 11:
		d.logs(dst.Events())
	default:
		return false
	}
	return true
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
