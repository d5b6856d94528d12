package jaegerthrift

import "fmt"

// Kind says which rule of the wire a packet broke. The set is closed.
type Kind string

// The kinds of Error.
const (
	// KindTruncated: the bytes end inside a value.
	KindTruncated Kind = "truncated"
	// KindOverflow: a varint does not fit the integer it stands for.
	KindOverflow Kind = "varint overflow"
	// KindNegativeSize: a string, list, set or map declares a length below zero.
	KindNegativeSize Kind = "negative size"
	// KindSize: a string, list, set or map declares more than the remaining bytes can hold.
	KindSize Kind = "size beyond the packet"
	// KindType: a type code that thrift does not know, or list elements of the wrong type.
	KindType Kind = "wrong type"
	// KindHeader: the message does not start with a header of the expected protocol.
	KindHeader Kind = "bad header"
	// KindMessage: a message other than a call of emitBatch.
	KindMessage Kind = "unexpected message"
	// KindMissingField: a field that the Jaeger IDL requires is not set.
	KindMissingField Kind = "missing field"
	// KindDepth: skipped structures are nested deeper than maxSkipDepth.
	KindDepth Kind = "nested too deep"
	// KindInternal: the decoder itself failed; the packet is refused.
	KindInternal Kind = "internal"
)

// Error is the reason a packet was refused. Nothing of the packet was kept.
type Error struct {
	Kind Kind
	// Offset is the index of the byte at which the decoder stopped.
	Offset int
	// What names the field, value or structure that was being read.
	What string
	// Got is the offending number (a declared size, a type code) where there is one, else 0.
	Got int64
}

// Error names the kind, the place and the offending value.
func (e *Error) Error() string {
	if e.Got != 0 {
		return fmt.Sprintf("jaeger thrift: %s: %s (%d) at byte %d", e.Kind, e.What, e.Got, e.Offset)
	}
	return fmt.Sprintf("jaeger thrift: %s: %s at byte %d", e.Kind, e.What, e.Offset)
}
