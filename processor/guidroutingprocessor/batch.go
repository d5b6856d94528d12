package guidroutingprocessor

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/governor-project/governor/internal/inventory"
	"github.com/governor-project/governor/internal/tracelatency"
)

// heldRoot is a root span that waits, with where it came from.
type heldRoot struct {
	from *provenance
	span ptrace.Span
}

// provenance is the resource and scope that the roots of one batch share.
type provenance struct {
	spans ptrace.ResourceSpans // resource, one scope, no spans
	app   string
}

// batch is what one call of ConsumeTraces takes out of a batch. It is reused.
type batch struct {
	children []tracelatency.Span
	roots    []rootSpan
	exits    []exit
}

type rootSpan struct {
	span tracelatency.Span
	root heldRoot
}

// largestBatch bounds the memory that a batch keeps between uses, in spans.
const largestBatch = 1 << 16

// reset forgets everything and reports whether the batch is worth keeping.
func (b *batch) reset() bool {
	clear(b.roots)
	clear(b.exits)
	b.children, b.roots, b.exits = b.children[:0], b.roots[:0], b.exits[:0]
	return cap(b.children) <= largestBatch && cap(b.roots) <= largestBatch && cap(b.exits) <= largestBatch
}

// take notes all spans and removes the roots, with the scopes and resources
// that have nothing left then.
func (b *batch) take(td ptrace.Traces) {
	emptied := false
	resources := td.ResourceSpans()
	for i := range resources.Len() {
		rs := resources.At(i)
		emptiedScope := false
		for j := range rs.ScopeSpans().Len() {
			ss := rs.ScopeSpans().At(j)
			if b.note(ss.Spans()) {
				b.remove(rs, ss)
				emptiedScope = emptiedScope || ss.Spans().Len() == 0
			}
		}
		if emptiedScope {
			rs.ScopeSpans().RemoveIf(func(ss ptrace.ScopeSpans) bool { return ss.Spans().Len() == 0 })
			emptied = emptied || rs.ScopeSpans().Len() == 0
		}
	}
	if emptied {
		resources.RemoveIf(func(rs ptrace.ResourceSpans) bool { return rs.ScopeSpans().Len() == 0 })
	}
}

// note notes the children and reports whether there are roots.
func (b *batch) note(spans ptrace.SpanSlice) (roots bool) {
	for i := range spans.Len() {
		if s := spans.At(i); isRoot(s) {
			roots = true
		} else {
			b.children = append(b.children, observation(s))
		}
	}
	return roots
}

// remove moves the roots of a scope into spans of their own. Not into a slice:
// that would keep the shell of each root until the last of them has left.
func (b *batch) remove(rs ptrace.ResourceSpans, ss ptrace.ScopeSpans) {
	from := provenanceOf(rs, ss)
	ss.Spans().RemoveIf(func(s ptrace.Span) bool {
		if !isRoot(s) {
			return false
		}
		held := rootSpan{span: observation(s), root: heldRoot{from: from, span: ptrace.NewSpan()}}
		s.MoveTo(held.root.span)
		b.roots = append(b.roots, held)
		return true
	})
}

// provenanceOf copies: what stays in the batch belongs to the next component.
func provenanceOf(rs ptrace.ResourceSpans, ss ptrace.ScopeSpans) *provenance {
	p := &provenance{spans: ptrace.NewResourceSpans(), app: appOf(rs.Resource())}
	rs.Resource().CopyTo(p.spans.Resource())
	p.spans.SetSchemaUrl(rs.SchemaUrl())
	scope := p.spans.ScopeSpans().AppendEmpty()
	ss.Scope().CopyTo(scope.Scope())
	scope.SetSchemaUrl(ss.SchemaUrl())
	return p
}

// assemble makes a batch of roots that leave, each resource and scope as it came.
func assemble(exits []exit, tel *telemetry) ptrace.Traces {
	td := ptrace.NewTraces()
	places := make(map[*provenance]ptrace.SpanSlice, len(exits))
	for i := range exits {
		e := &exits[i]
		from, span := e.Root.from, e.Root.span
		if e.Stamped {
			e.Result.Stamp(span)
			tel.latency(from.app, span, &e.Result)
		}
		place, ok := places[from]
		if !ok {
			rs := td.ResourceSpans().AppendEmpty()
			from.spans.CopyTo(rs)
			place = rs.ScopeSpans().At(0).Spans()
			places[from] = place
		}
		span.MoveTo(place.AppendEmpty())
	}
	return td
}

func isRoot(s ptrace.Span) bool { return s.ParentSpanID().IsEmpty() }

func observation(s ptrace.Span) tracelatency.Span {
	return tracelatency.Span{Trace: s.TraceID(), ID: s.SpanID(), Start: s.StartTimestamp(), End: s.EndTimestamp()}
}

func appOf(resource pcommon.Resource) string {
	if app, ok := resource.Attributes().Get(inventory.AttrApp); ok {
		return app.Str()
	}
	return ""
}

func eachSpan(td ptrace.Traces, do func(ptrace.ResourceSpans, ptrace.Span)) {
	for i := range td.ResourceSpans().Len() {
		rs := td.ResourceSpans().At(i)
		for j := range rs.ScopeSpans().Len() {
			spans := rs.ScopeSpans().At(j).Spans()
			for k := range spans.Len() {
				do(rs, spans.At(k))
			}
		}
	}
}
