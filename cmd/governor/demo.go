package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/governor-project/governor/internal/experiment"
)

type demoOptions struct {
	experiment.Options
	check bool
}

// newDemoCommand is the verb "demo": the experiment of internal/experiment.
func newDemoCommand() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show on this host what Governor does: a service under interference, with and without it",
		Long: `Run a service and an interference container on this host's Docker engine, in
four phases: the service alone, both without control, both with the interference
at the lowest weight, and both under a Governor of its own. The result is a
table, and for each scenario a folder with report.json, report.html and plots.

It needs root, uses up to two CPUs, and removes everything but the reports when
it ends, also on Ctrl-C.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return runDemo(cmd, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.Scenario, "scenario", experiment.TwoCore, "two-core, shared-core, limited or all")
	f.IntVar(&o.Seconds, "seconds", 20, "base length of a phase in seconds; the governed phase takes three times as long")
	f.StringVar(&o.Out, "out", filepath.Join("out", "demo"), "directory for the reports")
	f.StringVar(&o.Workload, "workload", "", "path of the static workload binary (default: workload beside this program)")
	f.StringVar(&o.Governor, "governor", "", "path of the agent to test (default: this program)")
	f.StringArrayVar(&o.AgentConfig, "agent-config", nil, "--config of the agent to test, in place of its default; may be repeated")
	f.BoolVar(&o.check, "check", false, "exit with status 1 when a figure falls short")
	return cmd
}

var (
	errFallsShort  = errors.New("demo: a figure falls short of what it should be; see the table")
	errInterrupted = errors.New("demo: interrupted; everything that it had started is removed")
)

func runDemo(cmd *cobra.Command, o demoOptions) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if o.Governor == "" {
		o.Governor = self
	}
	if o.Workload == "" {
		o.Workload = filepath.Join(filepath.Dir(self), "workload")
	}
	o.Progress = cmd.OutOrStdout()
	reports, err := experiment.Run(ctx, o.Options)
	if ctx.Err() != nil && !errors.Is(err, experiment.ErrCleanUp) {
		return errInterrupted
	}
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	fmt.Fprintf(o.Progress, "\nReports: %s\n", filepath.Join(o.Out, "*", "report.html"))
	if o.check && !experiment.Met(reports) {
		return errFallsShort
	}
	return nil
}
