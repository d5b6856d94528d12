// Package docker is the narrow door to the Docker engine: only the calls that
// Governor makes, with own types, so that nothing outside this room depends on
// the engine's client library.
//
// It is an edge room: it does I/O and holds no decision. Every call has a
// time-out and every error is an *Error that says what was tried, on which
// object, and what kind of failure it was. The in-memory engine for tests with
// injected failures is in dockertest.
package docker

import (
	"context"
	"io"
	"time"
)

// Client is what Governor asks of an engine. All methods are safe for
// concurrent use. A container is named by its full or short ID or by its name.
type Client interface {
	// Ping asks the engine who it is. It is the call to test reachability with.
	Ping(ctx context.Context) (Engine, error)
	// List returns the containers that carry all the given labels, running or
	// not. A label is "key" or "key=value".
	List(ctx context.Context, labels ...string) ([]Summary, error)
	// Inspect returns everything that Governor wants to know of one container.
	Inspect(ctx context.Context, container string) (Container, error)
	// Events follows what happens to containers, among it that one is connected
	// to a network or disconnected from one. Those that the engine still
	// remembers from since on come first; the zero time means "from now on".
	// An event without a container ID concerns no container.
	// When it returns, the subscription is established. The stream ends with
	// ctx, with Close, or when the connection is lost.
	Events(ctx context.Context, since time.Time) (EventStream, error)

	// Create makes a container without starting it and returns its full ID.
	Create(ctx context.Context, spec CreateSpec) (string, error)
	Start(ctx context.Context, container string) error
	// Stop asks the container to end and kills it after grace (rounded up to
	// whole seconds; negative: the container's own setting). Stopping a
	// stopped container is not an error.
	Stop(ctx context.Context, container string, grace time.Duration) error
	// Restart stops like Stop and starts again.
	Restart(ctx context.Context, container string, grace time.Duration) error
	// Kill sends a signal such as SIGKILL; "" is SIGKILL.
	Kill(ctx context.Context, container, signal string) error
	// Pause freezes all processes of the container, Unpause lets them go on.
	Pause(ctx context.Context, container string) error
	Unpause(ctx context.Context, container string) error
	// Remove deletes the container and its anonymous volumes; force kills it first.
	Remove(ctx context.Context, container string, force bool) error
	// Wait blocks until the container does not run and returns its exit status.
	// Only ctx bounds it.
	Wait(ctx context.Context, container string) (exitStatus int, err error)
	// Logs copies the container's output to stdout and stderr; it returns at
	// the end of the log, or with Follow when the container ends.
	Logs(ctx context.Context, container string, options LogOptions, stdout, stderr io.Writer) error
	// UpdateCPU changes the CPU limits that are set in update and leaves the others.
	UpdateCPU(ctx context.Context, container string, update CPUUpdate) error

	// ImageImport makes the image ref from a tar stream of its root file
	// system. Changes are Dockerfile lines such as `ENTRYPOINT ["/app"]`.
	ImageImport(ctx context.Context, ref string, tar io.Reader, changes ...string) error
	ImageExists(ctx context.Context, ref string) (bool, error)
	// ImageRemove deletes the image; force also when a stopped container uses it.
	ImageRemove(ctx context.Context, ref string, force bool) error
	// ImagePull fetches the image; progress, if not nil, is called from the
	// calling goroutine for each line that the engine reports.
	ImagePull(ctx context.Context, ref string, progress func(PullProgress)) error

	// BridgeGateway is the address under which containers on the default bridge
	// reach the host, for example 172.17.0.1.
	BridgeGateway(ctx context.Context) (string, error)
	// Close frees idle connections. Streams that are still open are not ended.
	Close() error
}

// EventStream is one subscription to the engine's events.
type EventStream interface {
	// C yields the events. It is closed when the stream ends; Err then says why.
	C() <-chan Event
	// Err is nil while the stream lives and after an end that was asked for.
	Err() error
	// Close ends the subscription and waits until nothing of it runs.
	Close()
}
