package cpucontrolexporter

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.uber.org/zap"

	"github.com/governor-project/governor/internal/actuate"
	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/inventory"
)

// edges is what the controller touches of the host.
type edges struct {
	reader    inventory.Reader
	closeFeed func()
	cgroups   actuate.Host // nil where there are no cgroups
}

// hostOpener opens the edges; tests put fakes here. The error leaves nothing open.
type hostOpener func(host component.Host, cfg *Config, logger *zap.Logger) (edges, error)

// openHost takes the inventory of the container_lifecycle extension, else one of
// its own, and the host's cgroups.
func openHost(host component.Host, cfg *Config, logger *zap.Logger) (edges, error) {
	var e edges
	opts := inventory.OpenOptions{
		Docker: docker.Options{Host: cfg.Endpoint},
		Feed:   inventory.FeedOptions{Logger: logger},
	}
	tree, err := cgroup.Open(cfg.CgroupRoot)
	if err != nil {
		logger.Warn("no container can be controlled without cgroups", zap.Error(err))
	} else {
		opts.Feed.Fallback = tree
		e.cgroups = actuate.NewHost(tree)
	}
	e.reader, e.closeFeed, err = inventory.Open(host, opts)
	if err != nil {
		return edges{}, fmt.Errorf("open inventory: %w", err)
	}
	return e, nil
}

// openStorage returns the client of the configured storage extension, nil when
// none is configured.
func openStorage(ctx context.Context, host component.Host, id *component.ID, self component.ID) (storage.Client, error) {
	if id == nil {
		return nil, nil
	}
	ext, ok := host.GetExtensions()[*id]
	if !ok {
		return nil, fmt.Errorf("storage: extension %q is not running; configure it and list it under service::extensions", id)
	}
	store, ok := ext.(storage.Extension)
	if !ok {
		return nil, fmt.Errorf("storage: extension %q stores nothing; file_storage does", id)
	}
	client, err := store.GetClient(ctx, component.KindExporter, self, "journal")
	if err != nil {
		return nil, fmt.Errorf("storage: extension %q: %w", id, err)
	}
	return client, nil
}
