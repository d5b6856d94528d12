package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func newLogsCommand() *cobra.Command {
	var follow bool
	var tail int
	cmd := &cobra.Command{
		Use:   "logs GUID|NAME",
		Short: "Show what a container has written",
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the container ends")
	cmd.Flags().IntVar(&tail, "tail", 0, "the last lines only; 0 is all")
	return talk(cmd, cobra.ExactArgs(1), func(ctx context.Context, v *verb, args []string) error {
		if tail < 0 {
			return usageError(fmt.Errorf("--tail %d is not allowed; a number of lines is needed", tail))
		}
		guid, err := v.find(ctx, args[0])
		if err != nil {
			return err
		}
		err = v.Logs(ctx, guid, follow, tail, v.out)
		if follow && errors.Is(err, context.Canceled) {
			return nil // that is how one stops following
		}
		return err
	})
}
