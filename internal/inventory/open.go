package inventory

import (
	"context"
	"errors"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"

	"github.com/governor-project/governor/internal/docker"
)

// Find returns the inventory of the extension that hosts one.
func Find(host component.Host) (Reader, bool) {
	if host == nil {
		return nil, false
	}
	extensions := host.GetExtensions()
	ids := make([]component.ID, 0, len(extensions))
	for id := range extensions {
		ids = append(ids, id)
	}
	// The same one every time, should there be several.
	slices.SortFunc(ids, func(a, b component.ID) int { return strings.Compare(a.String(), b.String()) })
	for _, id := range ids {
		if p, ok := extensions[id].(Provider); ok {
			return p.Inventory(), true
		}
	}
	return nil, false
}

// OpenOptions say where a component without the extension looks itself.
type OpenOptions struct {
	Feed   FeedOptions
	Docker docker.Options
	// WithoutDocker uses the cgroup tree only (Feed.Fallback).
	WithoutDocker bool
}

// Open returns the inventory that a component reads: the extension's when the
// host has one, else an own one, fed by Docker and, until Docker answers, by
// Feed.Fallback. close ends the feed and waits for it; it is never nil. An
// engine that does not answer is no error: the inventory is unsynced until it
// does.
func Open(host component.Host, opts OpenOptions) (reader Reader, closeFeed func(), err error) {
	if shared, ok := Find(host); ok {
		return shared, func() {}, nil
	}
	store := &Store{}
	if opts.WithoutDocker {
		if opts.Feed.Fallback == nil {
			return nil, func() {}, errors.New("inventory: without Docker the cgroup tree is needed")
		}
		return store, start(func(ctx context.Context) { RunTree(ctx, store, opts.Feed.Fallback, opts.Feed) }), nil
	}
	client, err := docker.New(opts.Docker)
	if err != nil {
		return nil, func() {}, err
	}
	stop := start(func(ctx context.Context) { Run(ctx, store, client, opts.Feed) })
	return store, func() {
		stop()
		_ = client.Close() // it only drops idle connections
	}, nil
}

// start runs a feed in a goroutine of its own and returns what ends it.
func start(feed func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		feed(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}
