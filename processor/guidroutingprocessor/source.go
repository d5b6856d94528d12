package guidroutingprocessor

import (
	"fmt"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.uber.org/zap"

	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/inventory"
)

// opener opens the inventory that a configuration wants; close is never nil.
type opener func(host component.Host, cfg *Config, logger *zap.Logger) (reader inventory.Reader, close func(), err error)

// openInventory takes the inventory of the container_lifecycle extension, else
// one of its own that Docker feeds, or the cgroup tree while Docker does not answer.
func openInventory(host component.Host, cfg *Config, logger *zap.Logger) (inventory.Reader, func(), error) {
	if shared, ok := inventory.Find(host); ok {
		return shared, func() {}, nil
	}
	opts := inventory.OpenOptions{
		Docker: docker.Options{Host: cfg.Endpoint},
		Feed:   inventory.FeedOptions{Logger: logger},
	}
	if tree, err := cgroup.Open("/"); err == nil {
		opts.Feed.Fallback = tree
	} else {
		logger.Warn("containers cannot be found by their cgroups while Docker does not answer", zap.Error(err))
	}
	reader, closeFeed, err := inventory.Open(host, opts)
	if err != nil {
		return nil, nil, fmt.Errorf("open inventory: %w", err)
	}
	return reader, closeFeed, nil
}

// sources shares inventories between the processors of one configuration (one
// for each pipeline and signal): the first to start opens, the last to stop closes.
type sources struct {
	open opener
	mu   sync.Mutex
	used map[*Config]*source
}

type source struct {
	reader inventory.Reader
	close  func()
	users  int
}

func newSources(open opener) *sources {
	return &sources{open: open, used: map[*Config]*source{}}
}

func (s *sources) acquire(host component.Host, cfg *Config, logger *zap.Logger) (inventory.Reader, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	src := s.used[cfg]
	if src == nil {
		reader, closeFeed, err := s.open(host, cfg, logger)
		if err != nil {
			return nil, err
		}
		src = &source{reader: reader, close: closeFeed}
		s.used[cfg] = src
	}
	src.users++
	return src.reader, nil
}

func (s *sources) release(cfg *Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	src := s.used[cfg]
	if src == nil {
		return
	}
	if src.users--; src.users == 0 {
		delete(s.used, cfg)
		src.close()
	}
}
