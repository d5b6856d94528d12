package jaegerthrift

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// tagType is the TagType enumeration of jaeger.thrift.
const (
	tagString = 0
	tagDouble = 1
	tagBool   = 2
	tagLong   = 3
	tagBinary = 4

	// unknownTagType is the value of a tag whose type is none of these.
	unknownTagType = `<Unknown Jaeger TagType "<UNSET>">`
)

// maxScannedTags is the length up to which a list of tags is put into a
// pcommon.Map one by one. Each Put looks at all keys before it, which is the
// fastest way for the few tags of a real span and quadratic in a hostile list;
// longer lists go through a Go map, and their attributes have no order.
const maxScannedTags = 128

// Tags that become something other than an attribute.
const (
	tagSpanKind          = "span.kind"
	tagError             = "error"
	tagStatusCode        = "otel.status_code"
	tagStatusDescription = "otel.status_description"
	tagHTTPStatusCode    = "http.status_code"
	tagHTTPStatusMessage = "http.status_message"
	tagEventName         = "event"
)

// owner says which struct a list of tags belongs to.
type owner uint8

const (
	ownerProcess owner = iota
	ownerSpan
	ownerLog
)

// seen is what a list of tags held that needs work after the list.
type seen struct {
	hostname, version       bool // of a process
	status, kind, eventName bool // of a span, a span, a log
	text                    string
}

// tag is one Tag struct on its way into a map. Its strings lie in the packet.
type tag struct {
	key     string
	str     string
	long    int64
	double  float64
	boolean bool
	bytes   string
	kind    int32
}

// tags reads n Tag structs into attrs. Of tags with the same key the last one
// wins, at the place of the first.
func (d *Decoder) tags(n int, attrs pcommon.Map, of owner) seen {
	var found seen
	if n > maxScannedTags {
		d.manyTags(n, attrs, of, &found)
		return found
	}
	var t tag
	for range n {
		if !d.tag(&t) {
			return found
		}
		if !found.takes(&t, of) {
			put(attrs, &t)
		}
	}
	return found
}

// takes notes what a tag means to its owner, and answers whether the tag is used
// up by it.
func (s *seen) takes(t *tag, of owner) bool {
	switch of {
	case ownerSpan:
		switch t.key {
		case tagSpanKind:
			s.kind, s.text = true, t.stringValue()
			return true
		case tagError, tagStatusCode, tagHTTPStatusCode:
			s.status = true
		}
	case ownerLog:
		if t.key == tagEventName {
			s.eventName, s.text = true, t.stringValue()
			return true
		}
	case ownerProcess:
		s.hostname = s.hostname || t.key == tagHostname
		s.version = s.version || t.key == tagJaegerVersion
	}
	return false
}

// stringValue is the value as pcommon.Value.Str would answer it.
func (t *tag) stringValue() string {
	switch t.kind {
	case tagString:
		return t.str
	case tagDouble, tagBool, tagLong, tagBinary:
		return ""
	}
	return unknownTagType
}

func put(attrs pcommon.Map, t *tag) {
	switch t.kind {
	case tagString:
		attrs.PutStr(t.key, t.str)
	case tagDouble:
		attrs.PutDouble(t.key, t.double)
	case tagBool:
		attrs.PutBool(t.key, t.boolean)
	case tagLong:
		attrs.PutInt(t.key, t.long)
	case tagBinary:
		attrs.PutEmptyBytes(t.key).FromRaw([]byte(t.bytes))
	default:
		attrs.PutStr(t.key, unknownTagType)
	}
}

// manyTags is tags for long lists.
func (d *Decoder) manyTags(n int, attrs pcommon.Map, of owner, found *seen) {
	values := make(map[string]any, n+attrs.Len())
	for key, value := range attrs.All() {
		values[key] = value.AsRaw()
	}
	var t tag
	for range n {
		if !d.tag(&t) {
			return
		}
		if !found.takes(&t, of) {
			values[t.key] = t.raw()
		}
	}
	// FromRaw fails only on types that raw does not return.
	_ = attrs.FromRaw(values)
}

func (t *tag) raw() any {
	switch t.kind {
	case tagString:
		return t.str
	case tagDouble:
		return t.double
	case tagBool:
		return t.boolean
	case tagLong:
		return t.long
	case tagBinary:
		return []byte(t.bytes)
	}
	return unknownTagType
}

// tag reads one Tag struct and answers whether it is valid.
func (d *Decoder) tag(t *tag) bool {
	*t = tag{}
	var id int32
	var typ wireType
	var set fieldSet
	r := &d.r
	for {
		if id, typ = r.field(id); typ == typeStop {
			break
		}
		switch {
		case id == 1 && typ == typeString:
			t.key = r.text()
			set |= 1 << 1
		case id == 2 && typ == typeI32:
			t.kind = r.i32()
			set |= 1 << 2
		case id == 3 && typ == typeString:
			t.str = r.text()
		case id == 4 && typ == typeDouble:
			t.double = r.double()
		case id == 5 && typ == typeBool:
			t.boolean = r.boolField()
		case id == 6 && typ == typeI64:
			t.long = r.i64()
		case id == 7 && typ == typeString:
			t.bytes = r.text()
		default:
			r.skipField(typ)
		}
	}
	if set != tagFields.fields {
		d.require(set, &tagFields)
	}
	return r.err == nil
}
