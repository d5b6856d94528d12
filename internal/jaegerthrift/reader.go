package jaegerthrift

import "math"

// wireType is a thrift type code, as the binary protocol writes it.
// Source: https://github.com/apache/thrift/blob/master/doc/specs/thrift-binary-protocol.md
type wireType uint8

const (
	typeStop   wireType = 0
	typeBool   wireType = 2
	typeByte   wireType = 3
	typeDouble wireType = 4
	typeI16    wireType = 6
	typeI32    wireType = 8
	typeI64    wireType = 10
	typeString wireType = 11
	typeStruct wireType = 12
	typeMap    wireType = 13
	typeSet    wireType = 14
	typeList   wireType = 15
	typeUUID   wireType = 16

	// typeInvalid stands for a code that no thrift protocol defines.
	typeInvalid wireType = 255
)

// reader walks over the bytes of one packet, in either protocol.
//
// The first error stays: it moves the position to the end, every later read
// yields zero, and loops end by themselves because field answers typeStop.
type reader struct {
	data   string
	pos    int
	binary bool
	// boolean is the value of the compact boolean field whose header was read
	// last: the compact protocol keeps it in the header.
	boolean bool
	err     *Error
}

func (r *reader) fail(kind Kind, what string, got int64) {
	if r.err == nil {
		r.err = &Error{Kind: kind, Offset: r.pos, What: what, Got: got}
	}
	r.pos = len(r.data)
}

func (r *reader) remaining() int { return len(r.data) - r.pos }

// take returns the position of the next n bytes and steps over them.
func (r *reader) take(n int, what string) (at int, ok bool) {
	if n > len(r.data)-r.pos {
		r.fail(KindTruncated, what, 0)
		return 0, false
	}
	at = r.pos
	r.pos += n
	return at, true
}

func (r *reader) octet(what string) byte {
	if r.pos >= len(r.data) {
		r.fail(KindTruncated, what, 0)
		return 0
	}
	b := r.data[r.pos]
	r.pos++
	return b
}

// field reads the header of a struct's next field. last is the ID of the field
// before it in the same struct (0 at the start). At the end of the struct, and
// after an error, the type is typeStop.
func (r *reader) field(last int32) (id int32, typ wireType) {
	if r.binary {
		return r.binaryField()
	}
	if r.pos < len(r.data) {
		head := r.data[r.pos]
		if head == 0 {
			r.pos++
			return 0, typeStop
		}
		// The usual field: not far from the last one, of a type that exists.
		if typ = compactTypes[head&0x0f]; head>>4 != 0 && typ != typeInvalid && typ != typeStop {
			r.pos++
			r.boolean = head&0x0f == compactTrue
			return last + int32(head>>4), typ
		}
	}
	return r.compactField(last)
}

// boolField reads the value of a boolean field whose header was just read.
func (r *reader) boolField() bool {
	if r.binary {
		return r.octet("bool") == 1
	}
	return r.boolean
}

func (r *reader) i32() int32 {
	if r.binary {
		return int32(r.fixed32())
	}
	n := r.varint()
	if n > math.MaxUint32 {
		r.fail(KindOverflow, "i32", 0)
		return 0
	}
	return int32(uint32(n)>>1) ^ -int32(n&1)
}

func (r *reader) i64() int64 {
	if r.binary {
		return int64(r.fixed64())
	}
	n := r.varint()
	return int64(n>>1) ^ -int64(n&1)
}

func (r *reader) double() float64 {
	if r.binary {
		return math.Float64frombits(r.fixed64())
	}
	return math.Float64frombits(r.littleEndian64())
}

// text reads a string or binary value; it shares the packet's memory.
func (r *reader) text() string {
	if !r.binary && r.pos < len(r.data) {
		// Nearly all strings are shorter than 128 bytes: one byte of length.
		from := r.pos + 1
		if n := int(r.data[r.pos]); n < 0x80 && n <= len(r.data)-from {
			r.pos = from + n
			return r.data[from:r.pos]
		}
	}
	n := r.size(1, "string")
	from := r.pos
	r.pos += n
	return r.data[from:r.pos]
}

// size reads a declared count of elements, each of which takes at least
// smallest bytes, and refuses a count that the remaining bytes cannot hold.
func (r *reader) size(smallest int, what string) int {
	var n int64
	if r.binary {
		n = int64(int32(r.fixed32()))
	} else {
		v := r.varint()
		if v > math.MaxUint32 && r.err == nil {
			r.fail(KindNegativeSize, what, int64(v))
		}
		n = int64(int32(uint32(v)))
	}
	return r.checkSize(n, smallest, what)
}

func (r *reader) checkSize(n int64, smallest int, what string) int {
	switch {
	case r.err != nil:
		return 0
	case n < 0:
		r.fail(KindNegativeSize, what, n)
		return 0
	case n*int64(smallest) > int64(r.remaining()): // n fits 32 bits, smallest 7
		r.fail(KindSize, what, n)
		return 0
	}
	return int(n)
}

// list reads the header of a list or set that is to be skipped.
func (r *reader) list(what string) (elem wireType, n int) {
	elem, n, counted := r.listHeader(what)
	if !counted {
		return elem, r.size(r.smallest(elem), what)
	}
	return elem, r.checkSize(int64(n), r.smallest(elem), what)
}

// structs reads the header of a list of structs and returns how many follow.
func (r *reader) structs(smallest smallestEncoding, what string) int {
	if !r.binary && r.pos < len(r.data) {
		// Nearly all lists are shorter than 15 elements: one byte says it all.
		head := r.data[r.pos]
		if n := int(head >> 4); head&0x0f == compactStruct && n < 15 && n*smallest.compact < r.remaining() {
			r.pos++
			return n
		}
	}
	bytes := smallest.compact
	if r.binary {
		bytes = smallest.binary
	}
	elem, n, counted := r.listHeader(what)
	if counted {
		n = r.checkSize(int64(n), bytes, what)
	} else {
		n = r.size(bytes, what)
	}
	if n > 0 && elem != typeStruct {
		r.fail(KindType, what, int64(elem))
		return 0
	}
	return n
}

// listHeader reads the element type; counted says that the same byte held the
// number of elements, else the number follows.
func (r *reader) listHeader(what string) (elem wireType, n int, counted bool) {
	head := r.octet(what)
	if r.binary {
		return binaryType(head), 0, false
	}
	if elem = compactTypes[head&0x0f]; elem == typeInvalid {
		r.fail(KindType, what, int64(head&0x0f))
	}
	return elem, int(head >> 4), head>>4 != 15
}
