package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/governor-project/governor/internal/api"
)

func newStartCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "start GUID|NAME...",
		Short: "Start containers that are stopped or failed, and wait until they are ready",
	}
	return talk(cmd, cobra.MinimumNArgs(1), each(func(ctx context.Context, v *verb, guid string) (api.Container, error) {
		return v.Operate(ctx, "start", guid)
	}))
}
