package cpucontrolexporter

import (
	"cmp"
	"slices"

	"github.com/governor-project/governor/internal/actuate"
	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/control"
	"github.com/governor-project/governor/internal/inventory"
)

// view is the managed part of the inventory, as the configuration sees it.
type view struct {
	refs       []actuate.Ref       // sorted by ID
	containers []control.Container // aligned with refs; who they are, without figures
	apps       []control.App       // sorted by name
}

func newView(containers []inventory.Container, overrides map[string]AppConfig) view {
	var v view
	apps := map[string]appspec.Policy{}
	for _, c := range containers { // sorted by ID
		if !c.Running() {
			continue
		}
		app := cmp.Or(c.App, c.Name)
		policy := c.Policy
		if override, ok := overrides[app]; ok {
			policy = override.policy(policy)
		}
		if policy.Class != appspec.LatencyCritical && policy.Class != appspec.BestEffort {
			continue
		}
		v.refs = append(v.refs, actuate.Ref{ID: c.ID, Name: c.Name, App: app, Class: policy.Class, PID: c.PID})
		v.containers = append(v.containers, control.Container{ID: c.ID, Name: c.Name, App: app, Class: policy.Class, Bounds: policy.CPU})
		if known, ok := apps[app]; !ok || known.Objective.IsZero() {
			apps[app] = policy
		}
	}
	for name, p := range apps {
		v.apps = append(v.apps, control.App{Name: name, Class: p.Class, Objective: p.Objective})
	}
	slices.SortFunc(v.apps, func(a, b control.App) int { return cmp.Compare(a.Name, b.Name) })
	return v
}
