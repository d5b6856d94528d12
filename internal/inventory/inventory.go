// Package inventory knows who is on this host: which container has which GUID,
// application, class, process, addresses and cgroup. It is fed by Docker
// (or, without Docker, by the cgroup tree) and read by every component.
//
// Readers get immutable values: a Container that was handed out never changes,
// and a lookup never blocks a feed.
package inventory

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/governor-project/governor/internal/appspec"
)

// State is the state of a container in Docker's words.
type State string

// The states that Docker reports.
const (
	StateCreated    State = "created"
	StateRunning    State = "running"
	StatePaused     State = "paused"
	StateRestarting State = "restarting"
	StateRemoving   State = "removing"
	StateExited     State = "exited"
	StateDead       State = "dead"
)

// Container is one container as it was at one instant.
type Container struct {
	ID          string // full 64-digit ID
	Name        string // without Docker's leading slash
	Image       string // as the user wrote it, e.g. hotrod:1
	Hostname    string
	Runtime     string // container.runtime: docker, or the cgroup tree's guess
	GUID        string // Governor's own identity; "" when Governor did not create it
	App         string // "" when it belongs to no application
	Policy      appspec.Policy
	Labels      map[string]string
	Env         map[string]string
	Command     string
	State       State
	PID         int       // 0 unless running
	CreatedAt   time.Time // zero when unknown
	StartedAt   time.Time
	Restarts    int
	Health      string // "" (no health check), starting, healthy or unhealthy
	ExitStatus  int    // of the last run
	OOMKilled   bool   // the last run ended for want of memory
	Problem     string // the engine's words about a failed start
	Ports       []Port // published ports
	Networks    []Network
	HostNetwork bool
	CgroupPath  string // path within the hierarchy, only known when found through the cgroup tree
}

// Network is one Docker network that a container is attached to.
type Network struct {
	Name      string
	Interface string // name inside the container, e.g. eth0; "" when unknown
	Addresses []netip.Addr
}

// Port is one published port.
type Port struct {
	Container uint16
	Protocol  string // tcp, udp
	HostIP    netip.Addr
	Host      uint16
}

// Class is the class of the container's application.
func (c Container) Class() appspec.Class {
	if c.Policy.Class == "" {
		return appspec.Unmanaged
	}
	return c.Policy.Class
}

// Running reports whether the container has processes that use CPU.
func (c Container) Running() bool { return c.State == StateRunning && c.PID > 0 }

// Reader is what components ask. All methods are safe for concurrent use and
// none blocks.
type Reader interface {
	// Containers returns all containers, sorted by ID. The slice is shared and must not be changed.
	Containers() []Container
	// ByGUID finds a container by Governor's GUID.
	ByGUID(guid string) (Container, bool)
	// ByID finds a container by its full ID or by a prefix of at least 12 digits.
	ByID(id string) (Container, bool)
	// ByAddress finds the container that has an IP address on any Docker network.
	ByAddress(addr netip.Addr) (Container, bool)
	// Generation grows with every change; equal generations mean equal content.
	Generation() uint64
	// Synced reports whether the content is complete for the source it comes from:
	// listed, and changes are being followed. Before Docker first answers that
	// source is the cgroup tree, which knows no labels.
	Synced() bool
	// Subscribe returns a channel that receives after changes (several may be
	// merged into one) and a function that ends the subscription.
	Subscribe() (changes <-chan struct{}, cancel func())
}

// Provider is implemented by the extension that hosts the inventory; components
// find it through component.Host.GetExtensions.
type Provider interface {
	Inventory() Reader
}

// shortIDLength is the length of Docker's short container IDs, which are also
// the default host names.
const shortIDLength = 12

// Store is the Reader that feeds write to. The zero value is an empty,
// unsynced inventory.
type Store struct {
	mu      sync.Mutex // serialises writers and subscriptions; readers use current
	subs    map[chan struct{}]struct{}
	current atomic.Pointer[snapshot]
}

type snapshot struct {
	generation uint64
	synced     bool
	containers []Container
	byGUID     map[string]int
	byShortID  map[string]int
	byAddress  map[netip.Addr]int
}

var _ Reader = (*Store)(nil)

var empty = &snapshot{}

func (s *Store) load() *snapshot {
	if snap := s.current.Load(); snap != nil {
		return snap
	}
	return empty
}

// Replace sets the whole content, as after a list, and marks it synced.
func (s *Store) Replace(containers []Container) {
	s.change(func([]Container) []Container { return slices.Clone(containers) }, func(bool) bool { return true })
}

// Put adds a container or replaces the one with the same ID.
func (s *Store) Put(c Container) {
	s.change(func(old []Container) []Container {
		next := slices.DeleteFunc(slices.Clone(old), func(o Container) bool { return o.ID == c.ID })
		return append(next, c)
	}, keep)
}

// Remove forgets the container with this full ID.
func (s *Store) Remove(id string) {
	s.change(func(old []Container) []Container {
		return slices.DeleteFunc(slices.Clone(old), func(o Container) bool { return o.ID == id })
	}, keep)
}

// SetSynced records that the content is, or is no longer, complete.
func (s *Store) SetSynced(synced bool) {
	s.change(func(old []Container) []Container { return old }, func(bool) bool { return synced })
}

func keep(synced bool) bool { return synced }

func (s *Store) change(content func([]Container) []Container, synced func(bool) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.load()
	s.current.Store(newSnapshot(old.generation+1, synced(old.synced), content(old.containers)))
	for sub := range s.subs {
		select {
		case sub <- struct{}{}:
		default: // the subscriber has not consumed the last signal yet: it will see this change too
		}
	}
}

func newSnapshot(generation uint64, synced bool, containers []Container) *snapshot {
	slices.SortFunc(containers, func(a, b Container) int { return strings.Compare(a.ID, b.ID) })
	snap := &snapshot{
		generation: generation,
		synced:     synced,
		containers: containers,
		byGUID:     make(map[string]int, len(containers)),
		byShortID:  make(map[string]int, len(containers)),
		byAddress:  make(map[netip.Addr]int, len(containers)),
	}
	for i, c := range containers {
		if c.GUID != "" {
			snap.byGUID[c.GUID] = i
		}
		if len(c.ID) >= shortIDLength {
			snap.byShortID[c.ID[:shortIDLength]] = i
		}
		for _, n := range c.Networks {
			for _, a := range n.Addresses {
				snap.byAddress[a.Unmap()] = i
			}
		}
	}
	return snap
}

// Containers implements Reader.
func (s *Store) Containers() []Container { return s.load().containers }

// Generation implements Reader.
func (s *Store) Generation() uint64 { return s.load().generation }

// Synced implements Reader.
func (s *Store) Synced() bool { return s.load().synced }

// ByGUID implements Reader.
func (s *Store) ByGUID(guid string) (Container, bool) {
	snap := s.load()
	i, ok := snap.byGUID[guid]
	return snap.at(i, ok)
}

// ByID implements Reader.
func (s *Store) ByID(id string) (Container, bool) {
	if len(id) < shortIDLength {
		return Container{}, false
	}
	snap := s.load()
	i, ok := snap.byShortID[id[:shortIDLength]]
	return snap.at(i, ok && strings.HasPrefix(snap.containers[i].ID, id))
}

// ByAddress implements Reader.
func (s *Store) ByAddress(addr netip.Addr) (Container, bool) {
	snap := s.load()
	i, ok := snap.byAddress[addr.Unmap()]
	return snap.at(i, ok)
}

func (s *snapshot) at(i int, ok bool) (Container, bool) {
	if !ok {
		return Container{}, false
	}
	return s.containers[i], true
}

// Subscribe implements Reader.
func (s *Store) Subscribe() (<-chan struct{}, func()) {
	sub := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.subs == nil {
		s.subs = make(map[chan struct{}]struct{})
	}
	s.subs[sub] = struct{}{}
	return sub, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.subs, sub)
	}
}
