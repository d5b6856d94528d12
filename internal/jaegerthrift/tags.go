package jaegerthrift

import (
	"math"

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

const (
	// maxScannedTags is the length up to which a list of tags is searched from
	// front to back for a repeated key. That is the fastest way for the few tags
	// of a real span and quadratic in a hostile list; longer lists get an index.
	maxScannedTags = 128

	// leastTags and maxKeptTags are how many tags the decoder makes room for at
	// least, and how many at most it keeps room for between packets.
	leastTags   = 16
	maxKeptTags = 1024
)

// tag is one Tag struct. Its strings lie in the packet.
type tag struct {
	key  string
	text string // of tagString and tagBinary
	bits uint64 // tagLong: the integer; tagDouble: IEEE 754; tagBool: 0 or 1
	kind int32
	used bool // it became something else than an attribute
}

// stringValue is the value as pcommon.Value.Str would answer it.
func (t *tag) stringValue() string {
	switch t.kind {
	case tagString:
		return t.text
	case tagDouble, tagBool, tagLong, tagBinary:
		return ""
	}
	return unknownTagType
}

// isTrue says whether the value is the boolean true.
func (t *tag) isTrue() bool { return t.kind == tagBool && t.bits != 0 }

// tags reads a list of Tag structs. Of tags with the same key the last one wins,
// at the place of the first. The list is the decoder's until the next one.
func (d *Decoder) tags(what string) []tag {
	n := d.r.structs(smallestTag, what)
	if n > cap(d.list) {
		d.list = make([]tag, 0, max(n, leastTags))
	}
	d.mostTags = max(d.mostTags, n)
	if n > maxScannedTags {
		return d.manyTags(n)
	}
	tags := d.list[:0]
	for range n {
		last := len(tags)
		tags = tags[:last+1]
		if !d.tag(&tags[last]) {
			return nil
		}
		if first := find(tags[:last], tags[last].key); first >= 0 {
			tags[first] = tags[last]
			tags = tags[:last]
		}
	}
	return tags
}

// manyTags is tags for long lists.
func (d *Decoder) manyTags(n int) []tag {
	index := make(map[string]int, n)
	tags := d.list[:0]
	for range n {
		last := len(tags)
		tags = tags[:last+1]
		if !d.tag(&tags[last]) {
			return nil
		}
		if first, ok := index[tags[last].key]; ok {
			tags[first] = tags[last]
			tags = tags[:last]
		} else {
			index[tags[last].key] = last
		}
	}
	return tags
}

// find returns the index of the tag with a key, or -1.
func find(tags []tag, key string) int {
	for i := range tags {
		if tags[i].key == key {
			return i
		}
	}
	return -1
}

// attributes makes the tags that are not used the content of dst, with room for
// spare more. It replaces what dst had.
func (d *Decoder) attributes(tags []tag, used, spare int, dst pcommon.Map) {
	d.builder.EnsureCapacity(len(tags) - used + spare)
	for i := range tags {
		if t := &tags[i]; !t.used {
			t.put(d.builder.AppendEmpty(t.key))
		}
	}
	d.builder.UnsafeIntoMap(dst)
}

// put sets an empty value.
func (t *tag) put(value pcommon.Value) {
	switch t.kind {
	case tagString:
		value.SetStr(t.text)
	case tagDouble:
		value.SetDouble(math.Float64frombits(t.bits))
	case tagBool:
		value.SetBool(t.bits != 0)
	case tagLong:
		value.SetInt(int64(t.bits))
	case tagBinary:
		value.SetEmptyBytes().FromRaw([]byte(t.text))
	default:
		value.SetStr(unknownTagType)
	}
}

// tag reads one Tag struct and answers whether it is valid.
func (d *Decoder) tag(t *tag) bool {
	var usual bool
	if d.r.binary {
		usual = d.r.usualBinaryTag(t)
	} else {
		usual = d.r.usualCompactTag(t)
	}
	return usual || d.anyTag(t)
}

// anyTag reads a Tag with its fields in any order, any number of them.
func (d *Decoder) anyTag(t *tag) bool {
	var id int32
	var typ wireType
	var set fieldSet
	var text, data string
	var double float64
	var boolean bool
	var long int64
	*t = tag{}
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
			text = r.text()
		case id == 4 && typ == typeDouble:
			double = r.double()
		case id == 5 && typ == typeBool:
			boolean = r.boolField()
		case id == 6 && typ == typeI64:
			long = r.i64()
		case id == 7 && typ == typeString:
			data = r.text()
		default:
			r.skipField(typ)
		}
	}
	if set != tagFields.fields {
		d.require(set, &tagFields)
	}
	switch t.kind {
	case tagString:
		t.text = text
	case tagDouble:
		t.bits = math.Float64bits(double)
	case tagBool:
		if boolean {
			t.bits = 1
		}
	case tagLong:
		t.bits = uint64(long)
	case tagBinary:
		t.text = data
	}
	return r.err == nil
}
