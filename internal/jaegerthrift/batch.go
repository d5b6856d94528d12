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
		d.resource.Resource().Attributes().Clear()
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
	d.spanList(n, scopes.At(0).Spans())
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

// process reads a Process struct into an empty resource.
func (d *Decoder) process(dst pcommon.Resource) {
	attrs := dst.Attributes()
	var id int32
	var typ wireType
	var service string
	var named, rebuild bool
	var tags seen
	tagsAt := -1
	for {
		if id, typ = d.r.field(id); typ == typeStop {
			break
		}
		switch {
		case id == 1 && typ == typeString:
			service = d.r.text()
			rebuild = rebuild || named || tagsAt >= 0
			named = true
		case id == 2 && typ == typeList:
			rebuild = rebuild || !named || tagsAt >= 0
			tagsAt = d.r.pos
			tags = d.processTags(service, attrs)
		default:
			d.r.skipField(typ)
		}
	}
	if !named {
		d.r.fail(KindMissingField, "Process.serviceName", 0)
	}
	if d.r.err != nil {
		return
	}
	switch {
	case tagsAt < 0 && service != "":
		attrs.PutStr(keyServiceName, service)
	case rebuild && tagsAt >= 0:
		// The fields came in another order or twice: start again with the
		// service's name first and the tags that came last.
		end := d.r.pos
		d.r.pos = tagsAt
		tags = d.processTags(service, attrs)
		d.r.pos = end
	}
	translateProcess(attrs, tags)
}

// processTags reads the tags of a process behind the name of its service.
func (d *Decoder) processTags(service string, attrs pcommon.Map) seen {
	attrs.Clear()
	n := d.r.structs(smallestTag, "Process.tags")
	attrs.EnsureCapacity(min(n, maxScannedTags) + 2) // and the service and the peer
	if service != "" {
		attrs.PutStr(keyServiceName, service)
	}
	return d.tags(n, attrs, ownerProcess)
}

// translateProcess renames what Jaeger clients call differently.
func translateProcess(attrs pcommon.Map, tags seen) {
	if tags.hostname {
		if _, ok := attrs.Get(keyHostName); !ok {
			hostname, _ := attrs.Get(tagHostname)
			value := pcommon.NewValueEmpty()
			hostname.CopyTo(value)
			attrs.Remove(tagHostname)
			value.CopyTo(attrs.PutEmpty(keyHostName))
		}
	}
	if tags.version {
		if _, ok := attrs.Get(keyExporterVersion); !ok {
			version, _ := attrs.Get(tagJaegerVersion)
			text := version.Str()
			attrs.Remove(tagJaegerVersion)
			attrs.PutStr(keyExporterVersion, "Jaeger-"+text)
		}
	}
}
