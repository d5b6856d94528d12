package containerlifecycleextension

import (
	"context"
	"net/http"
	"strconv"
	"sync"

	"github.com/governor-project/governor/internal/api"
	"github.com/governor-project/governor/internal/docker"
)

// maxTail bounds how many lines can be asked for from the end of a log.
const maxTail = 1_000_000

// getLogs streams what the container wrote to its standard output and error, as
// plain text in the order in which the engine has it.
func (e *containerLifecycle) getLogs(w http.ResponseWriter, r *http.Request) error {
	options, err := logOptions(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(e.streaming, cancel)()
	out := &flushing{w: w, control: http.NewResponseController(w)}
	if err := e.exec.Logs(ctx, r.PathValue("guid"), options, out, out); err != nil && !out.begun {
		return err
	} else if err != nil {
		panic(http.ErrAbortHandler) // the status is sent: only a broken connection can tell that something is missing
	}
	out.begin()
	return nil
}

func logOptions(r *http.Request) (options docker.LogOptions, err error) {
	query := r.URL.Query()
	if text := query.Get("follow"); text != "" {
		if options.Follow, err = strconv.ParseBool(text); err != nil {
			return options, api.NewProblem(http.StatusBadRequest, "follow: %q is not allowed; allowed are true and false", text)
		}
	}
	if text := query.Get("tail"); text != "" {
		if options.Tail, err = strconv.Atoi(text); err != nil || options.Tail < 1 || options.Tail > maxTail {
			return options, api.NewProblem(http.StatusBadRequest, "tail: %q is not allowed; a number of lines between 1 and %d is needed", text, maxTail)
		}
	}
	return options, nil
}

// flushing sends each piece at once, for a reader who follows.
type flushing struct {
	w       http.ResponseWriter
	control *http.ResponseController
	mu      sync.Mutex // stdout and stderr are written by one goroutine today; nothing promises it
	begun   bool
}

func (f *flushing) begin() {
	if !f.begun {
		f.begun = true
		f.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		f.w.WriteHeader(http.StatusOK)
	}
}

func (f *flushing) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begin()
	n, err := f.w.Write(p)
	if err != nil {
		return n, err
	}
	return n, f.control.Flush()
}
