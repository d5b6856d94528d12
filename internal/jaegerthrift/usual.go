package jaegerthrift

// Header bytes of a Tag's fields in the compact protocol, when each follows the
// field that clients write before it: the distance between the field IDs in the
// upper half, the type in the lower.
const (
	usualKey    = 1<<4 | 8            // 1, string
	usualKind   = 1<<4 | 5            // 2 after 1, i32
	usualString = 1<<4 | 8            // 3 after 2, string
	usualDouble = 2<<4 | 7            // 4 after 2, double
	usualTrue   = 3<<4 | compactTrue  // 5 after 2
	usualFalse  = 3<<4 | compactFalse // 5 after 2
	usualLong   = 4<<4 | 6            // 6 after 2, i64
	usualBinary = 5<<4 | 8            // 7 after 2, string
	zigzag      = 1                   // the compact protocol writes n >= 0 as n << zigzag
)

// usualTag reads a Tag in the shape in which all known clients write it: key,
// type, the one value of that type, no string longer than one byte of
// length can say. For any other it answers false and the position is as before (or the reader has
// failed). More than half of a packet's bytes are tags: this is worth a second
// way of reading them.
func (r *reader) usualTag(t *tag) bool {
	if r.binary {
		return r.usualBinaryTag(t)
	}
	return r.usualCompactTag(t)
}

func (r *reader) usualCompactTag(t *tag) bool {
	rest := r.data[r.pos:]
	if len(rest) < 2 || rest[0] != usualKey || rest[1] >= 0x80 {
		return false
	}
	end := 2 + int(rest[1])
	if len(rest) < end+4 || rest[end] != usualKind {
		return false
	}
	kind, header := rest[end+1], rest[end+2]
	t.key = rest[2:end]
	t.kind = int32(kind >> zigzag)
	t.used = false
	rest = rest[end+3:]
	start := r.pos
	at := len(r.data) - len(rest)
	switch {
	case kind == tagString<<zigzag && header == usualString, kind == tagBinary<<zigzag && header == usualBinary:
		n := int(rest[0])
		if n >= 0x80 || len(rest) < n+2 {
			return false
		}
		t.text = rest[1 : n+1]
		r.pos = at + n + 1
	case kind == tagLong<<zigzag && header == usualLong:
		r.pos = at
		t.bits = uint64(r.i64())
	case kind == tagBool<<zigzag && header == usualTrue:
		r.pos, t.bits = at, 1
	case kind == tagBool<<zigzag && header == usualFalse:
		r.pos, t.bits = at, 0
	case kind == tagDouble<<zigzag && header == usualDouble:
		r.pos = at
		t.bits = r.littleEndian64()
	default:
		return false
	}
	return r.usualEnd(start)
}

// Beginnings of a Tag's fields in the binary protocol: type, ID, and the upper
// three bytes of a length below 256 or of the number of the type.
const (
	usualBinaryKey  = "\x0b\x00\x01\x00\x00\x00"
	usualBinaryKind = "\x08\x00\x02\x00\x00\x00"

	usualStart = len(usualBinaryKey) + 1
)

func (r *reader) usualBinaryTag(t *tag) bool {
	rest := r.data[r.pos:]
	if len(rest) < usualStart || rest[:usualStart-1] != usualBinaryKey {
		return false
	}
	end := usualStart + int(rest[usualStart-1])
	// The kind, and the header of its value, and a length or as many bytes.
	if len(rest) < end+usualStart+3+4 || rest[end:end+usualStart-1] != usualBinaryKind {
		return false
	}
	kind := rest[end+usualStart-1]
	t.key = rest[usualStart:end]
	t.kind = int32(kind)
	t.used = false
	rest = rest[end+usualStart:]
	if rest[1] != 0 {
		return false
	}
	start := r.pos
	r.pos = len(r.data) - len(rest) + 3
	switch id := rest[2]; {
	case kind == tagString && wireType(rest[0]) == typeString && id == 3,
		kind == tagBinary && wireType(rest[0]) == typeString && id == 7:
		t.text = r.text()
	case kind == tagLong && wireType(rest[0]) == typeI64 && id == 6,
		kind == tagDouble && wireType(rest[0]) == typeDouble && id == 4:
		t.bits = r.fixed64()
	case kind == tagBool && wireType(rest[0]) == typeBool && id == 5:
		t.bits = 0
		if r.octet("bool") == 1 {
			t.bits = 1
		}
	default:
		r.pos = start
		return false
	}
	return r.usualEnd(start)
}

// usualEnd steps over the end of the struct, or goes back to where it started.
func (r *reader) usualEnd(start int) bool {
	if r.pos < len(r.data) && r.data[r.pos] == 0 {
		r.pos++
		return true
	}
	if r.err == nil {
		r.pos = start
	}
	return false
}
