package jaegerthrift

import "go.opentelemetry.io/collector/pdata/ptrace"

// logs reads a span's list of Log structs.
func (d *Decoder) logs(dst ptrace.SpanEventSlice) {
	if dst.Len() > 0 { // a repeated field: the last one counts
		dst.RemoveIf(func(ptrace.SpanEvent) bool { return true })
	}
	n := d.r.structs(smallestLog, "Span.logs")
	dst.EnsureCapacity(n)
	for range n {
		if d.r.err != nil {
			return
		}
		d.log(dst.AppendEmpty())
	}
}

func (d *Decoder) log(dst ptrace.SpanEvent) {
	var id int32
	var typ wireType
	var set fieldSet
	for {
		if id, typ = d.r.field(id); typ == typeStop {
			break
		}
		switch {
		case id == 1 && typ == typeI64:
			dst.SetTimestamp(timestamp(d.r.i64()))
		case id == 2 && typ == typeList:
			d.eventFields(dst)
		default:
			d.r.skipField(typ)
			continue
		}
		set.add(id)
	}
	d.require(set, &logFields)
}

// eventFields reads the fields of a Log; the one called event is its name.
func (d *Decoder) eventFields(dst ptrace.SpanEvent) {
	fields := d.tags("Log.fields")
	name, used := "", 0
	if at := find(fields, tagEventName); at >= 0 {
		name, used = fields[at].stringValue(), 1
		fields[at].used = true
	}
	dst.SetName(name)
	d.attributes(fields, used, 0, dst.Attributes())
}
