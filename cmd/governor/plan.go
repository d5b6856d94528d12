package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func newPlanCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "plan -f FILE",
		Short: "Show what \"up\" would change, and change nothing",
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "the app file; - is standard input")
	return talk(cmd, cobra.NoArgs, func(ctx context.Context, v *verb, _ []string) error {
		content, err := readAppFile(cmd, file)
		if err != nil {
			return err
		}
		plan, err := v.Plan(ctx, file, content)
		if err != nil {
			return err
		}
		return v.show(plan, func(w io.Writer) {
			fmt.Fprintln(w, "ACTION\tAPP\tCONTAINER\tIMAGE\tGUID")
			for _, s := range plan.Steps {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.Action, s.App, s.Name, dash(s.Image), dash(s.GUID))
			}
		})
	})
}
