package inventory

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/governor-project/governor/internal/cgroup"
)

// treePoll is how often the cgroup tree is looked at when it is the only
// source; a container that lives shorter is not seen.
const treePoll = 2 * time.Second

// Finder finds containers in the cgroup tree; *cgroup.FS is one.
type Finder interface {
	Containers() ([]cgroup.Found, error)
}

// RunTree feeds the store from the cgroup tree alone until ctx ends. Containers
// found like this have an ID, a cgroup path, processes and, where /proc lets
// us read it, their environment; they have no labels, so they are unmanaged.
func RunTree(ctx context.Context, store *Store, finder Finder, opts FeedOptions) {
	opts.Fallback = finder
	feed := newTreeFeed(store, opts.withDefaults())
	for ctx.Err() == nil {
		feed.opts.Status(feed.refresh())
		sleep(ctx, treePoll)
	}
}

// treeFeed is owned by the goroutine of Run or RunTree.
type treeFeed struct {
	store    *Store
	opts     FeedOptions
	last     []Container
	reported string
}

func newTreeFeed(store *Store, opts FeedOptions) *treeFeed {
	return &treeFeed{store: store, opts: opts}
}

func (f *treeFeed) refresh() error {
	if f.opts.Fallback == nil {
		return nil
	}
	found, err := f.opts.Fallback.Containers()
	if err != nil {
		f.store.SetSynced(false)
		if text := err.Error(); text != f.reported {
			f.reported = text
			f.opts.Logger.Warn("the cgroup tree cannot be read", zap.Error(err))
		}
		return err
	}
	f.reported = ""
	next := make([]Container, 0, len(found))
	for _, g := range found {
		next = append(next, f.container(g))
	}
	if f.last == nil || !f.store.Synced() || !reflect.DeepEqual(next, f.last) {
		f.last = slices.Clone(next)
		f.store.Replace(next)
	}
	return nil
}

// container reuses what is known as long as the same process leads the
// container, because the environment of a process does not change for us.
func (f *treeFeed) container(g cgroup.Found) Container {
	for _, known := range f.last {
		if known.ID == g.ID && known.PID == first(g.PIDs) {
			return known
		}
	}
	c := Container{ID: g.ID, Name: shortName(g.ID), Runtime: g.Runtime, State: StateRunning, PID: first(g.PIDs), CgroupPath: g.Path}
	if c.PID > 0 {
		c.Env = f.environment(c.PID)
		c.Hostname = c.Env["HOSTNAME"]
		c.GUID = guidOf(nil, c.Env, f.opts.GUIDEnv)
	}
	if c.Hostname == "" {
		c.Hostname = c.Name // the default of every runtime
	}
	return c
}

func shortName(id string) string { return id[:min(len(id), shortIDLength)] }

func first(pids []int) int {
	if len(pids) == 0 {
		return 0
	}
	return slices.Min(pids)
}

// maxEnvironment bounds what is read of /proc/PID/environ, in bytes.
const maxEnvironment = 1 << 20

// environment is empty when the process is gone or may not be read.
func (f *treeFeed) environment(pid int) map[string]string {
	root := f.opts.ProcRoot
	if root == "" {
		root = "/"
	}
	text, err := os.ReadFile(filepath.Join(root, "proc", strconv.Itoa(pid), "environ"))
	if err != nil || len(text) > maxEnvironment {
		return nil
	}
	out := map[string]string{}
	for line := range strings.SplitSeq(string(text), "\x00") {
		if key, value, ok := strings.Cut(line, "="); ok {
			out[key] = value
		}
	}
	return out
}
