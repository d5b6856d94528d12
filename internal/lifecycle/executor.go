// Package lifecycle makes true what its pure room plan decides: it creates,
// starts, stops and removes containers through Docker, all or nothing for a
// batch, and knows the state of each one.
//
// Truth is Docker, seen through the inventory. What is kept here besides is
// only what Docker cannot know: which operation is under way, which container
// Governor itself has stopped, and which ones are gone.
package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/inventory"
	"github.com/governor-project/governor/internal/lifecycle/plan"
)

// Defaults of Options.
const (
	DefaultReadyTimeout    = 60 * time.Second
	DefaultStopGrace       = 10 * time.Second // as docker stop
	DefaultRollbackTimeout = 60 * time.Second
	// DefaultSettle is how long a batch must have run before it counts as done:
	// a program that ends at once has then ended.
	DefaultSettle = 250 * time.Millisecond
)

// Options are what an Executor works with. Client, Inventory, Surroundings and
// Random are needed.
type Options struct {
	Client    docker.Client
	Inventory inventory.Reader
	// Surroundings is asked at the begin of each batch.
	Surroundings func(context.Context) (plan.Surroundings, error)
	Random       io.Reader
	Logger       *zap.Logger
	// Available says why Docker cannot be used now, if it cannot; an inventory
	// that lives on the cgroup tree alone is in sync without Docker. May be nil.
	Available func() error

	ReadyTimeout    time.Duration // of each container, from its start
	StopGrace       time.Duration // between the polite signal and the kill
	RollbackTimeout time.Duration // of a whole rollback
	Settle          time.Duration
}

// Executor runs operations. Operations on one app follow one another; those on
// different apps run side by side. Make it with New.
type Executor struct {
	client       docker.Client
	inventory    inventory.Reader
	surroundings func(context.Context) (plan.Surroundings, error)
	random       io.Reader
	log          *zap.Logger
	options      Options
	apps         keyedLocks
	randomMu     sync.Mutex
	looking      sync.Mutex

	mu      sync.Mutex
	during  map[string]plan.State // GUID → what shows while an operation runs
	stopped map[string]bool       // container ID → Governor has stopped it
	removed map[string]bool       // container ID → Governor removes or has removed it
	known   map[string]Status     // GUID → as last seen in the inventory
	gone    map[string]Status     // GUID → Terminated
	goneLog []string              // GUIDs of gone, oldest first
}

// New makes an Executor.
func New(options Options) *Executor {
	options.ReadyTimeout = cmp.Or(options.ReadyTimeout, DefaultReadyTimeout)
	options.StopGrace = cmp.Or(options.StopGrace, DefaultStopGrace)
	options.RollbackTimeout = cmp.Or(options.RollbackTimeout, DefaultRollbackTimeout)
	options.Settle = cmp.Or(options.Settle, DefaultSettle)
	if options.Logger == nil {
		options.Logger = zap.NewNop()
	}
	return &Executor{
		client: options.Client, inventory: options.Inventory, surroundings: options.Surroundings,
		random: options.Random, log: options.Logger, options: options,
		during: map[string]plan.State{}, stopped: map[string]bool{}, removed: map[string]bool{},
		known: map[string]Status{}, gone: map[string]Status{},
	}
}

// ErrNotFound says that no container or app has this name.
var ErrNotFound = errors.New("not found")

// ErrNotSynced says that the inventory does not know yet, or no longer, what
// Docker has, so that nothing can be decided.
var ErrNotSynced = errors.New("the inventory is not in sync with Docker")

// available is ErrNotSynced, with the reason, while nothing can be decided.
func (e *Executor) available() error {
	if e.options.Available != nil {
		if err := e.options.Available(); err != nil {
			return fmt.Errorf("%w: %w", ErrNotSynced, err)
		}
	}
	if !e.inventory.Synced() {
		return ErrNotSynced
	}
	return nil
}

// ConflictError is a request that cannot be met because of what is there.
type ConflictError struct{ Reason string }

// Error is the reason.
func (e *ConflictError) Error() string { return e.Reason }

// RolledBackError is a batch that failed half-way.
type RolledBackError struct {
	Cause   error
	Removed []string // names of containers that this batch had created and that are gone
	Left    []string // those that could not be removed, with the reason
}

// Error says the cause and what became of the rest.
func (e *RolledBackError) Error() string {
	text := fmt.Sprintf("%v; rolled back: %d containers removed", e.Cause, len(e.Removed))
	if len(e.Left) > 0 {
		text += fmt.Sprintf(", %d left behind: %v", len(e.Left), e.Left)
	}
	return text
}

// Unwrap is the cause.
func (e *RolledBackError) Unwrap() error { return e.Cause }

func (e *Executor) show(guid string, during plan.State) (end func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.during[guid] = during
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.during, guid)
	}
}

func (e *Executor) mark(set map[string]bool, id string, in bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if in {
		set[id] = true
	} else {
		delete(set, id)
	}
}

// delete removes a container, and remembers that its end is Governor's doing. A
// container that is gone already is no error.
func (e *Executor) delete(ctx context.Context, id string) error {
	e.mark(e.removed, id, true)
	err := e.client.Remove(ctx, id, true)
	if err != nil && !errors.Is(err, docker.ErrNotFound) {
		e.mark(e.removed, id, false)
		return err
	}
	return nil
}

// catchUp bounds the wait for the inventory after a change: it hears of it
// through Docker's events, normally within milliseconds.
const catchUp = 5 * time.Second

// await waits until the inventory shows what was just done, so that a caller who
// asks next sees it. When that takes too long, the caller is told nothing wrong:
// the change itself has been made.
func (e *Executor) await(ctx context.Context, shown func(inventory.Reader) bool) {
	ctx, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	changes, stop := e.inventory.Subscribe()
	defer stop()
	for !shown(e.inventory) {
		select {
		case <-changes:
		case <-ctx.Done():
			e.log.Warn("the inventory does not show a change yet that Docker has made", zap.Error(ctx.Err()))
			return
		}
	}
}

// keyedLocks are locks by name that give up when the context ends.
type keyedLocks struct {
	mu    sync.Mutex
	locks map[string]*keyedLock
}

type keyedLock struct {
	token chan struct{}
	users int
}

// lock takes all names, which must be sorted and unique so that two callers
// cannot wait for each other.
func (k *keyedLocks) lock(ctx context.Context, names ...string) (unlock func(), err error) {
	var held []string
	unlock = func() {
		for _, name := range held {
			k.release(name, true)
		}
	}
	for _, name := range names {
		l := k.use(name)
		select {
		case l.token <- struct{}{}:
			held = append(held, name)
		case <-ctx.Done():
			k.release(name, false)
			unlock()
			return nil, fmt.Errorf("wait for another operation on %s: %w", name, ctx.Err())
		}
	}
	return unlock, nil
}

func (k *keyedLocks) use(name string) *keyedLock {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.locks == nil {
		k.locks = map[string]*keyedLock{}
	}
	l, ok := k.locks[name]
	if !ok {
		l = &keyedLock{token: make(chan struct{}, 1)}
		k.locks[name] = l
	}
	l.users++
	return l
}

func (k *keyedLocks) release(name string, held bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := k.locks[name]
	if held {
		<-l.token
	}
	if l.users--; l.users == 0 {
		delete(k.locks, name)
	}
}
