package jaegerthrift

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// The attribute keys of a resource that this package writes or looks at.
const (
	keyServiceName     = "service.name"
	keyHostName        = "host.name"
	keyExporterVersion = "opencensus.exporterversion"
	keyPeerAddress     = "network.peer.address"

	tagHostname      = "hostname"
	tagJaegerVersion = "jaeger.version"
)

// batch reads a Batch struct. It is read a second time, by itself, where its
// fields are not in the order in which every client writes them: then its
// resource cannot be shared.
func (d *Decoder) batch() {
	start := d.r.pos
	if d.groups != nil {
		if inOrder := d.batchFields(true); inOrder || d.r.err != nil {
			return
		}
		d.rollback()
		d.r.pos, d.key = start, group{}
	}
	d.batchFields(false)
}

// batchFields reads the fields of a Batch. With sharing it gives up and answers
// false when a field repeats or the spans come before the process.
func (d *Decoder) batchFields(sharing bool) (inOrder bool) {
	var id int32
	var typ wireType
	var process, spans bool
	if !sharing {
		d.newResource()
	}
	for {
		if id, typ = d.r.field(id); typ == typeStop {
			break
		}
		switch {
		case id == 1 && typ == typeStruct:
			if sharing && process {
				return false
			}
			process = true
			d.batchProcess(sharing)
		case id == 2 && typ == typeList:
			if sharing && (spans || !process) {
				return false
			}
			spans = true
			d.batchSpans(sharing)
		case id == 4 && typ == typeStruct:
			d.clientStats()
		default:
			d.r.skipField(typ)
		}
	}
	if !process {
		d.r.fail(KindMissingField, "Batch.process", 0)
	}
	if !spans {
		d.r.fail(KindMissingField, "Batch.spans", 0)
	}
	if d.created && d.peer != "" && d.r.err == nil {
		d.resource.Resource().Attributes().PutStr(keyPeerAddress, d.peer)
	}
	return true
}

// batchProcess reads the process into a resource of its own or, when the same
// bytes of the same peer were seen since the last flush, finds their resource.
func (d *Decoder) batchProcess(sharing bool) {
	if !sharing {
		d.process(d.resource.Resource())
		return
	}
	start := d.r.pos
	d.r.skip(typeStruct, maxSkipDepth+1)
	if d.r.err != nil {
		return
	}
	d.key = group{peer: d.peer, process: d.r.data[start:d.r.pos], binary: d.r.binary}
	if known, ok := d.groups[d.key]; ok {
		d.joinResource(known)
		return
	}
	d.r.pos = start
	d.newResource()
	d.process(d.resource.Resource())
}

func (d *Decoder) newResource() {
	d.resource = d.dst.ResourceSpans().AppendEmpty()
	d.created = true
}

func (d *Decoder) joinResource(known ptrace.ResourceSpans) {
	d.resource, d.joined = known, true
	d.spansBefore = 0
	if known.ScopeSpans().Len() > 0 {
		d.spansBefore = known.ScopeSpans().At(0).Spans().Len()
	}
}

// batchSpans reads the list of spans into the resource's one unnamed scope.
func (d *Decoder) batchSpans(sharing bool) {
	scopes := d.resource.ScopeSpans()
	if !sharing { // a repeated field: the last one counts
		scopes.RemoveIf(func(ptrace.ScopeSpans) bool { return true })
		d.spans = 0
	}
	n := d.r.structs(smallestSpan, "Batch.spans")
	if n == 0 {
		return
	}
	if scopes.Len() == 0 {
		scopes.AppendEmpty().Spans().EnsureCapacity(n)
	}
	d.readSpans(n, scopes.At(0).Spans())
}

// clientStats checks the struct that newer clients add about themselves.
func (d *Decoder) clientStats() {
	var id int32
	var typ wireType
	var seen fieldSet
	for {
		if id, typ = d.r.field(id); typ == typeStop {
			break
		}
		if typ == typeI64 {
			seen.add(id)
		}
		d.r.skipField(typ)
	}
	d.require(seen, &clientStatsFields)
}

// process reads a Process struct into a resource.
func (d *Decoder) process(dst pcommon.Resource) {
	var id int32
	var typ wireType
	var service string
	var tags []tag
	var named bool
	for {
		if id, typ = d.r.field(id); typ == typeStop {
			break
		}
		switch {
		case id == 1 && typ == typeString:
			service = d.r.text()
			named = true
		case id == 2 && typ == typeList:
			tags = d.tags("Process.tags")
		default:
			d.r.skipField(typ)
		}
	}
	if !named {
		d.r.fail(KindMissingField, "Process.serviceName", 0)
	}
	if d.r.err == nil {
		d.resourceAttributes(service, tags, dst.Attributes())
	}
}

// resourceAttributes writes a process's tags behind the name of its service,
// unless a tag says the name too, and renames what Jaeger clients call
// differently.
func (d *Decoder) resourceAttributes(service string, tags []tag, dst pcommon.Map) {
	if at := find(tags, tagHostname); at >= 0 && find(tags, keyHostName) < 0 {
		tags[at].key = keyHostName
	}
	if at := find(tags, tagJaegerVersion); at >= 0 && find(tags, keyExporterVersion) < 0 {
		version := tags[at].stringValue()
		tags[at] = tag{key: keyExporterVersion, kind: tagString, text: "Jaeger-" + version}
	}
	spare := 0
	if d.peer != "" {
		spare++
	}
	if service != "" && find(tags, keyServiceName) < 0 {
		d.builder.EnsureCapacity(1 + len(tags) + spare)
		d.builder.AppendEmpty(keyServiceName).SetStr(service)
	}
	d.attributes(tags, 0, spare, dst)
}
