package cpucontrolexporter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.uber.org/zap"

	"github.com/governor-project/governor/exporter/cpucontrolexporter/internal/metadata"
	"github.com/governor-project/governor/internal/actuate"
	"github.com/governor-project/governor/internal/control"
	"github.com/governor-project/governor/internal/topology"
)

// controller is the exporter of one configuration, for all its signals. Its
// loop goroutine owns everything that the loop struct holds; consumers and API
// handlers reach signals, history and status, which are safe.
type controller struct {
	id        component.ID
	cfg       *Config
	logger    *zap.Logger
	telemetry *metadata.TelemetryBuilder
	open      hostOpener

	signals *signals
	history *history
	status  atomic.Pointer[status]
	fresh   chan struct{} // new statistics arrived

	startOnce, stopOnce sync.Once
	startErr, stopErr   error
	cancel              context.CancelFunc
	done                chan struct{} // closed when the loop has ended
	loop                *loop
	edges               edges
	store               storage.Client
	unmount             func()
}

// status is what the last tick left for readers.
type status struct {
	at             time.Time
	enforcing      bool
	apps           []control.AppStatus
	stale, journal int
	suppressed     float64
}

func (s *status) mode() string {
	if s.enforcing {
		return modeEnforce
	}
	return modeObserve
}

func newController(set exporter.Settings, cfg *Config, open hostOpener) (*controller, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	c := &controller{
		id: set.ID, cfg: cfg, logger: set.Logger, telemetry: telemetry, open: open,
		signals: newSignals(), history: newHistory(cfg.History), fresh: make(chan struct{}, 1),
		cancel: func() {}, unmount: func() {},
	}
	c.status.Store(&status{})
	return c, c.observeStatus()
}

// start is called once for each signal; the first call starts the controller.
func (c *controller) start(ctx context.Context, host component.Host) error {
	c.startOnce.Do(func() {
		if c.startErr = c.begin(ctx, host); c.startErr != nil {
			c.startErr = errors.Join(c.startErr, c.close(ctx))
		}
	})
	return c.startErr
}

func (c *controller) begin(ctx context.Context, host component.Host) error {
	cpus, err := topology.Read(c.cfg.CgroupRoot)
	if err != nil {
		return fmt.Errorf("pool: the host's CPUs cannot be read: %w", err)
	}
	pool, err := c.cfg.Pool.resolve(cpus.Online)
	if err != nil {
		return err
	}
	if c.store, err = openStorage(ctx, host, c.cfg.Storage, c.id); err != nil {
		return err
	}
	if c.edges, err = c.open(host, c.cfg, c.logger); err != nil {
		return err
	}
	if c.unmount, err = c.mount(host); err != nil {
		c.logger.Error("decisions are not served", zap.Error(err)) // they are still made
	}
	if c.edges.cgroups == nil {
		c.report(host, errors.New("there are no cgroups here: nothing can be controlled"))
		return nil
	}
	if c.loop, err = c.newLoop(ctx, host, pool); err != nil {
		return err
	}
	loopCtx, cancel := context.WithCancel(context.Background())
	c.cancel, c.done = cancel, make(chan struct{})
	go func() {
		defer close(c.done)
		c.loop.run(loopCtx)
	}()
	c.logger.Info("controlling CPU", zap.String("mode", c.cfg.Mode), zap.String("pool", pool.CPUs.String()),
		zap.String("reserved", pool.Reserved.String()), zap.Duration("interval", c.cfg.Interval))
	return nil
}

// newLoop opens the journal, and puts back or takes over what a crash left.
func (c *controller) newLoop(ctx context.Context, host component.Host, pool control.Pool) (*loop, error) {
	now := time.Now()
	l := &loop{controller: c, host: host, pool: pool, adoptAt: now.Add(adoptWithin)}
	var journal *actuate.Journal
	var left []actuate.Entry
	if c.store != nil {
		var err error
		if journal, left, err = actuate.OpenJournal(ctx, c.store); journal == nil {
			return nil, err
		} else if err != nil {
			c.logger.Error("a part of the journal of original limits cannot be read and is left out", zap.Error(err))
		}
	}
	var err error
	l.actuator, err = actuate.New(actuate.Options{
		Host: c.edges.cgroups, Journal: journal, Enforce: c.cfg.Mode == modeEnforce, Report: l.record,
	})
	if err != nil {
		return nil, err
	}
	if len(left) > 0 {
		c.logger.Info("an earlier run ended without restoring limits", zap.Int("containers", len(left)))
		if err := l.actuator.Recover(ctx, now, left); err != nil {
			c.logger.Error("limits of an earlier run could not all be restored", zap.Error(err))
		}
	}
	return l, nil
}

// report says that the component goes on with less than was asked for.
func (c *controller) report(host component.Host, err error) {
	c.logger.Error("CPU is not controlled, only observed", zap.Error(err))
	componentstatus.ReportStatus(host, componentstatus.NewRecoverableErrorEvent(err))
}

// shutdown is called once for each signal; the first call ends the loop, waits
// for it and restores every container's limits.
func (c *controller) shutdown(ctx context.Context) error {
	c.stopOnce.Do(func() { c.stopErr = c.close(ctx) })
	return c.stopErr
}

func (c *controller) close(ctx context.Context) error {
	c.unmount()
	c.cancel()
	var errs []error
	if c.done != nil {
		<-c.done // a tick is short, and restoring must not race with it
		errs = append(errs, c.loop.actuator.RestoreAll(ctx, time.Now()))
	}
	if c.edges.closeFeed != nil {
		c.edges.closeFeed()
	}
	if c.store != nil {
		errs = append(errs, c.store.Close(ctx))
	}
	c.telemetry.Shutdown()
	c.done, c.store, c.edges, c.unmount = nil, nil, edges{}, func() {}
	return errors.Join(errs...)
}
