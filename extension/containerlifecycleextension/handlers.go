package containerlifecycleextension

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/governor-project/governor/internal/api"
	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/cpuset"
	"github.com/governor-project/governor/internal/lifecycle"
	"github.com/governor-project/governor/internal/lifecycle/plan"
)

// handler answers a request, or returns what is wrong.
type handler func(w http.ResponseWriter, r *http.Request) error

// endpoints is the API, pattern by pattern, with the query parameters of each.
func (e *containerLifecycle) endpoints() []struct {
	pattern string
	query   []string
	handle  handler
} {
	return []struct {
		pattern string
		query   []string
		handle  handler
	}{
		{"POST /v1/apps", []string{"file"}, e.postApps},
		{"POST /v1/apps:plan", []string{"file"}, e.postPlan},
		{"GET /v1/apps", nil, e.getApps},
		{"GET /v1/apps/{app}", nil, e.getApp},
		{"DELETE /v1/apps/{app}", nil, e.deleteApp},
		{"GET /v1/containers", []string{"app", "state"}, e.getContainers},
		{"GET /v1/containers/{guid}", nil, e.getContainer},
		{"DELETE /v1/containers/{guid}", nil, e.operate(plan.Remove)},
		{"POST /v1/containers/{guid}/start", nil, e.operate(plan.Start)},
		{"POST /v1/containers/{guid}/stop", nil, e.operate(plan.Stop)},
		{"POST /v1/containers/{guid}/restart", nil, e.operate(plan.Restart)},
		{"GET /v1/containers/{guid}/logs", []string{"follow", "tail"}, e.getLogs},
		{"GET /v1/heartbeat", nil, e.getHeartbeat},
	}
}

func (e *containerLifecycle) register() error {
	for _, p := range e.endpoints() {
		if _, err := e.routes.mount(p.pattern, e.answer(p.query, p.handle)); err != nil {
			return err
		}
	}
	return nil
}

func (e *containerLifecycle) answer(query []string, handle handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := checkQuery(r, query); err != nil {
			err.Write(w)
			return
		}
		if err := handle(w, r); err != nil {
			e.problemOf(err).Write(w)
		}
	})
}

func checkQuery(r *http.Request, known []string) *api.Problem {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return api.NewProblem(http.StatusBadRequest, "the query is not usable: %v", err)
	}
	for key, values := range query {
		if !slices.Contains(known, key) {
			allowed := "none is allowed"
			if len(known) > 0 {
				allowed = "allowed are " + strings.Join(known, ", ")
			}
			return api.NewProblem(http.StatusBadRequest, "the query parameter %q is unknown; %s", key, allowed)
		}
		if len(values) > 1 {
			return api.NewProblem(http.StatusBadRequest, "the query parameter %q is given %d times", key, len(values))
		}
	}
	return nil
}

// readFile reads and checks the app file of a request.
func (e *containerLifecycle) readFile(w http.ResponseWriter, r *http.Request) (appspec.File, error) {
	if media := r.Header.Get("Content-Type"); media != "" {
		plain, _, err := mime.ParseMediaType(media)
		if err != nil || !slices.Contains([]string{"application/yaml", "application/x-yaml", "text/yaml", "text/plain", "application/json", "application/octet-stream", "application/x-www-form-urlencoded"}, plain) {
			return appspec.File{}, api.NewProblem(http.StatusUnsupportedMediaType, "the content type %q is not allowed; an app file is application/yaml", media)
		}
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, appspec.MaxFileBytes))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return appspec.File{}, api.NewProblem(http.StatusRequestEntityTooLarge, "the app file is too long; at most %d bytes are allowed", tooLarge.Limit)
	}
	if err != nil {
		return appspec.File{}, api.NewProblem(http.StatusBadRequest, "the app file could not be read: %v", err)
	}
	name := r.URL.Query().Get("file")
	if name == "" {
		name = "app file"
	}
	return appspec.Parse(path.Base(name), data, appspec.Options{Online: e.online(), ReservedEnv: e.cfg.GUIDEnv})
}

// online is empty, so that nothing is refused, where the host does not say.
func (e *containerLifecycle) online() cpuset.Set {
	text, err := os.ReadFile(filepath.Join(e.cfg.CgroupRoot, "sys/devices/system/cpu/online"))
	if err != nil {
		return cpuset.Set{}
	}
	set, err := cpuset.Parse(string(text))
	if err != nil {
		return cpuset.Set{}
	}
	return set
}

func (e *containerLifecycle) postApps(w http.ResponseWriter, r *http.Request) error {
	file, err := e.readFile(w, r)
	if err != nil {
		return err
	}
	todo, err := e.exec.Up(r.Context(), file)
	e.countOperation(r.Context(), "up", err)
	if err != nil {
		return err
	}
	out := api.UpResult{Apps: map[string]api.App{}, Created: len(todo.Only(plan.Create)), Kept: len(todo.Only(plan.Keep))}
	for _, app := range file.Apps {
		out.Apps[app.Name] = toApp(app.Name, e.exec.App(app.Name))
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

func (e *containerLifecycle) postPlan(w http.ResponseWriter, r *http.Request) error {
	file, err := e.readFile(w, r)
	if err != nil {
		return err
	}
	todo, err := e.exec.Plan(file)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, toPlan(todo))
	return nil
}

func (e *containerLifecycle) getApps(w http.ResponseWriter, _ *http.Request) error {
	out := api.Apps{Apps: []api.App{}}
	for _, name := range e.exec.Apps() {
		out.Apps = append(out.Apps, toApp(name, e.exec.App(name)))
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

func (e *containerLifecycle) getApp(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("app")
	containers := e.exec.App(name)
	if len(containers) == 0 {
		return fmt.Errorf("app %s: %w", name, lifecycle.ErrNotFound)
	}
	writeJSON(w, http.StatusOK, toApp(name, containers))
	return nil
}

func (e *containerLifecycle) deleteApp(w http.ResponseWriter, r *http.Request) error {
	removed, err := e.exec.Down(r.Context(), r.PathValue("app"))
	e.countOperation(r.Context(), "down", err)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, api.DownResult{Removed: toContainers(removed)})
	return nil
}

func (e *containerLifecycle) getContainers(w http.ResponseWriter, r *http.Request) error {
	app, text := r.URL.Query().Get("app"), r.URL.Query().Get("state")
	var state plan.State
	if text != "" {
		var err error
		if state, err = plan.ParseState(text); err != nil {
			return api.NewProblem(http.StatusBadRequest, "%v", err)
		}
	}
	found := slices.DeleteFunc(e.exec.Containers(), func(s lifecycle.Status) bool {
		hidden := state == "" && s.State == plan.Terminated && !s.Unexpected
		return hidden || (state != "" && s.State != state) || (app != "" && s.App != app)
	})
	writeJSON(w, http.StatusOK, api.Containers{Containers: toContainers(found)})
	return nil
}

func (e *containerLifecycle) getContainer(w http.ResponseWriter, r *http.Request) error {
	guid := r.PathValue("guid")
	s, ok := e.exec.Container(guid)
	if !ok {
		return fmt.Errorf("container %s: %w", guid, lifecycle.ErrNotFound)
	}
	writeJSON(w, http.StatusOK, toContainer(s))
	return nil
}

func (e *containerLifecycle) operate(op plan.Operation) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		s, err := e.exec.Operate(r.Context(), op, r.PathValue("guid"))
		e.countOperation(r.Context(), string(op), err)
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, toContainer(s))
		return nil
	}
}

func (e *containerLifecycle) getHeartbeat(w http.ResponseWriter, r *http.Request) error {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	out := api.Heartbeat{
		AgentID: e.agentID, Version: e.set.BuildInfo.Version, Host: host, Time: time.Now().UTC(),
		Inventory: api.Inventory{Synced: e.synced(), Containers: len(e.store.Containers())},
		Apps:      []api.AppHeartbeat{},
	}
	if engine, err := e.client.Ping(r.Context()); err != nil {
		out.Engine.Problem = err.Error()
	} else {
		out.Engine = api.Engine{Endpoint: engine.Host, Version: engine.Version, API: engine.APIVersion}
	}
	for _, name := range e.exec.Apps() {
		app := toApp(name, e.exec.App(name))
		beat := api.AppHeartbeat{Name: app.Name, Class: app.Class, State: app.State, Containers: map[string]string{}}
		for _, c := range app.Containers {
			if c.GUID != "" {
				beat.Containers[c.GUID] = c.State
			}
		}
		out.Apps = append(out.Apps, beat)
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}
