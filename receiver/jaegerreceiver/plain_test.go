package jaegerreceiver

import (
	"fmt"
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// plain writes traces out line by line for comparison and for reading failures:
// attributes have no order, nor do resources; spans of a resource have one.
func plain(traces ptrace.Traces) []string {
	lines := []string{}
	for _, rs := range traces.ResourceSpans().All() {
		resource := plainMap(rs.Resource().Attributes())
		if rs.ScopeSpans().Len() == 0 {
			lines = append(lines, resource)
		}
		for _, ss := range rs.ScopeSpans().All() {
			for i, span := range ss.Spans().All() {
				lines = append(lines, fmt.Sprintf("%s scope %q span %d: %s", resource, ss.Scope().Name(), i, plainSpan(span)))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

func plainSpan(s ptrace.Span) string {
	text := fmt.Sprintf("%s/%s<%s %q %s %d–%d %s %q flags %d state %q %s", s.TraceID(), s.SpanID(), s.ParentSpanID(), s.Name(), s.Kind(),
		s.StartTimestamp(), s.EndTimestamp(), s.Status().Code(), s.Status().Message(), s.Flags(), s.TraceState().AsRaw(), plainMap(s.Attributes()))
	for _, event := range s.Events().All() {
		text += fmt.Sprintf(" event %d %q %s", event.Timestamp(), event.Name(), plainMap(event.Attributes()))
	}
	for _, link := range s.Links().All() {
		text += fmt.Sprintf(" link %s/%s %s", link.TraceID(), link.SpanID(), plainMap(link.Attributes()))
	}
	return text
}

// plainMap relies on fmt, which sorts the keys of maps.
func plainMap(m pcommon.Map) string { return fmt.Sprintf("%#v", m.AsRaw()) }
