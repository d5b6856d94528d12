package guidroutingprocessor

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/inventory"
	"github.com/governor-project/governor/processor/guidroutingprocessor/internal/metadata"
)

// The containers of the tests.
var (
	frontID = strings.Repeat("a1", 32)
	plainID = strings.Repeat("b2", 32)
)

// front was created by Governor, plain by somebody else, host shares the host's network.
func containers() []inventory.Container {
	network := func(addr ...string) []inventory.Network {
		n := inventory.Network{Name: "bridge"}
		for _, a := range addr {
			n.Addresses = append(n.Addresses, netip.MustParseAddr(a))
		}
		return []inventory.Network{n}
	}
	return []inventory.Container{
		{ID: frontID, Name: "shop-front", Image: "hotrod:1", Hostname: "front.shop", GUID: "hotrod-42", App: "shop",
			Policy: appspec.Policy{Class: appspec.LatencyCritical}, Networks: network("172.17.0.2", "fd00::2")},
		{ID: plainID, Name: "plain", Image: "redis", Hostname: plainID[:12], Networks: network("172.17.0.3")},
		{ID: strings.Repeat("c3", 32), Name: "twin1", Hostname: "twin"},
		{ID: strings.Repeat("d4", 32), Name: "twin2", Hostname: "twin"},
		{ID: strings.Repeat("e5", 32), Name: "on-host", Hostname: "thehost", HostNetwork: true},
	}
}

// host is a collector whose extension hosts the inventory.
type host struct {
	component.Component
	store inventory.Store
}

func newHost() *host {
	h := &host{}
	h.store.Replace(containers())
	return h
}

func (h *host) Inventory() inventory.Reader { return &h.store }

func (h *host) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{component.MustNewID("container_lifecycle"): h}
}

// bed is one traces processor between a test and a sink.
type bed struct {
	processor.Traces
	t    testing.TB
	host *host
	sink *fickle
	tel  *componenttest.Telemetry
}

func newBed(t testing.TB, change func(*Config)) *bed {
	b := &bed{t: t, host: newHost(), sink: &fickle{}, tel: componenttest.NewTelemetry()}
	cfg := createDefaultConfig().(*Config)
	if change != nil {
		change(cfg)
	}
	var err error
	b.Traces, err = NewFactory().CreateTraces(context.Background(), settings(b.tel), cfg, b.sink)
	require.NoError(t, err)
	require.NoError(t, b.Start(context.Background(), b.host))
	return b
}

func settings(tel *componenttest.Telemetry) processor.Settings {
	set := processortest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = tel.NewTelemetrySettings()
	return set
}

func (b *bed) send(td ptrace.Traces) {
	b.t.Helper()
	require.NoError(b.t, b.ConsumeTraces(context.Background(), td))
}

func (b *bed) stop() {
	b.t.Helper()
	require.NoError(b.t, b.Shutdown(context.Background()))
}

// fickle is a sink that can refuse.
type fickle struct {
	consumertest.TracesSink
	spoils bool // takes a batch apart before it refuses it, as a mutating consumer may

	mu       sync.Mutex
	refusals int // of the next calls
	err      error
}

var errRefused = errors.New("queue is full")

// refuse makes the next calls fail.
func (f *fickle) refuse(calls int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refusals, f.err = calls, err
}

// left is the number of calls that are still to fail.
func (f *fickle) left() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refusals
}

func (f *fickle) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{MutatesData: f.spoils}
}

func (f *fickle) ConsumeTraces(ctx context.Context, td ptrace.Traces) error {
	if err := f.refusal(); err != nil {
		if f.spoils {
			td.ResourceSpans().RemoveIf(func(ptrace.ResourceSpans) bool { return true })
		}
		return err
	}
	return f.TracesSink.ConsumeTraces(ctx, td)
}

func (f *fickle) refusal() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refusals == 0 {
		return nil
	}
	f.refusals--
	return f.err
}

// out returns all spans that have come out, by name.
func (b *bed) out() map[string]ptrace.Span {
	b.t.Helper()
	all := map[string]ptrace.Span{}
	for _, td := range b.sink.AllTraces() {
		eachSpan(td, func(_ ptrace.ResourceSpans, s ptrace.Span) {
			_, twice := all[s.Name()]
			require.False(b.t, twice, "span %s came out twice", s.Name())
			all[s.Name()] = s
		})
	}
	return all
}

// batchOf makes a batch of one resource; spanOf adds to it.
func batchOf(resource map[string]any) ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	_ = rs.Resource().Attributes().FromRaw(resource)
	rs.ScopeSpans().AppendEmpty()
	return td
}

// spanOf adds a span of trace n that lies between start and end, in ms.
func spanOf(td ptrace.Traces, name string, n byte, root bool, start, end int) ptrace.Traces {
	const origin = 1_700_000_000_000
	s := td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().AppendEmpty()
	s.SetName(name)
	s.SetTraceID(pcommon.TraceID{0: 1, 15: n})
	id := pcommon.SpanID{}
	copy(id[:], name)
	s.SetSpanID(id)
	if !root {
		s.SetParentSpanID(pcommon.SpanID{7: 1})
	}
	s.SetStartTimestamp(pcommon.Timestamp((origin + start) * 1e6))
	s.SetEndTimestamp(pcommon.Timestamp((origin + end) * 1e6))
	return td
}

func root(name string, n byte, start, end int) ptrace.Traces {
	return spanOf(batchOf(nil), name, n, true, start, end)
}

func child(name string, n byte, start, end int) ptrace.Traces {
	return spanOf(batchOf(nil), name, n, false, start, end)
}
