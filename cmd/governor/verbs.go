package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/governor-project/governor/internal/api"
	"github.com/governor-project/governor/internal/appspec"
)

// Exit statuses of the verbs.
const (
	statusFailed     = 1
	statusUsage      = 2
	statusRolledBack = 3
)

// statusError is an error with its own exit status.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

func usageError(err error) error {
	if err == nil {
		return nil
	}
	return &statusError{status: statusUsage, err: err}
}

// exitCode prints the error of a verb, if there is one, and returns the exit
// status that it stands for.
func exitCode(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return exitStatus(err)
}

func exitStatus(err error) int {
	var own *statusError
	var problem *api.Problem
	switch {
	case err == nil:
		return 0
	case errors.As(err, &own):
		return own.status
	case errors.As(err, &problem) && problem.RolledBack != nil:
		return statusRolledBack
	case strings.HasPrefix(err.Error(), "unknown command"): // cobra has no type for it
		return statusUsage
	}
	return statusFailed
}

// lifecycleCommands are the verbs that talk to a running agent.
func lifecycleCommands() []*cobra.Command {
	return []*cobra.Command{
		newUpCommand(), newDownCommand(), newPlanCommand(), newPsCommand(),
		newStartCommand(), newStopCommand(), newRestartCommand(), newRmCommand(), newLogsCommand(),
		newDecisionsCommand(), newExplainCommand(),
	}
}

// verb is one call of a verb.
type verb struct {
	*api.Client
	out    io.Writer
	output string
}

// talk completes a command with what every verb that talks to the agent has.
func talk(cmd *cobra.Command, args cobra.PositionalArgs, run func(ctx context.Context, v *verb, args []string) error) *cobra.Command {
	var socket, output string
	cmd.Flags().StringVar(&socket, "socket", api.DefaultSocket, "the agent's Unix socket")
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError(err) })
	cmd.Args = func(cmd *cobra.Command, given []string) error { return usageError(args(cmd, given)) }
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if output != "table" && output != "json" {
			return usageError(fmt.Errorf("--output %q is not allowed; allowed are table and json", output))
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		v := &verb{Client: api.NewClient(socket), out: cmd.OutOrStdout(), output: output}
		defer v.Close()
		err := run(ctx, v, args)
		if errors.Is(err, os.ErrPermission) && errors.Is(err, api.ErrNoAgent) {
			return fmt.Errorf("%w\nthe socket is for the agent's own user only, normally root", err)
		}
		if errors.Is(err, api.ErrNoAgent) {
			return fmt.Errorf("%w\nis the agent running? \"governor\" starts one", err)
		}
		return err
	}
	return cmd
}

// show prints the answer as JSON, or as the table that rows writes, columns
// divided by tabs.
func (v *verb) show(answer any, rows func(w io.Writer)) error {
	if v.output == "json" {
		encoder := json.NewEncoder(v.out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(answer)
	}
	table := tabwriter.NewWriter(v.out, 0, 0, 2, ' ', 0)
	rows(table)
	return table.Flush()
}

func containerRows(w io.Writer, containers []api.Container) {
	fmt.Fprintln(w, "APP\tCONTAINER\tGUID\tIMAGE\tCLASS\tSTATE\tPORTS")
	for _, c := range containers {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", dash(c.App), c.Name, dash(c.GUID), c.Image, c.Class, stateOf(c), dash(ports(c)))
	}
}

func stateOf(c api.Container) string {
	if c.Reason == "" {
		return c.State
	}
	return c.State + " (" + c.Reason + ")"
}

func ports(c api.Container) string {
	var out []string
	for _, p := range c.Ports {
		if p.URL != "" {
			out = append(out, fmt.Sprintf("%s→%d", p.URL, p.Container))
		} else {
			out = append(out, fmt.Sprintf("%d→%d/%s", p.Host, p.Container, p.Protocol))
		}
	}
	return strings.Join(slices.Compact(out), " ") // a port is bound on IPv4 and IPv6
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// readAppFile reads an app file; "-" is standard input.
func readAppFile(cmd *cobra.Command, name string) ([]byte, error) {
	if name == "" {
		return nil, usageError(errors.New("an app file is needed: -f FILE (or - for standard input)"))
	}
	var in io.Reader = cmd.InOrStdin()
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	data, err := io.ReadAll(io.LimitReader(in, appspec.MaxFileBytes+1)) // the one byte more lets the agent see that it is too long
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}

// find returns the GUID of a container that is named by GUID or by Docker's name.
func (v *verb) find(ctx context.Context, name string) (string, error) {
	all, err := v.Containers(ctx, "", "")
	if err != nil {
		return "", err
	}
	for _, c := range all.Containers {
		if c.GUID == name || (c.Name == name && c.GUID != "") {
			return c.GUID, nil
		}
	}
	return name, nil // the agent says what is wrong with it
}

// each runs one operation on every container that is named, and goes on after a failure.
func each(do func(ctx context.Context, v *verb, guid string) (api.Container, error)) func(context.Context, *verb, []string) error {
	return func(ctx context.Context, v *verb, names []string) error {
		done := []api.Container{}
		var errs []error
		for _, name := range names {
			guid, err := v.find(ctx, name)
			if err != nil {
				return err
			}
			c, err := do(ctx, v, guid)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			done = append(done, c)
		}
		if len(done) > 0 {
			errs = append(errs, v.show(api.Containers{Containers: done}, func(w io.Writer) { containerRows(w, done) }))
		}
		return errors.Join(errs...)
	}
}
