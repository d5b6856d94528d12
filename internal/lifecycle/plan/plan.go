package plan

import (
	"cmp"
	"slices"

	"github.com/governor-project/governor/internal/appspec"
)

// Action is what a plan does with one container.
type Action string

// The actions.
const (
	Create  Action = "create"  // it is not there
	Keep    Action = "keep"    // it is there and nothing differs
	Replace Action = "replace" // it is there with another specification
	Discard Action = "remove"  // it is there and no longer declared
)

// Present is a container of Governor's that the host has.
type Present struct {
	ID       string
	Name     string // Docker's
	GUID     string
	App      string
	SpecHash string
}

// Step is one container of a plan.
type Step struct {
	Action    Action
	App       appspec.App
	Container appspec.Container // zero for Discard
	Name      string            // Docker's
	SpecHash  string
	Present   Present // what is there; zero for Create
}

// Plan is every change that a request asks for, in the order in which it is made.
type Plan struct {
	Steps []Step
}

// Make compares what the file declares with what the host has. Apps that the
// file does not name are left alone. Steps of an app follow its dependencies.
func Make(file appspec.File, present []Present) Plan {
	byName := make(map[string]Present, len(present))
	for _, p := range present {
		byName[p.Name] = p
	}
	var plan Plan
	declared := map[string]bool{}
	for _, app := range file.Apps {
		for _, c := range appspec.StartOrder(app) {
			for n := 1; n <= c.Replicas; n++ {
				step := compare(app, c, appspec.DockerName(app.Name, c, n), byName)
				declared[step.Name] = true
				plan.Steps = append(plan.Steps, step)
			}
		}
	}
	plan.Steps = append(plan.Steps, surplus(file, present, declared)...)
	return plan
}

func compare(app appspec.App, c appspec.Container, name string, byName map[string]Present) Step {
	step := Step{Action: Create, App: app, Container: c, Name: name, SpecHash: appspec.SpecHash(app, c)}
	there, ok := byName[name]
	switch {
	case !ok:
	case there.App == app.Name && there.SpecHash == step.SpecHash:
		step.Action, step.Present = Keep, there
	default:
		step.Action, step.Present = Replace, there
	}
	return step
}

func surplus(file appspec.File, present []Present, declared map[string]bool) (out []Step) {
	for _, p := range present {
		if app, ok := file.App(p.App); ok && !declared[p.Name] {
			out = append(out, Step{Action: Discard, App: app, Name: p.Name, SpecHash: p.SpecHash, Present: p})
		}
	}
	slices.SortFunc(out, func(a, b Step) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Only returns the steps with one of the actions.
func (p Plan) Only(actions ...Action) (out []Step) {
	for _, s := range p.Steps {
		if slices.Contains(actions, s.Action) {
			out = append(out, s)
		}
	}
	return out
}

// Apps returns the names of the apps that the plan concerns, sorted.
func (p Plan) Apps() (out []string) {
	for _, s := range p.Steps {
		out = append(out, s.App.Name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// RemovalOrder sorts containers of one app so that each comes before those it
// depends on, as far as the order of their creation tells: newest first.
func RemovalOrder[T any](containers []T, created func(T) int64) []T {
	out := slices.Clone(containers)
	slices.SortStableFunc(out, func(a, b T) int { return cmp.Compare(created(b), created(a)) })
	return out
}
