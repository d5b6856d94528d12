package jaegerthrift

// emitBatch is the one method of jaeger.thrift's Agent service that carries
// Jaeger spans.
// Source: https://github.com/jaegertracing/jaeger-idl/blob/main/thrift/agent.thrift
const emitBatch = "emitBatch"

// The message types that ask for something. emitBatch is oneway; some clients
// send it as a call and do not wait.
const (
	messageCall   = 1
	messageOneway = 4
)

// message reads a whole emitBatch message. Bytes behind it are ignored, as the
// thrift libraries do.
func (d *Decoder) message() {
	var name string
	var kind byte
	if d.r.binary {
		name, kind = d.r.binaryHeader()
	} else {
		name, kind = d.r.compactHeader()
	}
	if d.r.err != nil {
		return
	}
	if name != emitBatch {
		d.r.fail(KindMessage, "method is not emitBatch", 0)
		return
	}
	if kind != messageCall && kind != messageOneway {
		d.r.fail(KindMessage, "message type", int64(kind))
		return
	}
	d.arguments()
}

// arguments reads the struct of emitBatch's arguments: field 1 is the batch.
func (d *Decoder) arguments() {
	var id int32
	var typ wireType
	found := false
	for {
		if id, typ = d.r.field(id); typ == typeStop {
			break
		}
		if id != 1 || typ != typeStruct {
			d.r.skipField(typ)
			continue
		}
		if found { // a repeated field: the last one counts
			d.rollback()
		}
		found = true
		d.batch()
	}
	if !found {
		d.r.fail(KindMissingField, "emitBatch.batch", 0)
	}
}
