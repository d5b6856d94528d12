//go:generate mdatagen metadata.yaml

// Package jaegerreceiver receives spans from Jaeger clients.
//
// It is the wiring around internal/jaegerthrift: configuration, sockets, queues,
// delivery to the next component and the account of every packet. What the bytes
// mean is decided there, not here; gather.go is the door between the two. Zipkin's
// thrift (zipkin.go) is read by the Apache Thrift library behind bounds of our own.
//
// A UDP packet goes through four hands, each with one owner:
//
//	socket (socket.go) → reader (udp.go) → queue (queue.go) → worker (worker.go) → next component
//
// Each socket of an address has its own reader; they share the queue. A reader
// copies packets from the kernel in batches. A worker sleeps until
// there is a packet, lets more of them gather for a few milliseconds, decodes
// them into one ptrace.Traces and delivers it. Whoever lets go of a packet says
// so in the counters (account.go).
package jaegerreceiver
