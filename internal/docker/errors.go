package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// Kinds of failure, for errors.Is. An error that is none of these is the
// engine's own and its text says what happened.
var (
	ErrNotFound    = errors.New("not found")
	ErrConflict    = errors.New("conflict")
	ErrInvalid     = errors.New("invalid request")
	ErrPermission  = errors.New("permission denied")
	ErrUnreachable = errors.New("engine unreachable")
	ErrTimeout     = errors.New("timed out")
)

// Error is a failed call: what was tried, on which object, and why it failed.
type Error struct {
	Op     string // e.g. "start container"
	Object string // e.g. shop-frontend; "" when the call concerns no object
	Kind   error  // one of the kinds above, or nil
	Err    error
}

// Error says everything in one line.
func (e *Error) Error() string {
	if e.Object == "" {
		return fmt.Sprintf("docker: %s: %v", e.Op, e.Err)
	}
	return fmt.Sprintf("docker: %s %s: %v", e.Op, e.Object, e.Err)
}

// Unwrap gives errors.Is both the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Kind == nil {
		return []error{e.Err}
	}
	return []error{e.Kind, e.Err}
}

// fail wraps the error of a call; nil stays nil. ctx is the caller's own, so
// that an expired time-out of this room is told apart from a caller who gave up.
func (c *engineClient) fail(caller context.Context, op, object string, err error) error {
	if err == nil {
		return nil
	}
	if c.isPermission(err) {
		return &Error{Op: op, Object: object, Kind: ErrPermission, Err: fmt.Errorf(
			"the Docker socket %s: permission denied; run as root or join the group docker", c.socket())}
	}
	if errors.Is(err, context.DeadlineExceeded) && caller.Err() == nil {
		return &Error{Op: op, Object: object, Kind: ErrTimeout, Err: fmt.Errorf("no answer from %s in time: %w", c.host, err)}
	}
	if client.IsErrConnectionFailed(err) {
		return &Error{Op: op, Object: object, Kind: ErrUnreachable, Err: fmt.Errorf(
			"no Docker engine answers on %s: %w", c.host, err)}
	}
	return &Error{Op: op, Object: object, Kind: kindOf(err), Err: trimPrefix(err)}
}

// isPermission recognises the client library's text: it replaces the error of
// the system call, so errors.Is(err, fs.ErrPermission) does not see it.
func (c *engineClient) isPermission(err error) bool {
	return client.IsErrConnectionFailed(err) && strings.Contains(err.Error(), "permission denied")
}

func (c *engineClient) socket() string { return strings.TrimPrefix(c.host, "unix://") }

func kindOf(err error) error {
	switch {
	case cerrdefs.IsNotFound(err):
		return ErrNotFound
	case cerrdefs.IsConflict(err):
		return ErrConflict
	case cerrdefs.IsInvalidArgument(err):
		return ErrInvalid
	}
	return nil
}

// trimPrefix removes the library's fixed words, which say nothing to a reader
// who sees "docker:" already; the chain stays intact below.
func trimPrefix(err error) error {
	const noise = "Error response from daemon: "
	if text, found := strings.CutPrefix(err.Error(), noise); found {
		return &reworded{text: text, err: err}
	}
	return err
}

type reworded struct {
	text string
	err  error
}

func (r *reworded) Error() string { return r.text }
func (r *reworded) Unwrap() error { return r.err }
