package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"
)

func newPsCommand() *cobra.Command {
	var state string
	cmd := &cobra.Command{
		Use:   "ps [APP]",
		Short: "List the containers of all apps, or of one",
	}
	cmd.Flags().StringVar(&state, "state", "", "only those in this state, for example Failed; Terminated shows those that are gone")
	return talk(cmd, cobra.MaximumNArgs(1), func(ctx context.Context, v *verb, args []string) error {
		app := ""
		if len(args) > 0 {
			app = args[0]
		}
		found, err := v.Containers(ctx, app, state)
		if err != nil {
			return err
		}
		return v.show(found, func(w io.Writer) { containerRows(w, found.Containers) })
	})
}
