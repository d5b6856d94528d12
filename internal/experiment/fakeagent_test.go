//go:build docker

package experiment

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/governor-project/governor/internal/api"
	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/internal/cpuset"
	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/inventory"
)

// standIn is an agent with the outside of the real one and no brain: it gives
// each latency-critical container the whole pool and each best-effort one the
// lowest weight. It lets the harness be tested by itself.
type standIn struct {
	docker    docker.Client
	cgroups   *cgroup.FS
	pool      cpuset.Set
	journal   string
	forgetful bool // does not restore: the harness must notice

	mu        sync.Mutex
	originals map[string]original // by container ID
	decisions []api.Decision
}

type original struct {
	Shares  uint64
	QuotaUS int64
	CPUs    cpuset.Set
}

func init() {
	roles["stand-in"] = func() error { return runStandIn(false) }
	roles["forgetful"] = func() error { return runStandIn(true) }
}

func runStandIn(forgetful bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	a := &standIn{journal: filepath.Join(os.Getenv("GOVERNOR_STATE_DIR"), "journal"), forgetful: forgetful, originals: map[string]original{}}
	var err error
	if a.docker, err = docker.New(docker.Options{}); err != nil {
		return err
	}
	if a.cgroups, err = cgroup.Open("/"); err != nil {
		return err
	}
	if a.pool, err = cpuset.Parse(os.Getenv("GOVERNOR_POOL_CPUS")); err != nil {
		return err
	}
	if text, err := os.ReadFile(a.journal); err == nil {
		if err := errors.Join(json.Unmarshal(text, &a.originals), a.restore()); err != nil {
			return err
		}
	}
	socket := os.Getenv("GOVERNOR_SOCKET")
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: a.routes()}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	return a.control(ctx)
}

func (a *standIn) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/heartbeat", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(api.Heartbeat{Inventory: api.Inventory{Synced: true}})
	})
	mux.HandleFunc("GET /v1/decisions", func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		answer := api.Decisions{LastSeq: uint64(len(a.decisions))}
		if r.URL.Query().Get("after") == "0" {
			answer.Decisions = a.decisions
		}
		_ = json.NewEncoder(w).Encode(answer)
	})
	mux.HandleFunc("POST /v1/apps", func(w http.ResponseWriter, r *http.Request) {
		result, err := a.up(r.Context(), r.Body)
		if err != nil {
			api.NewProblem(http.StatusInternalServerError, "%v", err).Write(w)
			return
		}
		_ = json.NewEncoder(w).Encode(result)
	})
	return mux
}

func (a *standIn) up(ctx context.Context, body io.Reader) (api.UpResult, error) {
	result := api.UpResult{Apps: map[string]api.App{}}
	text, err := io.ReadAll(body)
	if err != nil {
		return result, err
	}
	file, err := appspec.Parse("body", text, appspec.Options{})
	if err != nil {
		return result, err
	}
	for _, app := range file.Apps {
		var made []api.Container
		for _, c := range app.Containers {
			id, err := a.docker.Create(ctx, docker.CreateSpec{
				Name: appspec.DockerName(app.Name, c, 1), Image: c.Image, Command: c.Command, CPUs: c.CPUs.String(), Quota: c.Quota,
				Labels: map[string]string{inventory.LabelApp: app.Name, inventory.LabelClass: string(app.Policy.Class)},
			})
			if err == nil {
				err = a.docker.Start(ctx, id)
			}
			if err != nil {
				return result, err
			}
			made = append(made, api.Container{ID: id})
		}
		result.Apps[app.Name] = api.App{Containers: made}
	}
	return result, nil
}

// control acts until ctx ends, then restores.
func (a *standIn) control(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return a.restore()
		case <-time.After(100 * time.Millisecond):
		}
		found, err := a.docker.List(ctx, inventory.LabelApp)
		if err != nil {
			continue
		}
		for _, c := range found {
			if app := c.Labels[inventory.LabelApp]; app != serviceApp && app != interferenceApp {
				continue // another test's
			}
			if _, known := a.originals[c.ID]; !known {
				_ = a.take(ctx, c) // the container may be gone
			}
		}
	}
}

func (a *standIn) group(ctx context.Context, id string) (*cgroup.Group, error) {
	info, err := a.docker.Inspect(ctx, id)
	if err != nil {
		return nil, err
	}
	return a.cgroups.GroupOf(info.PID)
}

func (a *standIn) take(ctx context.Context, c docker.Summary) error {
	g, err := a.group(ctx, c.ID)
	if err != nil {
		return err
	}
	before, err := g.Limits()
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.originals[c.ID] = original{Shares: before.Shares, QuotaUS: before.Quota.QuotaUS, CPUs: before.CPUs}
	text, err := json.Marshal(a.originals)
	if err != nil {
		return err
	}
	if err := os.WriteFile(a.journal, text, 0o600); err != nil {
		return err
	}
	d := api.Decision{Seq: uint64(len(a.decisions) + 1), Time: time.Now(), App: c.Labels[inventory.LabelApp], Result: resultWritten, Rule: "stand_in"}
	if c.Labels[inventory.LabelClass] == string(appspec.BestEffort) {
		d.Resource, d.Before, d.After = "weight", "1024", "2"
		err = g.SetShares(lowestShares)
	} else {
		d.Resource, d.Before, d.After = "cpuset", before.CPUs.String(), a.pool.String()
		err = errors.Join(g.SetCPUs(a.pool), g.SetQuota(cgroup.Quota{QuotaUS: cgroup.NoQuota, PeriodUS: cgroup.DefaultPeriodUS}))
	}
	a.decisions = append(a.decisions, d)
	return err
}

func (a *standIn) restore() error {
	if a.forgetful {
		return nil
	}
	var errs []error
	for id, o := range a.originals {
		g, err := a.group(context.Background(), id)
		if err != nil {
			continue // gone, and its limits with it
		}
		errs = append(errs, g.SetShares(o.Shares), g.SetCPUs(o.CPUs),
			g.SetQuota(cgroup.Quota{QuotaUS: o.QuotaUS, PeriodUS: cgroup.DefaultPeriodUS}))
	}
	clear(a.originals)
	return errors.Join(append(errs, os.RemoveAll(a.journal))...)
}
