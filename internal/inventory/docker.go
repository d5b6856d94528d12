package inventory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/governor-project/governor/internal/docker"
)

// Back-off between attempts to reach the engine.
const (
	firstRetry = 250 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// overlap is how far before its own begin a subscription asks for events: the
// engine opens the stream a little before it subscribes, and what happens in
// between would be lost. Events that come twice do no harm.
const overlap = 2 * time.Second

// FeedOptions tune a feed. The zero value works.
type FeedOptions struct {
	Logger *zap.Logger // nil: silent
	// GUIDEnv are the environment variables that carry the GUID of a container
	// which has no GUID label; nil: DefaultGUIDEnv.
	GUIDEnv []string
	// Status is called from the feed's goroutine: with nil when in sync, and
	// after each failed attempt with the reason.
	Status func(error)
	// Fallback names the containers while the engine has not yet answered.
	Fallback Finder
	// ProcRoot is where /proc is found, for the fallback; "": "/".
	ProcRoot string
}

// DefaultGUIDEnv are the environment variables that carry a container's GUID;
// the second is the name of an older system.
func DefaultGUIDEnv() []string { return []string{"GOVERNOR_GUID", "SUPB_GUID"} }

func (o FeedOptions) withDefaults() FeedOptions {
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.GUIDEnv == nil {
		o.GUIDEnv = DefaultGUIDEnv()
	}
	if o.Status == nil {
		o.Status = func(error) {}
	}
	return o
}

// Run feeds the store from the Docker engine until ctx ends: it subscribes to
// the events first, then lists and inspects, then follows. After a lost
// connection the store is unsynced, keeps what it knew, and everything is read
// again with growing pauses between the attempts.
func Run(ctx context.Context, store *Store, client docker.Client, opts FeedOptions) {
	f := &dockerFeed{store: store, client: client, opts: opts.withDefaults(), problems: map[string]string{}}
	f.tree = newTreeFeed(store, f.opts)
	pause := firstRetry
	for ctx.Err() == nil {
		err := f.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if f.synced {
			pause = firstRetry
		}
		f.lost(err)
		f.wait(ctx, pause)
		pause = min(2*pause, lastRetry)
	}
}

// wait pauses between two attempts. Until the engine has answered for the first
// time, the cgroup tree is the source; afterwards it would only blur what is
// known.
func (f *dockerFeed) wait(ctx context.Context, pause time.Duration) {
	if f.everSynced || f.opts.Fallback == nil {
		sleep(ctx, pause)
		return
	}
	for ; pause > 0 && ctx.Err() == nil; pause -= treePoll {
		_ = f.tree.refresh() // it has logged its error; the engine is the source to wait for
		sleep(ctx, min(pause, treePoll))
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// dockerFeed is owned by the goroutine of Run.
type dockerFeed struct {
	store      *Store
	client     docker.Client
	opts       FeedOptions
	synced     bool
	everSynced bool
	reported   string // the last connection error that was reported
	tree       *treeFeed
	problems   map[string]string // container ID → what is wrong with its labels, as logged
}

func (f *dockerFeed) lost(err error) {
	if f.synced {
		f.synced = false
		f.store.SetSynced(false)
	}
	if text := err.Error(); text != f.reported {
		f.reported = text
		f.opts.Logger.Warn("Docker is not being followed; retrying", zap.Error(err))
	}
	f.opts.Status(err)
}

func (f *dockerFeed) follow(ctx context.Context) error {
	stream, err := f.client.Events(ctx, time.Now().Add(-overlap))
	if err != nil {
		return err
	}
	defer stream.Close()
	if err := f.list(ctx); err != nil {
		return err
	}
	f.synced, f.everSynced, f.reported = true, true, ""
	f.opts.Status(nil)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case event, open := <-stream.C():
			if !open {
				return endOf(stream)
			}
			if err := f.apply(ctx, event); err != nil {
				return err
			}
		}
	}
}

func endOf(stream docker.EventStream) error {
	if err := stream.Err(); err != nil {
		return err
	}
	return errors.New("the stream of Docker events ended")
}

func (f *dockerFeed) list(ctx context.Context) error {
	summaries, err := f.client.List(ctx)
	if err != nil {
		return err
	}
	containers := make([]Container, 0, len(summaries))
	present := make(map[string]bool, len(summaries))
	for _, s := range summaries {
		c, err := f.inspect(ctx, s.ID)
		if errors.Is(err, docker.ErrNotFound) {
			continue // removed between the list and now
		}
		if err != nil {
			return err
		}
		containers, present[s.ID] = append(containers, c), true
	}
	for id := range f.problems {
		if !present[id] {
			delete(f.problems, id)
		}
	}
	f.store.Replace(containers)
	return nil
}

// apply brings one container up to date. The event only says which: what is
// stored is what inspect says now, so that late or repeated events do no harm.
func (f *dockerFeed) apply(ctx context.Context, event docker.Event) error {
	if event.ID == "" || !changesInventory(event.Action) {
		return nil
	}
	if event.Action == docker.ActionDestroy {
		f.forget(event.ID)
		return nil
	}
	c, err := f.inspect(ctx, event.ID)
	if errors.Is(err, docker.ErrNotFound) {
		f.forget(event.ID)
		return nil
	}
	if err != nil {
		return fmt.Errorf("after the event %q: %w", event.Action, err)
	}
	f.store.Put(c)
	return nil
}

func (f *dockerFeed) forget(id string) {
	delete(f.problems, id)
	f.store.Remove(id)
}

// changesInventory leaves out what happens often and changes nothing here:
// health checks alone make several exec events a second on a busy host.
func changesInventory(action string) bool {
	for _, prefix := range []string{"exec_", "top", "attach", "detach", "resize", "export", "archive-path", "extract-to-dir", "commit", "copy"} {
		if strings.HasPrefix(action, prefix) {
			return false
		}
	}
	return true
}

func (f *dockerFeed) inspect(ctx context.Context, id string) (Container, error) {
	raw, err := f.client.Inspect(ctx, id)
	if err != nil {
		return Container{}, err
	}
	c, err := fromDocker(raw, f.opts.GUIDEnv)
	f.report(c, err)
	return c, nil
}

// report logs the problems of a container's labels once, not at each event.
func (f *dockerFeed) report(c Container, err error) {
	if err == nil {
		delete(f.problems, c.ID)
		return
	}
	if text := err.Error(); f.problems[c.ID] != text {
		f.problems[c.ID] = text
		f.opts.Logger.Warn("the labels of a container are not usable; it stays unmanaged",
			zap.String("container", c.Name), zap.String("id", docker.ShortID(c.ID)), zap.Error(err))
	}
}

// fromDocker always returns a container that can be used; the error says which
// labels could not be read, and then the container is unmanaged.
func fromDocker(raw docker.Container, guidEnv []string) (Container, error) {
	out := Container{
		ID: raw.ID, Name: raw.Name, Image: raw.Image, Hostname: raw.Hostname, Runtime: "docker",
		App: raw.Labels[LabelApp], Labels: raw.Labels, Env: raw.EnvMap(), Command: strings.Join(raw.Command, " "),
		State: State(raw.State), PID: raw.PID, StartedAt: raw.StartedAt, Restarts: raw.Restarts,
		HostNetwork: raw.HostNetwork(), CreatedAt: raw.CreatedAt, Health: string(raw.Health),
		ExitStatus: raw.ExitStatus, OOMKilled: raw.OOMKilled, Problem: raw.Problem,
	}
	out.GUID = guidOf(raw.Labels, out.Env, guidEnv)
	for _, n := range raw.Networks {
		out.Networks = append(out.Networks, Network{Name: n.Name, Addresses: n.Addresses})
	}
	for _, p := range raw.Ports {
		out.Ports = append(out.Ports, Port(p))
	}
	policy, err := PolicyFromLabels(raw.Labels)
	if err == nil {
		out.Policy = policy
	}
	return out, err
}

func guidOf(labels, env map[string]string, names []string) string {
	if guid := labels[LabelGUID]; guid != "" {
		return guid
	}
	for _, name := range names {
		if guid := env[name]; guid != "" {
			return guid
		}
	}
	return ""
}
