package main

import (
	"fmt"
	"testing"

	translator "github.com/open-telemetry/opentelemetry-collector-contrib/pkg/translator/jaeger"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/governor-project/governor/internal/jaegerthrift"
)

// decodeCost is what it costs to make pdata of a packet, per span.
type decodeCost struct {
	Nanoseconds float64 `json:"ns_per_span"`
	Bytes       float64 `json:"bytes_per_span"`
	Allocations float64 `json:"allocs_per_span"`
}

// decoders returns a function per receiver that decodes one packet into traces of
// its own.
func decoders() map[string]func([]byte) (ptrace.Traces, error) {
	var d jaegerthrift.Decoder
	reader := newThriftReader()
	return map[string]func([]byte) (ptrace.Traces, error){
		nameGovernor: func(data []byte) (ptrace.Traces, error) {
			traces := ptrace.NewTraces()
			_, err := d.AppendCompact(data, traces)
			return traces, err
		},
		nameContrib: func(data []byte) (ptrace.Traces, error) {
			batch, err := reader.batch(data)
			if err != nil {
				return ptrace.Traces{}, err
			}
			return translator.ThriftToTraces(batch)
		},
	}
}

// measureDecode decodes packets in a circle with testing.Benchmark.
func measureDecode(name string, packets []packet) (decodeCost, error) {
	decode := decoders()[name]
	var failure error
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			if _, err := decode(packets[i%len(packets)].data); err != nil {
				failure = fmt.Errorf("decode with %s: %w", name, err)
				b.FailNow()
			}
		}
	})
	if failure != nil {
		return decodeCost{}, failure
	}
	spans := float64(result.N) * spansPerPacket(packets)
	return decodeCost{
		Nanoseconds: float64(result.T.Nanoseconds()) / spans,
		Bytes:       float64(result.MemBytes) / spans,
		Allocations: float64(result.MemAllocs) / spans,
	}, nil
}
