package jaegerthrift

// maxSkipDepth bounds the nesting of structures that nobody reads. It is what
// the Apache Thrift libraries allow (DEFAULT_RECURSION_DEPTH).
const maxSkipDepth = 64

// smallestEncoding is the fewest bytes in which a valid value can be written.
type smallestEncoding struct{ compact, binary int }

// smallest returns the fewest bytes that an element of a list, set or map takes.
func (r *reader) smallest(typ wireType) int {
	if !r.binary {
		switch typ {
		case typeDouble:
			return 8
		case typeUUID:
			return 16
		}
		return 1
	}
	switch typ {
	case typeI16:
		return 2
	case typeI32, typeString:
		return 4
	case typeI64, typeDouble:
		return 8
	case typeUUID:
		return 16
	case typeList, typeSet:
		return 5
	case typeMap:
		return 6
	}
	return 1
}

// skipField steps over the value of a field whose header was just read.
func (r *reader) skipField(typ wireType) { r.skipFieldAt(typ, maxSkipDepth) }

func (r *reader) skipFieldAt(typ wireType, depth int) {
	if typ == typeBool {
		r.boolField()
		return
	}
	r.skip(typ, depth)
}

// skip steps over an element of a collection, or any field that is not boolean.
func (r *reader) skip(typ wireType, depth int) {
	if depth <= 0 {
		r.fail(KindDepth, "skipped value", 0)
		return
	}
	switch typ {
	case typeBool, typeByte:
		r.octet("skipped value")
	case typeI16:
		r.skipInteger(2)
	case typeI32:
		r.skipInteger(4)
	case typeI64:
		r.skipInteger(8)
	case typeDouble:
		r.take(8, "skipped double")
	case typeUUID:
		r.take(16, "skipped UUID")
	case typeString:
		r.text()
	case typeStruct:
		r.skipStruct(depth)
	case typeList, typeSet:
		r.skipList(depth)
	case typeMap:
		r.skipMap(depth)
	default:
		r.fail(KindType, "skipped value", int64(typ))
	}
}

func (r *reader) skipInteger(bytes int) {
	if r.binary {
		r.take(bytes, "skipped integer")
		return
	}
	r.varint()
}

func (r *reader) skipStruct(depth int) {
	var id int32
	for {
		var typ wireType
		if id, typ = r.field(id); typ == typeStop {
			return
		}
		r.skipFieldAt(typ, depth-1)
	}
}

func (r *reader) skipList(depth int) {
	elem, n := r.list("skipped list")
	for range n {
		if r.skip(elem, depth-1); r.err != nil {
			return
		}
	}
}

func (r *reader) skipMap(depth int) {
	key, value, n := r.mapHeader()
	for range n {
		r.skip(key, depth-1)
		if r.skip(value, depth-1); r.err != nil {
			return
		}
	}
}

// mapHeader reads the types and the length of a map. An empty compact map has
// no types.
func (r *reader) mapHeader() (key, value wireType, n int) {
	if r.binary {
		key = binaryType(r.octet("map header"))
		value = binaryType(r.octet("map header"))
		return key, value, r.size(r.smallest(key)+r.smallest(value), "skipped map")
	}
	n = r.size(2, "skipped map")
	if n == 0 {
		return typeStop, typeStop, 0
	}
	types := r.octet("map header")
	key, value = compactTypes[types>>4], compactTypes[types&0x0f]
	return key, value, r.checkSize(int64(n), r.smallest(key)+r.smallest(value), "skipped map")
}
