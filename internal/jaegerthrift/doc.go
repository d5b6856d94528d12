// Package jaegerthrift turns Jaeger thrift bytes into pdata traces.
//
// It is a pure room: bytes come in as arguments, traces and errors go out. No
// sockets, no clocks, no logging belong here; those are the receiver's.
//
// The wire is read once, from front to back, straight into ptrace, without the
// generated thrift structs in between. Every length that the wire declares is
// held against the bytes that are left before anything is allocated, so that a
// packet of n bytes never costs more than a fixed multiple of n. A packet is all
// or nothing: when any of it is wrong the destination is put back as it was.
//
// What a field becomes in pdata is the same as in the translator of the
// OpenTelemetry Collector contrib repository (pkg/translator/jaeger,
// ThriftToTraces); the tests hold the two against each other. Like the generated
// thrift readers, a field of an unexpected type is skipped, and the packet is
// refused only when that leaves a required field unset.
//
// The files: errors.go is what can be wrong; reader.go, compact.go, binary.go and
// skip.go read thrift; message.go, batch.go, span.go, references.go, logs.go, tags.go,
// fields.go and status.go know Jaeger's structs, and usual.go how clients write most
// of them; decoder.go and gatherer.go are what callers use.
package jaegerthrift
