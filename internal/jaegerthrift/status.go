package jaegerthrift

import (
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// spanKind translates the value of the span.kind tag.
func spanKind(tag string) ptrace.SpanKind {
	switch tag {
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

// setStatus derives the status from the tags. The error tag counts most, then
// otel.status_code, then http.status_code.
// Source: https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/jaeger/
func setStatus(attrs pcommon.Map, span ptrace.Span) {
	failed, ok := attrs.Get(tagError)
	isError := ok && failed.Type() == pcommon.ValueTypeBool && failed.Bool()
	if isError {
		attrs.Remove(tagError)
		span.Status().SetCode(ptrace.StatusCodeError)
		message, described := takeDescription(attrs)
		if !described {
			message = httpMessage(attrs)
		}
		span.Status().SetMessage(message)
	}
	if code, ok := attrs.Get(tagStatusCode); ok {
		if !isError {
			span.Status().SetCode(explicitStatus(code.Str()))
			message, _ := takeDescription(attrs)
			span.Status().SetMessage(message)
		}
		attrs.Remove(tagStatusCode)
		return
	}
	if isError {
		return
	}
	if code, ok := attrs.Get(tagHTTPStatusCode); ok && httpFailed(code, span.Kind()) {
		span.Status().SetCode(ptrace.StatusCodeError)
		span.Status().SetMessage(httpMessage(attrs))
	}
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

// takeDescription removes otel.status_description and returns it.
func takeDescription(attrs pcommon.Map) (string, bool) {
	value, ok := attrs.Get(tagStatusDescription)
	if !ok {
		return "", false
	}
	message := value.Str()
	attrs.Remove(tagStatusDescription)
	return message, true
}

func httpMessage(attrs pcommon.Map) string {
	if value, ok := attrs.Get(tagHTTPStatusMessage); ok {
		return value.Str()
	}
	return ""
}

// httpFailed says whether an HTTP status code means an error: 4xx does for a
// client and not for a server; 100 to 398 does not; everything else does. A
// value that is no number says nothing.
func httpFailed(value pcommon.Value, kind ptrace.SpanKind) bool {
	var code int64
	switch value.Type() {
	case pcommon.ValueTypeInt:
		code = value.Int()
	case pcommon.ValueTypeStr:
		n, err := strconv.ParseInt(value.Str(), 10, 0)
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
