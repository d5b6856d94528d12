package jaegerthrift

import "math/bits"

// fieldSet remembers which fields of a struct were set. Field IDs from 1 to 15
// count; others are nobody's.
type fieldSet uint16

func (s *fieldSet) add(id int32) {
	if id > 0 && id < 16 {
		*s |= 1 << id
	}
}

// requirement is the set of fields that a struct must have, with their names.
type requirement struct {
	fields fieldSet
	names  [16]string
}

func required(prefix string, names map[int]string) requirement {
	var req requirement
	for id, name := range names {
		req.fields |= 1 << id
		req.names[id] = prefix + "." + name
	}
	return req
}

// require fails when a required field was not set, naming the first of them.
func (d *Decoder) require(seen fieldSet, req *requirement) {
	if missing := req.fields &^ seen; missing != 0 {
		d.r.fail(KindMissingField, req.names[bits.TrailingZeros16(uint16(missing))], 0)
	}
}

// What jaeger.thrift marks as required.
// Source: https://github.com/jaegertracing/jaeger-idl/blob/main/thrift/jaeger.thrift
var (
	spanFields = required("Span", map[int]string{
		1: "traceIdLow", 2: "traceIdHigh", 3: "spanId", 4: "parentSpanId",
		5: "operationName", 7: "flags", 8: "startTime", 9: "duration",
	})
	tagFields         = required("Tag", map[int]string{1: "key", 2: "vType"})
	logFields         = required("Log", map[int]string{1: "timestamp", 2: "fields"})
	refFields         = required("SpanRef", map[int]string{1: "refType", 2: "traceIdLow", 3: "traceIdHigh", 4: "spanId"})
	clientStatsFields = required("ClientStats", map[int]string{
		1: "fullQueueDroppedSpans", 2: "tooLargeDroppedSpans", 3: "failedToEmitSpans",
	})
)

// The smallest encodings of the structs that come in lists: their required
// fields with one-byte or empty values, and the end of the struct. A compact
// field header takes at least 1 byte and an integer 1; binary ones 3, and 4 or 8.
var (
	smallestSpan = smallestEncoding{compact: 8*2 + 1, binary: 6*(3+8) + (3 + 4) + (3 + 4) + 1}
	smallestTag  = smallestEncoding{compact: 2*2 + 1, binary: 2*(3+4) + 1}
	smallestLog  = smallestEncoding{compact: 2*2 + 1, binary: (3 + 8) + (3 + 5) + 1}
	smallestRef  = smallestEncoding{compact: 4*2 + 1, binary: (3 + 4) + 3*(3+8) + 1}
)
