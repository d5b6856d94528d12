// Command workload is the application that the demo and the benchmarks run in
// containers: a service with an open-loop request stream, and an interference
// that burns CPU. It is a static binary without any file beside it, so that its
// image is made from scratch.
//
// What may go in here: load generation, CPU burning, the spans that such an
// application would send, and its own log (internal/experiment/worklog). Nothing
// here knows about Governor beyond the environment that any container gets.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := newRootCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "workload:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "workload",
		Short:         "A service under load, or an interference, for demos and benchmarks",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newServiceCommand(), newInterferenceCommand())
	return root
}
