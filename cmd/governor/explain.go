package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/governor-project/governor/internal/api"
)

// explanation is everything that the agent knows about one app.
type explanation struct {
	App       *api.App        `json:"app,omitempty"`     // absent when the agent knows no container of it
	Latency   *api.AppLatency `json:"latency,omitempty"` // absent when there is no controller, or it does not know the app
	Mode      string          `json:"mode,omitempty"`
	Decisions []api.Decision  `json:"decisions"`
}

// explainDecisions is how far back explain looks for decisions about the app.
const explainDecisions = 1000

// shownDecisions is how many of them the table has.
const shownDecisions = 10

func newExplainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain APP",
		Short: "Show how an app does against its objective, and what was decided for it",
	}
	return talk(cmd, cobra.ExactArgs(1), func(ctx context.Context, v *verb, args []string) error {
		e, err := v.explain(ctx, args[0])
		if err != nil {
			return err
		}
		return v.show(e, func(w io.Writer) { explainRows(w, args[0], e) })
	})
}

func (v *verb) explain(ctx context.Context, name string) (out explanation, err error) {
	out.Decisions = []api.Decision{}
	app, appErr := v.App(ctx, name)
	if appErr == nil {
		out.App = &app
	} else if !isNotFound(appErr) {
		return out, appErr
	}
	latencies, err := v.Latency(ctx)
	if isNotFound(err) {
		return out, appErr // an agent without controller
	}
	if err != nil {
		return out, err
	}
	out.Mode = latencies.Mode
	for _, l := range latencies.Apps {
		if l.App == name {
			out.Latency = &l
		}
	}
	if out.App == nil && out.Latency == nil {
		return out, appErr
	}
	found, err := v.Decisions(ctx, 0, explainDecisions)
	if err != nil && !isNotFound(err) {
		return out, err
	}
	for _, d := range found.Decisions {
		if d.App == name {
			out.Decisions = append(out.Decisions, d)
		}
	}
	return out, nil
}

func isNotFound(err error) bool {
	var problem *api.Problem
	return errors.As(err, &problem) && problem.Status == http.StatusNotFound
}

func explainRows(w io.Writer, name string, e explanation) {
	if e.App != nil {
		fmt.Fprintf(w, "%s is %s, class %s, objective %s\n", name, e.App.State, e.App.Class, dash(e.App.Objective))
		containerRows(w, e.App.Containers)
	}
	if l := e.Latency; l == nil {
		fmt.Fprintln(w, "\nNo controller knows this app.")
	} else {
		fmt.Fprintf(w, "\nThe controller (%s) says: %s\n", e.Mode, l.State)
		fmt.Fprintf(w, "latency\t%.1f ms at p%g, target %.1f ms, slack %.0f %%\n", l.LatencyMS, l.Percentile, l.TargetMS, 100*l.Slack)
		fmt.Fprintf(w, "samples\t%d in %.1f s\n", l.Count, l.WindowMS/1000)
		fmt.Fprintf(w, "needs\t%.2f CPUs, waits for a CPU %.0f %% of the time\n", l.NeedCPUs, 100*l.Stall)
		fmt.Fprintf(w, "violations\t%.0f s\n", l.ViolationSeconds)
	}
	if len(e.Decisions) == 0 {
		fmt.Fprintln(w, "\nNothing was decided for it lately.")
		return
	}
	fmt.Fprintln(w, "\nDecisions, newest last:")
	decisionRows(w, e.Decisions[max(0, len(e.Decisions)-shownDecisions):])
}
