package cpucontrolexporter

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.uber.org/zap"

	"github.com/governor-project/governor/internal/api"
)

const (
	decisionsPattern = "GET /v1/decisions"
	latencyPattern   = "GET /v1/latency"
	defaultLimit     = 100
)

// mount serves the API where an extension offers it, and returns what ends that.
func (c *controller) mount(host component.Host) (unmount func(), err error) {
	mounter, ok := api.FindMounter(host)
	if !ok {
		return func() {}, nil
	}
	first, err := mounter.Mount(decisionsPattern, http.HandlerFunc(c.serveDecisions))
	if err != nil {
		return func() {}, fmt.Errorf("mount %s: %w", decisionsPattern, err)
	}
	second, err := mounter.Mount(latencyPattern, http.HandlerFunc(c.serveLatency))
	if err != nil {
		return first, fmt.Errorf("mount %s: %w", latencyPattern, err)
	}
	return func() { first(); second() }, nil
}

func (c *controller) serveDecisions(w http.ResponseWriter, r *http.Request) {
	after, err1 := number(r, "after", 0)
	limit, err2 := number(r, "limit", defaultLimit)
	if err2 == nil && (limit < 1 || limit > maxHistory) {
		err2 = fmt.Errorf("limit: %d is not allowed; it lies between 1 and %d", limit, maxHistory)
	}
	if err := errors.Join(err1, err2); err != nil {
		c.answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	decisions, last := c.history.since(after, int(limit))
	c.answer(w, http.StatusOK, api.Decisions{Decisions: decisions, LastSeq: last})
}

func number(r *http.Request, key string, without uint64) (uint64, error) {
	text := r.URL.Query().Get(key)
	if text == "" {
		return without, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%s: %q is not a number from 0 on", key, text)
	}
	return n, nil
}

func (c *controller) serveLatency(w http.ResponseWriter, _ *http.Request) {
	status := c.status.Load()
	out := api.Latencies{Time: status.at, Mode: status.mode(), Apps: make([]api.AppLatency, 0, len(status.apps))}
	for _, a := range status.apps {
		out.Apps = append(out.Apps, api.AppLatency{
			App: a.Name, Objective: a.Objective.String(), Percentile: a.Objective.Percentile,
			TargetMS: millis(a.Objective.Target), Count: a.Latency.Count, WindowMS: millis(a.Latency.Window),
			LatencyMS: millis(a.Latency.Value), Slack: a.Slack, SlackMean: a.SlackMean, State: string(a.State),
			ViolationSeconds: a.ViolationSeconds, NeedCPUs: a.NeedCPUs, Stall: a.Stall,
		})
	}
	c.answer(w, http.StatusOK, out)
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (c *controller) answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		c.logger.Debug("client left before the answer was written", zap.Error(err))
	}
}
