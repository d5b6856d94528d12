package jaegerreceiver

import (
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/governor-project/governor/internal/jaegerthrift"
)

// gatherer decodes the packets of one UDP protocol and collects their spans until
// they are taken. It serves one worker at a time.
type gatherer interface {
	// add decodes one packet of a peer; unless peer is empty it becomes the
	// resource's network.peer.address. On failure nothing of the packet is kept.
	add(data, peer string) error
	// Spans and Packets are what was added since the last Take.
	Spans() int
	Packets() int
	Take() ptrace.Traces
}

// jaegerGatherer gathers emitBatch messages.
type jaegerGatherer struct {
	*jaegerthrift.Gatherer
	decode func(g *jaegerthrift.Gatherer, data, peer string) (spans int, err error)
}

func newCompactGatherer() gatherer {
	return jaegerGatherer{jaegerthrift.NewGatherer(), (*jaegerthrift.Gatherer).AppendCompact}
}

func newBinaryGatherer() gatherer {
	return jaegerGatherer{jaegerthrift.NewGatherer(), (*jaegerthrift.Gatherer).AppendBinary}
}

func (g jaegerGatherer) add(data, peer string) error {
	_, err := g.decode(g.Gatherer, data, peer)
	return err
}
