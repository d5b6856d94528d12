package main

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opentracing/opentracing-go"
	"github.com/opentracing/opentracing-go/ext"
	"github.com/uber/jaeger-client-go"
	"github.com/uber/jaeger-client-go/log"
	"github.com/uber/jaeger-client-go/utils"
)

// Environment that the process reads; any traced container has it.
const (
	envAgentHost   = "JAEGER_AGENT_HOST"
	envAgentPort   = "JAEGER_AGENT_PORT"
	envServiceName = "JAEGER_SERVICE_NAME"
	envGUID        = "GOVERNOR_GUID"
)

const (
	guidTag          = "governor.guid"
	defaultAgentPort = "6831"
	// spanQueue holds several seconds of spans: what the client loses is then lost
	// by the network and not by a full queue of its own.
	spanQueue = 100_000
)

// tracing sends the spans of requests through jaeger-client-go.
type tracing struct {
	tracer opentracing.Tracer
	closer func() error
	once   sync.Once
	sent   counter
	lost   counter
}

// newTracing connects to the agent that the environment names. Without a host
// it makes spans that go nowhere.
func newTracing(flush time.Duration) (*tracing, error) {
	t := &tracing{}
	reporter := jaeger.NewNullReporter()
	if host := os.Getenv(envAgentHost); host != "" {
		address := net.JoinHostPort(host, cmp.Or(os.Getenv(envAgentPort), defaultAgentPort))
		sender, err := jaeger.NewUDPTransportWithParams(jaeger.UDPTransportParams{
			AgentClientUDPParams: utils.AgentClientUDPParams{HostPort: address, Logger: log.NullLogger, DisableAttemptReconnecting: true},
		})
		if err != nil {
			return nil, fmt.Errorf("send spans to %s: %w", address, err)
		}
		reporter = jaeger.NewRemoteReporter(sender,
			jaeger.ReporterOptions.QueueSize(spanQueue),
			jaeger.ReporterOptions.BufferFlushInterval(flush),
			jaeger.ReporterOptions.Metrics(t.metrics()))
	}
	var options []jaeger.TracerOption
	if guid := os.Getenv(envGUID); guid != "" {
		options = append(options, jaeger.TracerOptions.Tag(guidTag, guid))
	}
	tracer, closer := jaeger.NewTracer(cmp.Or(os.Getenv(envServiceName), roleService), jaeger.NewConstSampler(true), reporter, options...)
	t.tracer, t.closer = tracer, closer.Close
	return t, nil
}

func (t *tracing) metrics() *jaeger.Metrics {
	m := jaeger.NewNullMetrics()
	m.ReporterSuccess, m.ReporterFailure, m.ReporterDropped = &t.sent, &t.lost, &t.lost
	return m
}

// counts is how many spans were sent and how many the client lost.
func (t *tracing) counts() (sent, lost int64) { return t.sent.n.Load(), t.lost.n.Load() }

// close sends what is still held back. Later calls do nothing.
func (t *tracing) close() { t.once.Do(func() { _ = t.closer() }) }

// serve does the work of one request, with its trace:
//
//	request                 from the intended arrival: time in the queue is part of it
//	├─ authorize            10 % of the CPU time
//	├─ compute              40 %
//	│  └─ lookup            20 %
//	└─ render               30 %
//
// What the calling thread spends on the spans themselves is part of the cost.
func (t *tracing) serve(r *request, cost time.Duration, b burner) error {
	began, err := threadCPU()
	if err != nil {
		return err
	}
	upTo := func(percent time.Duration) func(opentracing.Span) error {
		return func(opentracing.Span) error { return b.burn(began + cost*percent/100) }
	}
	root := t.tracer.StartSpan("request", opentracing.StartTime(r.intended), ext.SpanKindRPCServer)
	defer root.Finish()
	if err := t.step(root, "authorize", upTo(10)); err != nil {
		return err
	}
	err = t.step(root, "compute", func(compute opentracing.Span) error {
		if err := t.step(compute, "lookup", upTo(30)); err != nil {
			return err
		}
		return upTo(70)(compute)
	})
	if err != nil {
		return err
	}
	return t.step(root, "render", upTo(100))
}

func (t *tracing) step(parent opentracing.Span, name string, do func(opentracing.Span) error) error {
	span := t.tracer.StartSpan(name, opentracing.ChildOf(parent.Context()))
	defer span.Finish()
	return do(span)
}

// counter implements the counter interface of jaeger-lib.
type counter struct{ n atomic.Int64 }

// Inc adds delta.
func (c *counter) Inc(delta int64) { c.n.Add(delta) }
