package lifecycle

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/governor-project/governor/internal/inventory"
	"github.com/governor-project/governor/internal/lifecycle/plan"
)

// Status is one container of an app as it is now.
type Status struct {
	inventory.Container
	Key        string // the container's key in its app file
	State      plan.State
	Reason     string
	Unexpected bool // Terminated, and not by Governor
}

// own reports whether Governor created the container: it has the GUID as label.
func own(c inventory.Container) bool { return c.Labels[inventory.LabelGUID] != "" }

// Containers returns every container that has a GUID or belongs to an app, by
// app and name; then those that are gone.
func (e *Executor) Containers() []Status {
	var out []Status
	for _, c := range e.inventory.Containers() {
		if c.GUID != "" || c.App != "" {
			out = append(out, e.status(c))
		}
	}
	out = append(out, e.absent(out)...)
	slices.SortStableFunc(out, func(a, b Status) int { return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Name, b.Name)) })
	return out
}

func (e *Executor) absent(present []Status) (out []Status) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for guid, s := range e.gone {
		if !slices.ContainsFunc(present, func(p Status) bool { return p.GUID == guid }) {
			out = append(out, s)
		}
	}
	return out
}

func (e *Executor) status(c inventory.Container) Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := Status{Container: c, Key: c.Labels[inventory.LabelContainer]}
	out.State, out.Reason = plan.Observe(plan.Observation{
		Engine: string(c.State), Health: c.Health, ExitStatus: c.ExitStatus,
		OOMKilled: c.OOMKilled, Problem: c.Problem, WasStopped: e.stopped[c.ID],
	})
	if during, busy := e.during[c.GUID]; busy && c.GUID != "" {
		out.State, out.Reason = during, ""
	}
	return out
}

// Container returns the container with this GUID, also when it is gone.
func (e *Executor) Container(guid string) (Status, bool) {
	if c, ok := e.inventory.ByGUID(guid); ok {
		return e.status(c), true
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s, ok := e.gone[guid]
	return s, ok
}

// App returns the containers of an app; those that are gone only when that was
// not Governor's doing.
func (e *Executor) App(name string) (out []Status) {
	for _, s := range e.Containers() {
		if s.App == name && (s.State != plan.Terminated || s.Unexpected) {
			out = append(out, s)
		}
	}
	return out
}

// Apps returns the names of all apps, sorted.
func (e *Executor) Apps() []string {
	found := map[string]bool{}
	for _, s := range e.Containers() {
		if s.App != "" && (s.State != plan.Terminated || s.Unexpected) {
			found[s.App] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// maxGone bounds how many removed containers are remembered.
const maxGone = 1000

// Run watches the inventory until ctx ends, so that containers which vanish are
// remembered as Terminated. changed, if not nil, is called after each change.
func (e *Executor) Run(ctx context.Context, changed func()) {
	changes, stop := e.inventory.Subscribe()
	defer stop()
	for {
		e.look()
		if changed != nil {
			changed()
		}
		select {
		case <-ctx.Done():
			return
		case <-changes:
		}
	}
}

// look compares the inventory with what was known. An unsynced inventory keeps
// what it knew, so nothing vanishes by a lost connection alone.
func (e *Executor) look() {
	e.looking.Lock() // so that what is seen later is also noted later
	defer e.looking.Unlock()
	current := map[string]Status{}
	ids := map[string]bool{}
	for _, c := range e.inventory.Containers() {
		ids[c.ID] = true
		if c.GUID != "" {
			current[c.GUID] = e.status(c)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for guid, s := range e.known {
		if _, there := current[guid]; !there {
			e.bury(guid, s)
		}
	}
	for guid := range current {
		e.exhume(guid)
	}
	maps.DeleteFunc(e.stopped, func(id string, _ bool) bool { return !ids[id] })
	if len(e.removed) > maxGone { // containers that were removed before the inventory saw them
		maps.DeleteFunc(e.removed, func(id string, _ bool) bool { return !ids[id] })
	}
	e.known = current
}

// terminated is what remains to say of a container that is gone.
func terminated(s Status) Status {
	s.State, s.Reason, s.PID, s.Ports, s.Networks = plan.Terminated, "", 0, nil, nil
	return s
}

// bury remembers a container that is gone. The lock is held.
func (e *Executor) bury(guid string, s Status) {
	if _, already := e.gone[guid]; already {
		return
	}
	expected := e.removed[s.ID]
	delete(e.removed, s.ID)
	s = terminated(s)
	s.Unexpected = !expected
	if !expected {
		s.Reason = "removed by someone else"
	}
	e.gone[guid] = s
	e.goneLog = append(e.goneLog, guid)
	for len(e.goneLog) > maxGone {
		delete(e.gone, e.goneLog[0])
		e.goneLog = e.goneLog[1:]
	}
}

// exhume forgets that a container was gone. The lock is held.
func (e *Executor) exhume(guid string) {
	if _, there := e.gone[guid]; there {
		delete(e.gone, guid)
		e.goneLog = slices.DeleteFunc(e.goneLog, func(g string) bool { return g == guid })
	}
}

// forgetGone removes the memory of an app's containers that were removed by
// someone else: the user has now said what becomes of the app.
func (e *Executor) forgetGone(app string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for guid, s := range e.gone {
		if s.App == app {
			s.Unexpected = false
			e.gone[guid] = s
		}
	}
}
