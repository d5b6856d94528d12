package containerlifecycleextension

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/governor-project/governor/internal/api"
)

// Bounds of one request.
const (
	headerTimeout = 5 * time.Second
	bodyTimeout   = 30 * time.Second
	idleTimeout   = 60 * time.Second
	maxHeader     = 16 << 10
)

// drainTime is how long requests may go on once the agent is told to end,
// before they are cancelled.
const drainTime = 5 * time.Second

// rollbackTime is how long cancelled requests then have to undo what they did.
const rollbackTime = 90 * time.Second

// drain ends the server. Requests first may end by themselves and are then cancelled.
func (e *containerLifecycle) drain(ctx context.Context) error {
	polite, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	if err := e.server.Shutdown(polite); err == nil {
		return nil
	}
	e.cancelRequests()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTime)
	defer cancel()
	if err := e.server.Shutdown(last); err != nil {
		return errors.Join(fmt.Errorf("requests did not end: %w", err), e.server.Close())
	}
	return nil
}

// routes is a table of handlers that changes while requests are served.
type routes struct {
	count func(ctx context.Context, route string, status int)

	mu       sync.Mutex
	handlers map[string]http.Handler
	mux      atomic.Pointer[http.ServeMux]
}

func newRoutes(count func(ctx context.Context, route string, status int)) *routes {
	r := &routes{count: count, handlers: map[string]http.Handler{}}
	r.mux.Store(http.NewServeMux())
	return r
}

func (r *routes) mount(pattern string, h http.Handler) (unmount func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, taken := r.handlers[pattern]; taken {
		return nil, fmt.Errorf("the API path %q is taken", pattern)
	}
	r.handlers[pattern] = h
	if err := r.rebuild(); err != nil {
		delete(r.handlers, pattern)
		return nil, err
	}
	var once sync.Once
	return func() { once.Do(func() { r.unmount(pattern) }) }, nil
}

func (r *routes) unmount(pattern string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.handlers, pattern)
	_ = r.rebuild() // fewer patterns cannot conflict
}

// rebuild makes the mux anew: http.ServeMux cannot forget a pattern, and panics
// where one is wrong or conflicts with another.
func (r *routes) rebuild() (err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("API path: %v", problem)
		}
	}()
	mux := http.NewServeMux()
	for pattern, h := range r.handlers {
		mux.Handle(pattern, h)
	}
	r.mux.Store(mux)
	return nil
}

// ServeHTTP counts each request and answers those that no handler takes with a problem.
func (r *routes) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	handler, pattern := r.mux.Load().Handler(request)
	recorded := &recorder{ResponseWriter: w, status: http.StatusOK}
	if pattern == "" {
		pattern = "unknown"
		refuse(recorded, request, handler)
	} else {
		r.mux.Load().ServeHTTP(recorded, request)
	}
	r.count(request.Context(), pattern, recorded.status)
}

// refuse turns the mux's own answer, which is plain text, into a problem.
func refuse(w http.ResponseWriter, request *http.Request, own http.Handler) {
	silent := &recorder{ResponseWriter: discard{header: w.Header()}, status: http.StatusNotFound}
	own.ServeHTTP(silent, request)
	if silent.status == http.StatusMethodNotAllowed {
		api.NewProblem(silent.status, "%s is not allowed on %s; allowed: %s", request.Method, request.URL.Path, w.Header().Get("Allow")).Write(w)
		return
	}
	api.NewProblem(http.StatusNotFound, "there is no %s", request.URL.Path).Write(w)
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header           { return d.header }
func (discard) Write(p []byte) (int, error)     { return len(p), nil }
func (discard) WriteHeader(int)                 {}
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
func (r *recorder) WriteHeader(status int)      { r.status = status; r.ResponseWriter.WriteHeader(status) }

// recorder notes the status.
type recorder struct {
	http.ResponseWriter
	status int
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that is gone needs no answer
}
