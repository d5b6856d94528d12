package actuate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/internal/control"
	"github.com/governor-project/governor/internal/cpuset"
)

// KV is the durable store below the journal; the collector's storage client is
// one. Get returns nil for a key that is not there.
type KV interface {
	Get(ctx context.Context, key string) ([]byte, error)
	Set(ctx context.Context, key string, value []byte) error
	Delete(ctx context.Context, key string) error
}

// indexKey holds the keys of all entries: the store has no listing.
const indexKey = "originals"

// Entry is what one container had before Governor's first write. A lever that
// was never touched is nil. PID, Start and Path are the container's identity:
// another container, or the same one after a restart, differs in them.
type Entry struct {
	ID     string      `json:"id"`
	Name   string      `json:"name"`
	App    string      `json:"app,omitempty"`
	PID    int         `json:"pid"`
	Start  uint64      `json:"start"` // of the process, clock ticks since boot
	Path   string      `json:"cgroup"`
	Shares *uint64     `json:"shares,omitempty"`
	Quota  *EntryQuota `json:"quota,omitempty"`
	CPUs   *cpuset.Set `json:"cpus,omitempty"` // empty: inherited (v2)
}

// EntryQuota is a quota as the journal stores it; QuotaUS -1 means no limit.
type EntryQuota struct {
	QuotaUS  int64  `json:"quota_us"`
	PeriodUS uint64 `json:"period_us"`
}

func (e Entry) key() string { return fmt.Sprintf("original/%s/%d", e.ID, e.Start) }

// originals puts the journaled levers over what was read, and says which they are.
func (e Entry) originals(read cgroup.Limits) (cgroup.Limits, control.Resources) {
	var touched control.Resources
	if e.Shares != nil {
		read.Shares, touched = *e.Shares, touched.With(control.Weight)
	}
	if e.CPUs != nil {
		read.CPUs, touched = *e.CPUs, touched.With(control.CPUSet)
	}
	if e.Quota != nil {
		read.Quota, touched = cgroup.Quota(*e.Quota), touched.With(control.QuotaLimit)
	}
	return read, touched
}

// entry is the item's journal entry with more levers added to the touched ones.
func (it *item) entry(more control.Resources) Entry {
	e := Entry{ID: it.ref.ID, Name: it.ref.Name, App: it.ref.App, PID: it.pid, Start: it.start, Path: it.group.Path()}
	levers := it.touched | more
	if levers.Has(control.Weight) {
		e.Shares = &it.original.Shares
	}
	if levers.Has(control.CPUSet) {
		e.CPUs = &it.original.CPUs
	}
	if levers.Has(control.QuotaLimit) {
		q := EntryQuota(it.original.Quota)
		e.Quota = &q
	}
	return e
}

// Journal keeps entries in a KV. One goroutine owns it.
type Journal struct {
	kv   KV
	keys []string // of all entries, as in the store's index
}

// OpenJournal reads the index and every entry that an earlier run left behind.
// Entries that cannot be read are reported in the error, beside those that can,
// and are dropped from the index.
func OpenJournal(ctx context.Context, kv KV) (*Journal, []Entry, error) {
	j := &Journal{kv: kv}
	raw, err := kv.Get(ctx, indexKey)
	if err != nil {
		return nil, nil, fmt.Errorf("journal: %s: %w", indexKey, err)
	}
	var keys []string
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &keys); err != nil {
			return nil, nil, fmt.Errorf("journal: %s: %w", indexKey, err)
		}
	}
	var entries []Entry
	var errs []error
	for _, key := range keys {
		e, err := j.read(ctx, key)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		entries, j.keys = append(entries, e), append(j.keys, key)
	}
	return j, entries, errors.Join(errs...)
}

func (j *Journal) read(ctx context.Context, key string) (Entry, error) {
	raw, err := j.kv.Get(ctx, key)
	if err != nil {
		return Entry{}, fmt.Errorf("journal: %s: %w", key, err)
	}
	return decodeEntry(key, raw)
}

func decodeEntry(key string, raw []byte) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(raw, &e); err != nil {
		return Entry{}, fmt.Errorf("journal: %s: %w", key, err)
	}
	if e.key() != key || e.PID <= 0 || e.Path == "" {
		return Entry{}, fmt.Errorf("journal: %s: the entry names container %q, process %d, cgroup %q", key, e.ID, e.PID, e.Path)
	}
	return e, nil
}

// Record stores the entries, replacing those of the same containers. When it
// returns nil they survive the end of this process.
func (j *Journal) Record(ctx context.Context, entries []Entry) error {
	keys := slices.Clone(j.keys)
	for _, e := range entries {
		raw, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("journal: %s: %w", e.key(), err)
		}
		if err := j.kv.Set(ctx, e.key(), raw); err != nil {
			return fmt.Errorf("journal: %s: %w", e.key(), err)
		}
		if !slices.Contains(keys, e.key()) {
			keys = append(keys, e.key())
		}
	}
	return j.setIndex(ctx, keys)
}

// Remove forgets an entry whose originals are in force again, or that has none to go to.
func (j *Journal) Remove(ctx context.Context, e Entry) error {
	keys := slices.DeleteFunc(slices.Clone(j.keys), func(k string) bool { return k == e.key() })
	if err := j.setIndex(ctx, keys); err != nil {
		return err
	}
	if err := j.kv.Delete(ctx, e.key()); err != nil {
		return fmt.Errorf("journal: %s: %w", e.key(), err)
	}
	return nil
}

func (j *Journal) setIndex(ctx context.Context, keys []string) error {
	if slices.Equal(keys, j.keys) {
		return nil
	}
	raw, err := json.Marshal(keys)
	if err != nil {
		return fmt.Errorf("journal: %s: %w", indexKey, err)
	}
	if err := j.kv.Set(ctx, indexKey, raw); err != nil {
		return fmt.Errorf("journal: %s: %w", indexKey, err)
	}
	j.keys = keys
	return nil
}
