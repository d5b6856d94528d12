package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/governor-project/governor/internal/api"
	"github.com/governor-project/governor/internal/appspec"
)

func newDownCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "down APP... | -f FILE",
		Short: "Stop and remove the containers of apps",
		Long: `Stop and remove the containers that Governor created for the named apps, or for
the apps of an app file. Containers that only carry an app's label are left.`,
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "the app file whose apps are meant; - is standard input")
	return talk(cmd, cobra.ArbitraryArgs, func(ctx context.Context, v *verb, apps []string) error {
		apps, err := appsOf(cmd, file, apps)
		if err != nil {
			return err
		}
		all := api.DownResult{Removed: []api.Container{}}
		var errs []error
		for _, app := range apps {
			result, err := v.Down(ctx, app)
			errs = append(errs, err)
			all.Removed = append(all.Removed, result.Removed...)
		}
		if len(all.Removed) > 0 || errors.Join(errs...) == nil {
			errs = append(errs, v.show(all, func(w io.Writer) {
				fmt.Fprintf(w, "Removed %d containers.\n", len(all.Removed))
				containerRows(w, all.Removed)
			}))
		}
		return errors.Join(errs...)
	})
}

func appsOf(cmd *cobra.Command, file string, named []string) ([]string, error) {
	if (file == "") == (len(named) == 0) {
		return nil, usageError(errors.New("either names of apps or an app file is needed: down APP... or down -f FILE"))
	}
	if file == "" {
		return named, nil
	}
	content, err := readAppFile(cmd, file)
	if err != nil {
		return nil, err
	}
	parsed, err := appspec.Parse(filepath.Base(file), content, appspec.Options{})
	if err != nil {
		return nil, err
	}
	for _, app := range parsed.Apps {
		named = append(named, app.Name)
	}
	return named, nil
}
