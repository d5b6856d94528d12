package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/governor-project/governor/internal/api"
)

func newRmCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rm GUID|NAME...",
		Short: "Stop containers and remove them",
	}
	return talk(cmd, cobra.MinimumNArgs(1), each(func(ctx context.Context, v *verb, guid string) (api.Container, error) {
		return v.Remove(ctx, guid)
	}))
}
