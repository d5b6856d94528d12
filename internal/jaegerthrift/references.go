package jaegerthrift

import "go.opentelemetry.io/collector/pdata/ptrace"

const (
	// SpanRefType of jaeger.thrift.
	refChildOf     = 0
	refFollowsFrom = 1

	keyRefType         = "opentracing.ref_type"
	refTypeChildOf     = "child_of"
	refTypeFollowsFrom = "follows_from"

	// maxKeptReferences is how many references the decoder keeps room for
	// between packets.
	maxKeptReferences = 1024
)

// reference is a SpanRef. References come before the values that decide what
// they become, so they wait in the decoder until the span's end.
type reference struct {
	kind            int32
	low, high, span int64
}

// references reads a span's list of references into the decoder.
func (d *Decoder) references() {
	n := d.r.structs(smallestRef, "Span.references")
	d.refs = d.refs[:0]
	for range n {
		if d.r.err != nil {
			return
		}
		d.refs = append(d.refs, d.reference())
	}
}

func (d *Decoder) reference() reference {
	var id int32
	var typ wireType
	var set fieldSet
	var ref reference
	r := &d.r
	for {
		if id, typ = r.field(id); typ == typeStop {
			break
		}
		switch {
		case id == 1 && typ == typeI32:
			ref.kind = r.i32()
		case id == 2 && typ == typeI64:
			ref.low = r.i64()
		case id == 3 && typ == typeI64:
			ref.high = r.i64()
		case id == 4 && typ == typeI64:
			ref.span = r.i64()
		default:
			r.skipField(typ)
			continue
		}
		set.add(id)
	}
	d.require(set, &refFields)
	return ref
}

// parent is the span's parent: the field, else the first CHILD_OF of the same
// trace, else the first FOLLOWS_FROM of the same trace, else 0.
func (d *Decoder) parent(head *spanHead) int64 {
	if head.parent != 0 {
		return head.parent
	}
	var follows *reference
	for i := range d.refs {
		ref := &d.refs[i]
		if ref.low != head.low || ref.high != head.high {
			continue
		}
		switch {
		case ref.kind == refChildOf:
			return ref.span
		case ref.kind == refFollowsFrom && follows == nil:
			follows = ref
		}
	}
	if follows != nil {
		return follows.span
	}
	return 0
}

// links writes all references but the one that the parent says already.
func (d *Decoder) links(parent int64, dst ptrace.SpanLinkSlice) {
	for i := range d.refs {
		ref := &d.refs[i]
		if ref.kind == refChildOf && ref.span == parent {
			continue
		}
		if dst.Len() == 0 {
			dst.EnsureCapacity(len(d.refs) - i)
		}
		link := dst.AppendEmpty()
		link.SetTraceID(traceID(ref.high, ref.low))
		link.SetSpanID(spanID(ref.span))
		kind := refTypeFollowsFrom
		if ref.kind == refChildOf {
			kind = refTypeChildOf
		}
		link.Attributes().PutStr(keyRefType, kind)
	}
}
