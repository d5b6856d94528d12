package jaegerthrift

const (
	// binaryVersion1 and binaryVersionMask are the upper half of a strict header.
	binaryVersion1    = 0x80010000
	binaryVersionMask = 0xffff0000
)

func (r *reader) binaryField() (int32, wireType) {
	typ := binaryType(r.octet("field header"))
	if typ == typeStop {
		return 0, typeStop
	}
	if typ == typeInvalid {
		r.fail(KindType, "field", int64(r.data[r.pos-1]))
		return 0, typeStop
	}
	at, ok := r.take(2, "field ID")
	if !ok {
		return 0, typeStop
	}
	return int32(int16(uint16(r.data[at])<<8 | uint16(r.data[at+1]))), typ
}

// binaryType maps codes that thrift does not define to typeInvalid.
func binaryType(code byte) wireType {
	switch typ := wireType(code); typ {
	case typeStop, typeBool, typeByte, typeDouble, typeI16, typeI32, typeI64, typeString,
		typeStruct, typeMap, typeSet, typeList, typeUUID:
		return typ
	}
	return typeInvalid
}

func (r *reader) fixed32() uint32 {
	at, ok := r.take(4, "i32")
	if !ok {
		return 0
	}
	b := r.data[at : at+4]
	return uint32(b[3]) | uint32(b[2])<<8 | uint32(b[1])<<16 | uint32(b[0])<<24
}

func (r *reader) fixed64() uint64 {
	at, ok := r.take(8, "i64")
	if !ok {
		return 0
	}
	b := r.data[at : at+8]
	return uint64(b[7]) | uint64(b[6])<<8 | uint64(b[5])<<16 | uint64(b[4])<<24 |
		uint64(b[3])<<32 | uint64(b[2])<<40 | uint64(b[1])<<48 | uint64(b[0])<<56
}

// binaryHeader reads a binary message header, strict (version first) or not
// (name first).
func (r *reader) binaryHeader() (name string, message byte) {
	first := r.fixed32()
	if int32(first) >= 0 {
		n := r.checkSize(int64(first), 1, "message name")
		name = r.data[r.pos : r.pos+n]
		r.pos += n
		message = r.octet("message type")
		r.fixed32() // sequence number
		return name, message
	}
	if first&binaryVersionMask != binaryVersion1 {
		r.fail(KindHeader, "binary version", int64(first>>16))
		return "", 0
	}
	name = r.text()
	r.fixed32() // sequence number
	return name, byte(first)
}
