package actuate

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/internal/control"
	"github.com/governor-project/governor/internal/cpuset"
)

// fakeGroup is a group whose files are fields, with faults on request.
type fakeGroup struct {
	path    string
	version cgroup.Version
	limits  cgroup.Limits
	fails   map[string]error
	ignores bool // writes succeed and change nothing
	gone    bool
	log     *[]string
}

func (g *fakeGroup) Path() string            { return g.path }
func (g *fakeGroup) Version() cgroup.Version { return g.version }

func (g *fakeGroup) Limits() (cgroup.Limits, error) {
	if g.gone {
		return cgroup.Limits{}, fs.ErrNotExist
	}
	return g.limits, nil
}

func (g *fakeGroup) write(what string, set func()) error {
	*g.log = append(*g.log, g.path+" "+what)
	kind, _, _ := cut(what)
	switch {
	case g.gone:
		return fs.ErrNotExist
	case g.fails[kind] != nil:
		return g.fails[kind]
	case !g.ignores:
		set()
	}
	return nil
}

func cut(s string) (string, string, bool) {
	for i := range s {
		if s[i] == ' ' {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

func (g *fakeGroup) SetShares(n uint64) error {
	return g.write(fmt.Sprintf("shares %d", n), func() { g.limits.Shares = n })
}

func (g *fakeGroup) SetQuota(q cgroup.Quota) error {
	return g.write(fmt.Sprintf("quota %d/%d", q.QuotaUS, q.PeriodUS), func() { g.limits.Quota = q })
}

func (g *fakeGroup) SetCPUs(s cpuset.Set) error {
	return g.write("cpus "+s.String(), func() { g.limits.CPUs = s })
}

// fakeHost has processes with start times and groups.
type fakeHost struct {
	starts map[int]uint64
	groups map[int]*fakeGroup
	log    []string
}

func (h *fakeHost) GroupOf(pid int) (Group, error) {
	if g, ok := h.groups[pid]; ok && !g.gone {
		return g, nil
	}
	return nil, fmt.Errorf("process %d: %w", pid, fs.ErrNotExist)
}

func (h *fakeHost) StartTime(pid int) (uint64, error) {
	if s, ok := h.starts[pid]; ok {
		return s, nil
	}
	return 0, fmt.Errorf("process %d: %w", pid, fs.ErrNotExist)
}

func (h *fakeHost) add(pid int, path string, l cgroup.Limits) *fakeGroup {
	g := &fakeGroup{path: path, version: cgroup.V1, limits: l, fails: map[string]error{}, log: &h.log}
	h.starts[pid], h.groups[pid] = uint64(pid)*10, g
	return g
}

// fakeKV is a store that survives its users, and notes when it was written to.
type fakeKV struct {
	data  map[string][]byte
	fails error
	log   *[]string
}

func (k *fakeKV) Get(_ context.Context, key string) ([]byte, error) { return k.data[key], k.fails }

func (k *fakeKV) Set(_ context.Context, key string, value []byte) error {
	*k.log = append(*k.log, "journal "+key)
	if k.fails == nil {
		k.data[key] = value
	}
	return k.fails
}

func (k *fakeKV) Delete(_ context.Context, key string) error {
	if k.fails == nil {
		delete(k.data, key)
	}
	return k.fails
}

// bench is one actuator over one fake host.
type bench struct {
	t       *testing.T
	host    *fakeHost
	kv      *fakeKV
	a       *Actuator
	reports []Outcome
	now     time.Time
}

func newBench(t *testing.T, enforce bool) *bench {
	b := &bench{t: t, host: &fakeHost{starts: map[int]uint64{}, groups: map[int]*fakeGroup{}}, now: time.Unix(1_700_000_000, 0)}
	b.kv = &fakeKV{data: map[string][]byte{}, log: &b.host.log}
	b.start(enforce)
	return b
}

// start begins a new run of the agent on the same host and store.
func (b *bench) start(enforce bool) {
	b.t.Helper()
	j, left, err := OpenJournal(b.t.Context(), b.kv)
	require.NoError(b.t, err)
	b.a, err = New(Options{Host: b.host, Journal: j, Enforce: enforce, Report: func(o Outcome) { b.reports = append(b.reports, o) }})
	require.NoError(b.t, err)
	require.NoError(b.t, b.a.Recover(b.t.Context(), b.now, left))
}

func (b *bench) ensure(id string, pid int) View {
	b.t.Helper()
	v, err := b.a.Ensure(b.t.Context(), Ref{ID: id, Name: id, Class: appspec.BestEffort, PID: pid}, b.now)
	require.NoError(b.t, err)
	return v
}

// change is one change from the container's current limits.
func (b *bench) change(id string, pid int, r control.Resource, to control.Limits) control.Change {
	v := b.ensure(id, pid)
	return control.Change{ID: id, Name: id, Resource: r, Before: v.Current, After: v.Current.With(to, r), Rule: control.RuleClassWeight, Reason: "test"}
}

func (b *bench) apply(changes ...control.Change) []Outcome {
	return b.a.Apply(b.t.Context(), b.now, changes)
}

func (b *bench) stored() map[string][]byte { return maps.Clone(b.kv.data) }

func (b *bench) pass(d time.Duration) { b.now = b.now.Add(d) }

func someLimits() cgroup.Limits {
	return cgroup.Limits{Shares: 1024, Quota: cgroup.Quota{QuotaUS: -1, PeriodUS: 100_000}, CPUs: cpuset.Of(0), EffectiveCPUs: cpuset.Of(0)}
}

var (
	lowWeight = control.Limits{Shares: 2}
	bothCPUs  = control.Limits{CPUs: cpuset.Range(0, 1)}
	halfCPU   = control.Limits{Quota: control.Quota{QuotaUS: 50_000, PeriodUS: 100_000}}
)
