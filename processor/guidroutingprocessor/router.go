package guidroutingprocessor

import (
	"context"
	"errors"
	"net/netip"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/processor"

	"github.com/governor-project/governor/internal/inventory"
)

var errStopped = errors.New("guid_routing is shut down and takes nothing more")

// router is what the processors of all signals have in common: the attribution
// of resources, its telemetry, and the end of life.
type router struct {
	cfg       *Config
	set       processor.Settings
	sources   *sources
	telemetry *telemetry
	signal    signal

	attributor *attributor // nil before Start

	mu      sync.RWMutex // held for reading while a batch is on its way
	stopped bool
	started bool
}

func newRouter(set processor.Settings, cfg *Config, sources *sources, sig signal) (*router, error) {
	tel, err := newTelemetry(set.TelemetrySettings, sig)
	if err != nil {
		return nil, err
	}
	return &router{cfg: cfg, set: set, sources: sources, telemetry: tel, signal: sig}, nil
}

// Capabilities implements consumer.
func (*router) Capabilities() consumer.Capabilities { return consumer.Capabilities{MutatesData: true} }

// Start implements component.Component.
func (r *router) Start(_ context.Context, host component.Host) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	reader, err := r.sources.acquire(host, r.cfg, r.set.Logger)
	if err != nil {
		return err
	}
	r.attributor, r.started = newAttributor(reader, r.cfg.Rules), true
	return nil
}

// Shutdown implements component.Component. It waits for batches on their way.
func (r *router) Shutdown(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return nil
	}
	r.stopped = true
	if r.started {
		r.sources.release(r.cfg)
	}
	return nil
}

// enter admits a batch; leave must follow when it returns nil.
func (r *router) enter() error {
	r.mu.RLock()
	if r.stopped {
		r.mu.RUnlock()
		return errStopped
	}
	return nil
}

func (r *router) leave() { r.mu.RUnlock() }

// pass is the attribution of one batch. Its counts are added up first, because
// most batches come from one container.
type pass struct {
	router *router
	sender netip.Addr
	counts [unmatched + 1]count // by rule; the last one: unattributed
}

type count struct{ resources, records int64 }

func (r *router) begin(ctx context.Context) pass {
	return pass{router: r, sender: senderOf(ctx)}
}

// resource attributes one resource of so many records and reports whether it
// is to be dropped.
func (p *pass) resource(attrs pcommon.Map, records int) (drop bool) {
	rule := unmatched
	var container inventory.Container
	if a := p.router.attributor; a != nil {
		container, rule = a.find(attrs, p.sender)
	}
	p.counts[rule].resources++
	p.counts[rule].records += int64(records)
	if rule == unmatched {
		return p.router.cfg.Unattributed == dropUnattributed
	}
	p.router.describe(attrs, &container, allRules[rule])
	return false
}

// end publishes the counts of the batch.
func (p *pass) end(ctx context.Context) {
	p.router.telemetry.attributed(ctx, &p.counts, p.router.cfg.Unattributed == dropUnattributed)
}

// describe writes what the inventory knows. The inventory is right: what a
// sender claimed to be is replaced, or removed when the container has no such thing.
func (r *router) describe(attrs pcommon.Map, c *inventory.Container, rule Rule) {
	const written = 7
	attrs.EnsureCapacity(attrs.Len() + written)
	set(attrs, inventory.AttrContainerID, c.ID)
	set(attrs, inventory.AttrContainerName, c.Name)
	set(attrs, inventory.AttrContainerImage, c.Image)
	set(attrs, inventory.AttrGUID, c.GUID)
	set(attrs, inventory.AttrApp, c.App)
	set(attrs, inventory.AttrClass, string(c.Class()))
	set(attrs, inventory.AttrAttribution, string(rule))
	switch name := r.cfg.ServiceName; {
	case name == appServiceName && c.App != "":
		set(attrs, attrServiceName, c.App)
	case name == guidServiceName && c.GUID != "":
		set(attrs, attrServiceName, c.GUID)
	}
}

// set writes an attribute, without touching one that says so already.
func set(attrs pcommon.Map, key, value string) {
	old, ok := attrs.Get(key)
	switch {
	case value == "" && ok:
		attrs.Remove(key)
	case value == "" || ok && old.Type() == pcommon.ValueTypeStr && old.Str() == value:
	case ok:
		old.SetStr(value)
	default:
		attrs.PutEmpty(key).SetStr(value)
	}
}
