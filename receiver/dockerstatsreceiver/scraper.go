package dockerstatsreceiver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/scraper/scrapererror"
	"go.uber.org/zap"

	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/inventory"
	"github.com/governor-project/governor/internal/topology"
	"github.com/governor-project/governor/receiver/dockerstatsreceiver/internal/metadata"
)

// containerScraper follows the containers of the inventory. The scrape
// controller calls it from one goroutine, which owns every field.
type containerScraper struct {
	cfg       *Config
	set       receiver.Settings
	telemetry *metadata.TelemetryBuilder
	excluded  *imageFilter
	rec       recorder
	now       func() time.Time

	groups     *cgroup.FS
	names      inventory.Reader
	closeNames func()

	generation uint64
	known      bool // generation has been set
	following  map[string]*followed
	failing    map[string]string // container ID → why it cannot be followed, as logged
}

func newContainerScraper(cfg *Config, set receiver.Settings) (*containerScraper, error) {
	excluded, err := newImageFilter(cfg.ExcludedImages)
	if err != nil {
		return nil, err
	}
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, fmt.Errorf("docker_stats: telemetry: %w", err)
	}
	return &containerScraper{
		cfg: cfg, set: set, telemetry: telemetry, excluded: excluded, now: time.Now,
		rec: recorder{
			mb:   metadata.NewMetricsBuilder(cfg.MetricsBuilderConfig, set),
			want: newSelection(cfg.Metrics),
		},
		closeNames: func() {},
		following:  map[string]*followed{}, failing: map[string]string{},
	}, nil
}

// start never waits for the engine: names come when it answers.
func (s *containerScraper) start(_ context.Context, host component.Host) error {
	groups, err := cgroup.Open(s.cfg.RootPath)
	if err != nil {
		// Nothing can be read on this host. That is said, and the rest of the agent goes on.
		s.set.Logger.Error("no container can be read", zap.Error(err))
		componentstatus.ReportStatus(host, componentstatus.NewRecoverableErrorEvent(err))
		return nil
	}
	s.groups = groups
	if s.rec.host.memory, err = groups.MemTotal(); err != nil {
		s.set.Logger.Warn("memory without limit has no percentage", zap.Error(err))
	}
	options := inventory.OpenOptions{
		Docker:        docker.Options{Host: s.cfg.Endpoint, CallTimeout: s.cfg.Timeout},
		WithoutDocker: s.cfg.Source == sourceCgroup,
		Feed: inventory.FeedOptions{
			Logger: s.set.Logger, Fallback: groups, ProcRoot: s.cfg.RootPath, Status: reporter(host),
		},
	}
	s.names, s.closeNames, err = s.open(host, options)
	return err
}

// open prefers the inventory that an extension hosts, unless the user wants
// the cgroup tree.
func (s *containerScraper) open(host component.Host, options inventory.OpenOptions) (inventory.Reader, func(), error) {
	if options.WithoutDocker {
		host = nil
	}
	return inventory.Open(host, options)
}

// reporter turns the feed's state into component status, at each change.
func reporter(host component.Host) func(error) {
	last := "unknown"
	return func(err error) {
		text := ""
		if err != nil {
			text = err.Error()
		}
		if text == last {
			return
		}
		last = text
		if err != nil {
			componentstatus.ReportStatus(host, componentstatus.NewRecoverableErrorEvent(err))
			return
		}
		componentstatus.ReportStatus(host, componentstatus.NewEvent(componentstatus.StatusOK))
	}
}

func (s *containerScraper) shutdown(context.Context) error {
	s.closeNames()
	var errs []error
	for id := range s.following {
		errs = append(errs, s.drop(id))
	}
	s.telemetry.Shutdown()
	return errors.Join(errs...)
}

// scrape reads every followed container once.
func (s *containerScraper) scrape(ctx context.Context) (pmetric.Metrics, error) {
	if s.names == nil {
		return pmetric.NewMetrics(), nil // start has said why
	}
	s.update()
	problems := s.readHost()
	for id, c := range s.following {
		err := s.read(c)
		switch {
		case err == nil:
		case errors.Is(err, fs.ErrNotExist):
			s.logged(s.drop(id))
			s.telemetry.ReceiverDockerStatsContainersGone.Add(ctx, 1)
		default:
			problems = append(problems, fmt.Errorf("container %s: %w", c.info.Name, err))
			s.telemetry.ReceiverDockerStatsReadErrors.Add(ctx, 1)
		}
	}
	s.telemetry.ReceiverDockerStatsContainers.Record(ctx, int64(len(s.following)))
	metrics := s.rec.mb.Emit()
	if err := errors.Join(problems...); err != nil {
		return metrics, scrapererror.NewPartialScrapeError(err, len(problems))
	}
	return metrics, nil
}

// read records one container.
func (s *containerScraper) read(c *followed) error {
	err := s.rec.read(c)
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.rec.record(c, s.now())
	options := [2]metadata.ResourceMetricsOption{metadata.WithResource(c.resource)}
	n := 1
	if !c.started.IsZero() {
		options[1] = metadata.WithStartTimeOverride(pcommon.NewTimestampFromTime(c.started))
		n = 2
	}
	s.rec.mb.EmitForResource(options[:n]...)
	return err
}

// readHost reads what is the same for all containers.
func (s *containerScraper) readHost() (problems []error) {
	if s.rec.want.system {
		system, err := s.groups.SystemCPU()
		if err != nil {
			problems = append(problems, err)
		}
		s.rec.host.system = system
	}
	if s.rec.want.online {
		online, err := topology.Online(s.cfg.RootPath)
		if err != nil {
			problems = append(problems, err)
		}
		s.rec.host.online = online.Len()
	}
	return problems
}

// update follows the inventory when it has changed, and tries again where a
// container could not be followed.
func (s *containerScraper) update() {
	generation := s.names.Generation()
	if s.known && generation == s.generation && len(s.failing) == 0 {
		return
	}
	s.generation, s.known = generation, true
	present := map[string]bool{}
	for _, info := range s.names.Containers() {
		if info.PID <= 0 || s.excluded.excludes(info.Image) {
			continue
		}
		present[info.ID] = true
		s.updateContainer(info)
	}
	for id := range s.following {
		if !present[id] {
			s.logged(s.drop(id))
		}
	}
	for id := range s.failing {
		if !present[id] {
			delete(s.failing, id)
		}
	}
}

func (s *containerScraper) updateContainer(info inventory.Container) {
	c := s.following[info.ID]
	if c != nil && !c.sameRun(info) && !c.stillRuns(info) {
		s.logged(s.drop(info.ID))
		c = nil
	}
	if c == nil {
		var err error
		if c, err = follow(s.groups, info); err != nil {
			s.cannotFollow(info, err)
			return
		}
		delete(s.failing, info.ID)
		s.following[info.ID] = c
	}
	c.describe(info, s.rec.mb.NewResourceBuilder(), s.cfg)
}

// cannotFollow says once why. A container that has already ended is no problem.
func (s *containerScraper) cannotFollow(info inventory.Container, err error) {
	if errors.Is(err, fs.ErrNotExist) {
		delete(s.failing, info.ID)
		return
	}
	if text := err.Error(); s.failing[info.ID] != text {
		s.failing[info.ID] = text
		s.set.Logger.Warn("container cannot be read", zap.String("container", info.Name), zap.Error(err))
	}
}

// drop forgets a container and closes its files.
func (s *containerScraper) drop(id string) error {
	c := s.following[id]
	delete(s.following, id)
	if err := c.stats.Close(); err != nil {
		return fmt.Errorf("container %s: close: %w", c.info.Name, err)
	}
	return nil
}

func (s *containerScraper) logged(err error) {
	if err != nil {
		s.set.Logger.Warn("container left open files behind", zap.Error(err))
	}
}
