package jaegerthrift

import (
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Tags of spans and logs that become something other than an attribute.
const (
	tagSpanKind          = "span.kind"
	tagError             = "error"
	tagStatusCode        = "otel.status_code"
	tagStatusDescription = "otel.status_description"
	tagHTTPStatusCode    = "http.status_code"
	tagHTTPStatusMessage = "http.status_message"
	tagEventName         = "event"
)

// spanTags reads a span's tags: those that mean something else than an attribute
// become that. The span's list may be repeated; the last one counts.
func (d *Decoder) spanTags(span ptrace.Span) {
	s := special{tags: d.tags("Span.tags")}
	s.find()
	kind := s.spanKind()
	span.SetKind(kind)
	code, message := s.status(kind)
	span.Status().SetCode(code)
	span.Status().SetMessage(message)
	d.attributes(s.tags, s.used, 0, span.Attributes())
}

// place is where a tag is in a list, counted from 1; 0 where it is not.
type place int

// special are the tags of a span that mean something else than an attribute.
type special struct {
	tags []tag
	used int // tags that become no attribute

	kind, failed, statusCode, description, httpStatusCode, httpMessage place
}

func (s *special) find() {
	for i := range s.tags {
		at := place(i + 1)
		switch s.tags[i].key {
		case tagSpanKind:
			s.kind = at
		case tagError:
			s.failed = at
		case tagStatusCode:
			s.statusCode = at
		case tagStatusDescription:
			s.description = at
		case tagHTTPStatusCode:
			s.httpStatusCode = at
		case tagHTTPStatusMessage:
			s.httpMessage = at
		}
	}
}

// text is the string value of a tag, "" where the span has none.
func (s *special) text(at place) string {
	if at == 0 {
		return ""
	}
	return s.tags[at-1].stringValue()
}

// take is text for a tag that is not to become an attribute.
func (s *special) take(at place) string {
	if at == 0 {
		return ""
	}
	s.tags[at-1].used = true
	s.used++
	return s.tags[at-1].stringValue()
}

func (s *special) spanKind() ptrace.SpanKind {
	switch s.take(s.kind) {
	case "client":
		return ptrace.SpanKindClient
	case "server":
		return ptrace.SpanKindServer
	case "producer":
		return ptrace.SpanKindProducer
	case "consumer":
		return ptrace.SpanKindConsumer
	case "internal":
		return ptrace.SpanKindInternal
	}
	return ptrace.SpanKindUnspecified
}

// status derives the status from the tags. The error tag counts most, then
// otel.status_code, then http.status_code.
// Source: https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/jaeger/
func (s *special) status(kind ptrace.SpanKind) (code ptrace.StatusCode, message string) {
	switch {
	case s.failed != 0 && s.tags[s.failed-1].isTrue():
		s.take(s.failed)
		s.take(s.statusCode)
		if s.description != 0 {
			return ptrace.StatusCodeError, s.take(s.description)
		}
		return ptrace.StatusCodeError, s.text(s.httpMessage)
	case s.statusCode != 0:
		return explicitStatus(s.take(s.statusCode)), s.take(s.description)
	case s.httpStatusCode != 0 && httpFailed(&s.tags[s.httpStatusCode-1], kind):
		return ptrace.StatusCodeError, s.text(s.httpMessage)
	}
	return ptrace.StatusCodeUnset, ""
}

func explicitStatus(code string) ptrace.StatusCode {
	switch strings.ToUpper(code) {
	case "OK":
		return ptrace.StatusCodeOk
	case "ERROR":
		return ptrace.StatusCodeError
	}
	return ptrace.StatusCodeUnset
}

// httpFailed says whether an HTTP status code means an error: 4xx does for a
// client and not for a server; 100 to 398 does not; everything else does. A
// value that is no number says nothing.
func httpFailed(t *tag, kind ptrace.SpanKind) bool {
	var code int64
	switch t.kind {
	case tagLong:
		code = int64(t.bits)
	case tagString:
		n, err := strconv.ParseInt(t.text, 10, 0)
		if err != nil {
			return false
		}
		code = n
	default:
		return false
	}
	if code >= 400 && code < 500 && kind == ptrace.SpanKindServer {
		return false
	}
	return code < 100 || code >= 399
}
