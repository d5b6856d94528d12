package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/governor-project/governor/internal/api"
)

func newDecisionsCommand() *cobra.Command {
	var after uint64
	var limit int
	cmd := &cobra.Command{
		Use:   "decisions",
		Short: "Show what the controller decided, and why",
	}
	cmd.Flags().Uint64Var(&after, "after", 0, "only those with a higher sequence number")
	cmd.Flags().IntVar(&limit, "limit", 50, "at most so many, the newest")
	return talk(cmd, cobra.NoArgs, func(ctx context.Context, v *verb, _ []string) error {
		if limit < 1 {
			return usageError(fmt.Errorf("--limit %d is not allowed; at least 1 is needed", limit))
		}
		found, err := v.Decisions(ctx, after, limit)
		if isNotFound(err) {
			return errors.New("this agent decides nothing: no cpu_control exporter runs in it")
		}
		if err != nil {
			return err
		}
		return v.show(found, func(w io.Writer) { decisionRows(w, found.Decisions) })
	})
}

func decisionRows(w io.Writer, decisions []api.Decision) {
	fmt.Fprintln(w, "SEQ\tTIME\tAPP\tCONTAINER\tRESOURCE\tBEFORE\tAFTER\tRULE\tRESULT\tREASON")
	for _, d := range decisions {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", d.Seq, d.Time.Local().Format(time.TimeOnly), dash(d.App), d.Container,
			d.Resource, d.Before, d.After, d.Rule, d.Result, d.Reason)
	}
}
