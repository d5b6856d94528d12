package jaegerthrift

import (
	"math"
	"math/bits"
)

// compactTypes translates the compact protocol's type codes. Both boolean codes
// mean a boolean; in a field header the code is also the value.
// Source: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
var compactTypes = [16]wireType{
	0: typeStop, compactTrue: typeBool, compactFalse: typeBool, 3: typeByte,
	4: typeI16, 5: typeI32, 6: typeI64, 7: typeDouble, 8: typeString,
	9: typeList, 10: typeSet, 11: typeMap, compactStruct: typeStruct, 13: typeUUID,
	14: typeInvalid, 15: typeInvalid,
}

const (
	compactTrue  = 1
	compactFalse = 2

	compactStruct = 12

	compactProtocolID  = 0x82
	compactVersion     = 1
	compactVersionMask = 0x1f
	compactTypeShift   = 5

	// maxVarintBytes is what 64 bits take at 7 bits a byte.
	maxVarintBytes = 10
)

func (r *reader) compactField(last int32) (int32, wireType) {
	if r.pos >= len(r.data) {
		r.fail(KindTruncated, "field header", 0)
		return 0, typeStop
	}
	head := r.data[r.pos]
	r.pos++
	code := head & 0x0f
	if code == 0 {
		return 0, typeStop
	}
	typ := compactTypes[code]
	if typ == typeInvalid {
		r.fail(KindType, "field", int64(code))
		return 0, typeStop
	}
	r.boolean = code == compactTrue
	if delta := int32(head >> 4); delta != 0 {
		return last + delta, typ
	}
	id := r.i32()
	if id < math.MinInt16 || id > math.MaxInt16 {
		r.fail(KindOverflow, "field ID", int64(id))
	}
	if r.err != nil {
		return 0, typeStop
	}
	return id, typ
}

// varint reads an unsigned integer of 7 bits a byte, least significant first.
func (r *reader) varint() uint64 {
	if r.pos < len(r.data) {
		if b := r.data[r.pos]; b < 0x80 {
			r.pos++
			return uint64(b)
		}
	}
	return r.longVarint()
}

// longVarint reads a varint of two bytes or more. Times and IDs take eight and
// more: those are read at once.
func (r *reader) longVarint() uint64 {
	if len(r.data)-r.pos < maxVarintBytes {
		return r.slowVarint()
	}
	b := r.data[r.pos : r.pos+maxVarintBytes]
	word := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
	if ends := ^word & 0x8080808080808080; ends != 0 {
		used := bits.TrailingZeros64(ends) + 1 // up to the end of the last byte
		r.pos += used / 8
		return pack(word << (64 - used) >> (64 - used))
	}
	n := pack(word) | uint64(b[8]&0x7f)<<56
	if b[8] < 0x80 {
		r.pos += 9
		return n
	}
	if b[9] > 1 {
		r.fail(KindOverflow, "varint", 0)
		return 0
	}
	r.pos += maxVarintBytes
	return n | uint64(b[9])<<63
}

// pack joins the lower seven bits of eight bytes, the first byte's lowest.
func pack(word uint64) uint64 {
	word = word&0x007f007f007f007f | word&0x7f007f007f007f00>>1
	word = word&0x00003fff00003fff | word&0x3fff00003fff0000>>2
	return word&0x000000000fffffff | word&0x0fffffff00000000>>4
}

// slowVarint reads a varint byte by byte.
func (r *reader) slowVarint() uint64 {
	var n uint64
	for i := range maxVarintBytes {
		if r.pos+i >= len(r.data) {
			r.fail(KindTruncated, "varint", 0)
			return 0
		}
		b := r.data[r.pos+i]
		if i == maxVarintBytes-1 && b > 1 {
			break
		}
		n |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			r.pos += i + 1
			return n
		}
	}
	r.fail(KindOverflow, "varint", 0)
	return 0
}

func (r *reader) littleEndian64() uint64 {
	at, ok := r.take(8, "double")
	if !ok {
		return 0
	}
	b := r.data[at : at+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// compactHeader reads a compact message header.
func (r *reader) compactHeader() (name string, message byte) {
	if id := r.octet("protocol ID"); id != compactProtocolID {
		r.fail(KindHeader, "compact protocol ID", int64(id))
		return "", 0
	}
	head := r.octet("version")
	if version := head & compactVersionMask; version != compactVersion {
		r.fail(KindHeader, "compact version", int64(version))
		return "", 0
	}
	r.varint() // sequence number: nothing answers, so nothing needs it
	return r.text(), head >> compactTypeShift
}
