// Package plan decides about containers that Governor creates: which states they
// have and what is allowed in each, what a request changes, and what a new
// container gets as identity and environment.
//
// It is a pure room: no I/O, no clock, and randomness is an argument. The
// effects are in internal/lifecycle.
package plan

import (
	"fmt"
	"slices"
	"strings"
)

// State is where a container is in its life.
type State string

// The states.
const (
	NotReady    State = "NotReady"    // created, not started
	Pending     State = "Pending"     // being started, or its health check has not passed yet
	Ready       State = "Ready"       // runs, and is healthy where it has a health check
	Stopping    State = "Stopping"    // being stopped
	Stopped     State = "Stopped"     // ended as it should, or paused
	Terminating State = "Terminating" // being removed
	Terminated  State = "Terminated"  // removed
	Failed      State = "Failed"      // with a reason
)

// States returns all states in the order of a life.
func States() []State {
	return []State{NotReady, Pending, Ready, Stopping, Stopped, Terminating, Terminated, Failed}
}

// ParseState accepts the names of the states in any case.
func ParseState(text string) (State, error) {
	for _, s := range States() {
		if strings.EqualFold(text, string(s)) {
			return s, nil
		}
	}
	return "", fmt.Errorf("state %q is unknown; allowed are %s", text, names(States()))
}

// Operation is what a user asks of a container.
type Operation string

// The operations.
const (
	Start   Operation = "start"
	Stop    Operation = "stop"
	Restart Operation = "restart"
	Remove  Operation = "remove"
)

// rule is one line of the table: in which states an operation may begin, which
// state shows while it runs, and which it leads to.
type rule struct {
	from   []State
	during State
	to     State
}

// rules is the one table that defines what is allowed.
func rules() map[Operation]rule {
	return map[Operation]rule{
		Start:   {from: []State{NotReady, Stopped, Failed}, during: Pending, to: Ready},
		Stop:    {from: []State{Pending, Ready}, during: Stopping, to: Stopped},
		Restart: {from: []State{Ready, Stopped, Failed}, during: Pending, to: Ready},
		Remove:  {from: []State{NotReady, Pending, Ready, Stopping, Stopped, Failed}, during: Terminating, to: Terminated},
	}
}

// NotAllowedError says that an operation cannot begin in a state.
type NotAllowedError struct {
	Operation Operation
	State     State
	Allowed   []State // in which it can
}

// Error names the states in which the operation is allowed.
func (e *NotAllowedError) Error() string {
	return fmt.Sprintf("%s is not allowed in the state %s; it is allowed in %s", e.Operation, e.State, names(e.Allowed))
}

// Begin returns the state that shows while the operation runs and the one that
// it leads to, or a *NotAllowedError.
func Begin(op Operation, in State) (during, to State, err error) {
	r, ok := rules()[op]
	if !ok {
		return "", "", fmt.Errorf("operation %q is unknown", op)
	}
	if !slices.Contains(r.from, in) {
		return "", "", &NotAllowedError{Operation: op, State: in, Allowed: r.from}
	}
	return r.during, r.to, nil
}

func names[T ~string](all []T) string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = string(s)
	}
	return strings.Join(out, ", ")
}

// Observation is what the engine says about a container.
type Observation struct {
	Engine     string // Docker's state: created, running, …
	Health     string // "", starting, healthy, unhealthy
	ExitStatus int
	OOMKilled  bool
	Problem    string // the engine's words about a failed start
	WasStopped bool   // Governor itself has stopped it
}

// statusTerminated is the exit status of a program that ended on SIGTERM,
// which is how a container that anybody stops politely ends.
const statusTerminated = 128 + 15

// Observe is the state of a container that no operation is changing, and the
// reason where the state alone does not say it.
func Observe(o Observation) (State, string) {
	switch o.Engine {
	case "created":
		if o.Problem != "" {
			return Failed, o.Problem
		}
		return NotReady, ""
	case "running":
		switch o.Health {
		case "starting":
			return Pending, "its health check has not passed yet"
		case "unhealthy":
			return Failed, "its health check fails"
		}
		return Ready, ""
	case "paused":
		return Stopped, "paused"
	case "restarting":
		return Pending, fmt.Sprintf("its restart policy starts it again after exit status %d", o.ExitStatus)
	case "removing":
		return Terminating, ""
	case "exited":
		return ended(o)
	}
	return Failed, fmt.Sprintf("the engine calls it %q", o.Engine)
}

func ended(o Observation) (State, string) {
	switch {
	case o.OOMKilled:
		return Failed, "killed for want of memory"
	case o.WasStopped || o.ExitStatus == 0 || o.ExitStatus == statusTerminated:
		return Stopped, ""
	case o.Problem != "":
		return Failed, o.Problem
	}
	return Failed, fmt.Sprintf("ended with exit status %d", o.ExitStatus)
}

// ofApp orders the states by how much they say about the whole app.
func ofApp() []State {
	return []State{Failed, Terminating, Stopping, Pending, NotReady, Stopped, Ready, Terminated}
}

// AppState is the state of an app as a whole: that of its container which needs
// the most attention. An app without containers is Terminated.
func AppState(containers []State) State {
	for _, s := range ofApp() {
		if slices.Contains(containers, s) {
			return s
		}
	}
	return Terminated
}
