package containerlifecycleextension

import (
	"context"
	"errors"
	"net/http"
	"net/netip"

	"github.com/governor-project/governor/internal/api"
	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/inventory"
	"github.com/governor-project/governor/internal/lifecycle"
	"github.com/governor-project/governor/internal/lifecycle/plan"
)

func toContainers(in []lifecycle.Status) []api.Container {
	out := make([]api.Container, 0, len(in))
	for _, s := range in {
		out = append(out, toContainer(s))
	}
	return out
}

func toContainer(s lifecycle.Status) api.Container {
	out := api.Container{
		GUID: s.GUID, App: s.App, Container: s.Key, Name: s.Name, ID: s.ID, Image: s.Image,
		State: string(s.State), Reason: s.Reason, Class: string(s.Class()), PID: s.PID, Restarts: s.Restarts,
	}
	if !s.Policy.Objective.IsZero() {
		out.Objective = s.Policy.Objective.String()
	}
	if !s.StartedAt.IsZero() {
		started := s.StartedAt.UTC()
		out.StartedAt = &started
	}
	for _, n := range s.Networks {
		for _, a := range n.Addresses {
			out.Addresses = append(out.Addresses, a.String())
		}
	}
	for _, p := range s.Ports {
		out.Ports = append(out.Ports, toPort(p))
	}
	return out
}

func toPort(p inventory.Port) api.Port {
	out := api.Port{Container: p.Container, Host: p.Host, Protocol: p.Protocol}
	if p.HostIP.IsValid() {
		out.HostIP = p.HostIP.String()
	}
	if p.Protocol == "tcp" {
		address := p.HostIP
		if !address.IsValid() || address.IsUnspecified() {
			address = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
		out.URL = "http://" + netip.AddrPortFrom(address, p.Host).String()
	}
	return out
}

func toApp(name string, containers []lifecycle.Status) api.App {
	out := api.App{Name: name, Class: string(appspec.Unmanaged), Containers: toContainers(containers)}
	states := make([]plan.State, 0, len(containers))
	for _, s := range containers {
		states = append(states, s.State)
		if s.Class() != appspec.Unmanaged {
			out.Class = string(s.Class())
		}
		if !s.Policy.Objective.IsZero() {
			out.Objective = s.Policy.Objective.String()
		}
	}
	out.State = string(plan.AppState(states))
	return out
}

func toPlan(todo plan.Plan) api.Plan {
	out := api.Plan{Steps: []api.Step{}}
	for _, s := range todo.Steps {
		out.Steps = append(out.Steps, api.Step{
			Action: string(s.Action), App: s.App.Name, Container: s.Container.Name, Name: s.Name, Image: s.Container.Image, GUID: s.Present.GUID,
		})
	}
	return out
}

// problemOf says what an error is to a client of the API.
func (e *containerLifecycle) problemOf(err error) *api.Problem {
	if problem := (*api.Problem)(nil); errors.As(err, &problem) {
		return problem
	}
	if problems := (appspec.Problems)(nil); errors.As(err, &problems) {
		out := api.NewProblem(http.StatusUnprocessableEntity, "the app file is not usable: %d problems", len(problems))
		for _, p := range problems {
			out.Errors = append(out.Errors, p.Error())
		}
		return out
	}
	if rolledBack := (*lifecycle.RolledBackError)(nil); errors.As(err, &rolledBack) {
		out := e.problemOf(rolledBack.Cause)
		out.Detail = rolledBack.Error()
		out.RolledBack = &api.RolledBack{Removed: rolledBack.Removed, Left: rolledBack.Left}
		return out
	}
	return api.NewProblem(statusOf(err), "%v", err)
}

func statusOf(err error) int {
	switch {
	case errors.Is(err, lifecycle.ErrNotFound):
		return http.StatusNotFound
	case errors.As(err, new(*plan.NotAllowedError)), errors.As(err, new(*lifecycle.ConflictError)), errors.Is(err, docker.ErrConflict):
		return http.StatusConflict
	case errors.Is(err, lifecycle.ErrNotSynced), errors.Is(err, docker.ErrUnreachable), errors.Is(err, docker.ErrPermission):
		return http.StatusServiceUnavailable
	case errors.Is(err, docker.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	case errors.Is(err, docker.ErrInvalid), errors.Is(err, docker.ErrNotFound):
		return http.StatusUnprocessableEntity // an image, or a setting, that the engine does not have
	}
	return http.StatusInternalServerError
}
