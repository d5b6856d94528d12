package jaegerthrift

import "go.opentelemetry.io/collector/pdata/ptrace"

// Gatherer collects the spans of many packets in one ptrace.Traces, so that what
// a pipeline costs per call is shared. Packets of the same process and the same
// peer share a ResourceSpans; packets of different peers never do. It serves one
// goroutine at a time.
type Gatherer struct {
	d       Decoder
	traces  ptrace.Traces
	spans   int
	packets int
}

// NewGatherer returns an empty Gatherer.
func NewGatherer() *Gatherer {
	return &Gatherer{
		d:      Decoder{groups: map[group]ptrace.ResourceSpans{}},
		traces: ptrace.NewTraces(),
	}
}

// AppendCompact adds an emitBatch message of the compact protocol that came from
// peer. Unless peer is empty it becomes the resource's network.peer.address. On
// failure the error is an *Error and nothing of the packet was added. The traces
// keep the packet.
func (g *Gatherer) AppendCompact(packet, peer string) (spans int, err error) {
	g.d.peer = peer
	spans, err = g.d.append(packet, false, (*Decoder).message, g.traces)
	return g.note(spans, err)
}

// AppendBinary is AppendCompact for the binary protocol.
func (g *Gatherer) AppendBinary(packet, peer string) (spans int, err error) {
	g.d.peer = peer
	spans, err = g.d.append(packet, true, (*Decoder).message, g.traces)
	return g.note(spans, err)
}

// AppendBatch is AppendCompact for a bare Batch struct of the binary protocol.
func (g *Gatherer) AppendBatch(body, peer string) (spans int, err error) {
	g.d.peer = peer
	spans, err = g.d.append(body, true, (*Decoder).batch, g.traces)
	return g.note(spans, err)
}

func (g *Gatherer) note(spans int, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	if g.d.created && g.d.key.process != "" {
		g.d.groups[g.d.key] = g.d.resource
	}
	g.packets++
	g.spans += spans
	return spans, nil
}

// Spans is the number of spans gathered since the last Take.
func (g *Gatherer) Spans() int { return g.spans }

// Packets is the number of packets gathered since the last Take.
func (g *Gatherer) Packets() int { return g.packets }

// Take returns what was gathered and starts anew.
func (g *Gatherer) Take() ptrace.Traces {
	taken := g.traces
	g.traces = ptrace.NewTraces()
	g.spans, g.packets = 0, 0
	clear(g.d.groups)
	g.d.forget()
	return taken
}
