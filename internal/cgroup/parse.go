package cgroup

import "bytes"

// The parsers of this file work on the bytes that were read and allocate
// nothing. They take what the kernel may print and ignore what they do not
// know: new kernels add keys.

// maxUint64 is where leadingUint stops, and what a counter may be at most.
const maxUint64 = ^uint64(0)

// leadingUint reads the decimal number that text starts with, and returns what
// follows it. ok is false without a digit and for numbers above 64 bits.
func leadingUint(text []byte) (v uint64, rest []byte, ok bool) {
	i := 0
	for ; i < len(text); i++ {
		d := uint64(text[i] - '0')
		if d > 9 {
			break
		}
		if v > (maxUint64-d)/10 {
			return 0, text, false
		}
		v = v*10 + d
	}
	return v, text[i:], i > 0
}

// nextLine cuts the first line off.
func nextLine(text []byte) (line, rest []byte) {
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		return text[:i], text[i+1:]
	}
	return text, nil
}

// keyValue splits "key 123". ok is false for any other form.
func keyValue(line []byte) (key []byte, value uint64, ok bool) {
	i := bytes.IndexByte(line, ' ')
	if i <= 0 {
		return nil, 0, false
	}
	value, rest, ok := leadingUint(line[i+1:])
	return line[:i], value, ok && len(rest) == 0
}

// single reads a file that holds one number; "max" is 0 with ok true, since
// that is how no limit is shown in this package.
func single(text []byte) (v uint64, ok bool) {
	text = bytes.TrimSpace(text)
	if string(text) == "max" {
		return 0, true
	}
	v, rest, ok := leadingUint(text)
	return v, ok && len(rest) == 0
}

// skipSpaces drops leading blanks.
func skipSpaces(text []byte) []byte {
	for len(text) > 0 && (text[0] == ' ' || text[0] == '\t') {
		text = text[1:]
	}
	return text
}

// field cuts the first blank-separated field off.
func field(text []byte) (first, rest []byte) {
	text = skipSpaces(text)
	i := 0
	for i < len(text) && text[i] != ' ' && text[i] != '\t' {
		i++
	}
	return text[:i], text[i:]
}
