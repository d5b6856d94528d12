package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/governor-project/governor/internal/api"
)

func newStopCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stop GUID|NAME...",
		Short: "Stop containers; they can be started again",
	}
	return talk(cmd, cobra.MinimumNArgs(1), each(func(ctx context.Context, v *verb, guid string) (api.Container, error) {
		return v.Operate(ctx, "stop", guid)
	}))
}
