package containerlifecycleextension

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensioncapabilities"
	"go.uber.org/zap"

	"github.com/governor-project/governor/extension/containerlifecycleextension/internal/metadata"
	"github.com/governor-project/governor/internal/api"
	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/inventory"
	"github.com/governor-project/governor/internal/lifecycle"
	"github.com/governor-project/governor/internal/lifecycle/plan"
)

// containerLifecycle is the extension. Its goroutines end, and are waited for,
// in Shutdown.
type containerLifecycle struct {
	cfg       *Config
	set       extension.Settings
	open      dockerOpener
	telemetry *metadata.TelemetryBuilder
	store     *inventory.Store
	routes    *routes
	agentID   string

	client  docker.Client
	exec    *lifecycle.Executor
	host    component.Host
	server  *http.Server
	socket  *socket
	running sync.WaitGroup

	cancelRequests context.CancelFunc
	cancelFeeds    context.CancelFunc // after the requests, which need the inventory to undo what they did
	streaming      context.Context    // ends as soon as the agent is told to end

	mu      sync.Mutex
	problem error // why Docker cannot be used now; nil: it can
}

var (
	_ inventory.Provider              = (*containerLifecycle)(nil)
	_ api.Mounter                     = (*containerLifecycle)(nil)
	_ extensioncapabilities.Dependent = (*containerLifecycle)(nil)
)

// dockerOpener makes the client; tests put an engine in memory here.
type dockerOpener func(docker.Options) (docker.Client, error)

func openDocker(options docker.Options) (docker.Client, error) { return docker.New(options) }

// errConnecting is the problem until the first attempt to reach Docker has ended.
var errConnecting = errors.New("the first attempt to reach Docker has not ended yet")

func newLifecycle(set extension.Settings, cfg *Config, open dockerOpener) (*containerLifecycle, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	e := &containerLifecycle{cfg: cfg, set: set, open: open, telemetry: telemetry, store: &inventory.Store{}, problem: errConnecting}
	e.routes = newRoutes(func(ctx context.Context, route string, status int) {
		countRequest(ctx, telemetry, route, status)
	})
	return e, nil
}

// Inventory implements inventory.Provider.
func (e *containerLifecycle) Inventory() inventory.Reader { return e.store }

// Mount implements api.Mounter.
func (e *containerLifecycle) Mount(pattern string, h http.Handler) (func(), error) {
	return e.routes.mount(pattern, h)
}

// Dependencies lets the storage extension start first.
func (e *containerLifecycle) Dependencies() []component.ID {
	if e.cfg.Storage == nil {
		return nil
	}
	return []component.ID{*e.cfg.Storage}
}

// Start serves the API and begins to follow Docker. A Docker that does not
// answer is no error: the component then reports why, and goes on trying.
func (e *containerLifecycle) Start(ctx context.Context, host component.Host) error {
	e.host = host
	var err error
	if e.agentID, err = e.identify(ctx, host); err != nil {
		return err
	}
	if e.client, err = e.open(docker.Options{
		Host: e.cfg.Endpoint, CallTimeout: e.cfg.Timeouts.Call, ChangeTimeout: e.cfg.Timeouts.Change, TransferTimeout: e.cfg.Timeouts.Transfer,
	}); err != nil {
		return fmt.Errorf("endpoint: %w", err)
	}
	e.exec = lifecycle.New(lifecycle.Options{
		Client: e.client, Inventory: e.store, Surroundings: e.surroundings, Random: rand.Reader, Logger: e.set.Logger, Available: e.dockerProblem,
		ReadyTimeout: e.cfg.Timeouts.Ready, StopGrace: e.cfg.Timeouts.StopGrace, RollbackTimeout: e.cfg.Timeouts.Rollback,
	})
	if err := e.register(); err != nil {
		return err
	}
	if err := e.observe(); err != nil {
		return err
	}
	if e.socket, err = listen(ctx, e.cfg.Socket); err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	ctx = context.WithoutCancel(ctx) // the component outlives the context of Start
	e.serve(ctx)
	ctx, e.cancelFeeds = context.WithCancel(ctx)
	e.running.Go(func() { inventory.Run(ctx, e.store, e.client, e.feed()) })
	e.running.Go(func() { e.exec.Run(ctx, nil) })
	e.set.Logger.Info("the API is served", zap.String("socket", e.cfg.Socket))
	return nil
}

func (e *containerLifecycle) feed() inventory.FeedOptions {
	opts := inventory.FeedOptions{Logger: e.set.Logger, GUIDEnv: e.cfg.GUIDEnv, Status: e.dockerIs, ProcRoot: e.cfg.CgroupRoot}
	tree, err := cgroup.Open(e.cfg.CgroupRoot)
	if err != nil {
		e.set.Logger.Warn("without Docker no container can be found: the cgroup tree cannot be read", zap.Error(err))
		return opts
	}
	opts.Fallback = tree
	return opts
}

// dockerIs notes and reports whether Docker can be used.
func (e *containerLifecycle) dockerIs(problem error) {
	e.mu.Lock()
	before := e.problem
	e.problem = problem
	e.mu.Unlock()
	if before != nil && problem != nil && before.Error() == problem.Error() {
		return
	}
	if problem == nil {
		if before != errConnecting {
			e.set.Logger.Info("Docker is being followed again")
		}
		componentstatus.ReportStatus(e.host, componentstatus.NewEvent(componentstatus.StatusOK))
		return
	}
	componentstatus.ReportStatus(e.host, componentstatus.NewRecoverableErrorEvent(problem))
}

func (e *containerLifecycle) dockerProblem() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.problem
}

// synced reports whether the inventory knows everything that Docker does.
func (e *containerLifecycle) synced() bool { return e.dockerProblem() == nil && e.store.Synced() }

// surroundings asks for the gateway each time: it changes with Docker's configuration.
func (e *containerLifecycle) surroundings(ctx context.Context) (plan.Surroundings, error) {
	out := plan.Surroundings{GUIDEnv: e.cfg.GUIDEnv, HostAddress: e.cfg.HostAddress, OTLPPort: e.cfg.OTLPPort, JaegerAgentPort: e.cfg.JaegerAgentPort}
	if out.HostAddress != "" {
		return out, nil
	}
	var err error
	out.HostAddress, err = e.client.BridgeGateway(ctx)
	return out, err
}

func (e *containerLifecycle) serve(ctx context.Context) {
	ctx, e.cancelRequests = context.WithCancel(ctx)
	var endStreams context.CancelFunc
	e.streaming, endStreams = context.WithCancel(ctx)
	e.server = &http.Server{
		Handler:           e.routes,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       bodyTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          zap.NewStdLog(e.set.Logger),
	}
	e.server.RegisterOnShutdown(endStreams)
	e.running.Go(func() {
		if err := e.server.Serve(e.socket); !errors.Is(err, http.ErrServerClosed) {
			componentstatus.ReportStatus(e.host, componentstatus.NewPermanentErrorEvent(fmt.Errorf("the API is no longer served: %w", err)))
		}
	})
}

// Shutdown lets requests that are under way end while ctx lasts, then cancels
// them: a batch that is cancelled rolls itself back. Containers go on.
func (e *containerLifecycle) Shutdown(ctx context.Context) error {
	defer e.telemetry.Shutdown()
	if e.socket == nil { // Start has not come that far
		return nil
	}
	err := e.drain(ctx)
	e.cancelRequests()
	e.cancelFeeds()
	e.running.Wait()
	return errors.Join(err, e.socket.remove(), e.client.Close())
}
