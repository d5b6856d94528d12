package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/governor-project/governor/internal/api"
)

func newRestartCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restart GUID|NAME...",
		Short: "Stop containers and start them again",
	}
	return talk(cmd, cobra.MinimumNArgs(1), each(func(ctx context.Context, v *verb, guid string) (api.Container, error) {
		return v.Operate(ctx, "restart", guid)
	}))
}
