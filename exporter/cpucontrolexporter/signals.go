package cpucontrolexporter

import (
	"sync"
	"time"

	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/control"
)

// signals is what arrived on the pipelines, for the containers and apps that
// are managed: for everything else nothing is kept, so that memory is bounded
// by what runs on the host. Consumers write, the loop reads.
type signals struct {
	mu    sync.Mutex
	usage map[string]*control.Usage // by container ID
	apps  map[string]*appSignal
}

type appSignal struct {
	scope  appspec.Scope
	window control.Window
}

func newSignals() *signals {
	return &signals{usage: map[string]*control.Usage{}, apps: map[string]*appSignal{}}
}

// keep makes room for exactly these containers and apps.
func (s *signals) keep(containers []control.Container, apps []control.App) {
	s.mu.Lock()
	defer s.mu.Unlock()
	usage := make(map[string]*control.Usage, len(containers))
	for i := range containers {
		id := containers[i].ID
		if usage[id] = s.usage[id]; usage[id] == nil {
			usage[id] = &control.Usage{}
		}
	}
	windows := make(map[string]*appSignal, len(apps))
	for _, a := range apps {
		if a.Objective.IsZero() {
			continue
		}
		if old := s.apps[a.Name]; old != nil && old.scope == a.Objective.Scope {
			windows[a.Name] = old
		} else {
			windows[a.Name] = &appSignal{scope: a.Objective.Scope}
		}
	}
	s.usage, s.apps = usage, windows
}

// addUsage takes a sample, unless the container is not managed or the sample is
// not newer than what is there.
func (s *signals) addUsage(id string, u control.Usage) bool {
	known := s.usage[id]
	if known == nil || !u.At.After(known.At) {
		return false
	}
	*known = u
	return true
}

// addLatency takes a sample for an app with an objective of this scope.
func (s *signals) addLatency(now time.Time, app string, scope appspec.Scope, latency time.Duration) bool {
	a := s.apps[app]
	if a == nil || a.scope != scope {
		return false
	}
	a.window.Add(now, latency)
	return true
}

// read puts what is known into a snapshot.
func (s *signals) read(snap *control.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range snap.Containers {
		if u := s.usage[snap.Containers[i].ID]; u != nil {
			snap.Containers[i].Usage = *u
		}
	}
	for i := range snap.Apps {
		a := &snap.Apps[i]
		a.Latency = control.Latency{}
		if w := s.apps[a.Name]; w != nil {
			a.Latency = w.window.Summary(snap.Now, a.Objective.Percentile)
		}
	}
}
