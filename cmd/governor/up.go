package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/governor-project/governor/internal/api"
)

func newUpCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "up -f FILE",
		Short: "Create and start the containers of an app file, all or nothing",
		Long: `Create and start every container that the app file declares and that is not
there yet, in the order of their dependencies, and wait until all are ready. If
one fails, or on Ctrl-C, everything that this call created is removed again and
the exit status is 3.`,
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "the app file; - is standard input")
	return talk(cmd, cobra.NoArgs, func(ctx context.Context, v *verb, _ []string) error {
		content, err := readAppFile(cmd, file)
		if err != nil {
			return err
		}
		result, err := v.Up(ctx, file, content)
		if err != nil {
			return err
		}
		return v.show(result, func(w io.Writer) { upRows(w, result) })
	})
}

func upRows(w io.Writer, result api.UpResult) {
	if result.Created == 0 {
		fmt.Fprintln(w, "Nothing to change: everything is there already.")
	} else {
		fmt.Fprintf(w, "Created %d containers, %d were there already.\n", result.Created, result.Kept)
	}
	var all []api.Container
	for _, name := range slices.Sorted(maps.Keys(result.Apps)) {
		all = append(all, result.Apps[name].Containers...)
	}
	containerRows(w, all)
}
