package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.opentelemetry.io/collector/otelcol"

	"github.com/governor-project/governor/cmd/governor/internal/agentconfig"
	"github.com/governor-project/governor/cmd/governor/internal/preflight"
)

// configURIs are the configurations that a command line names with --config and
// --set, in the collector's order: files first, then settings.
func configURIs(args []string) (files, settings []string) {
	flags := pflag.NewFlagSet("config", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	flags.StringArrayVar(&files, "config", nil, "")
	var sets []string
	flags.StringArrayVar(&sets, "set", nil, "")
	flags.BoolP("help", "h", false, "")
	_ = flags.Parse(args) // the command itself reports what cannot be parsed
	for _, set := range sets {
		if key, value, ok := strings.Cut(set, "="); ok {
			settings = append(settings, "yaml:"+strings.ReplaceAll(strings.TrimSpace(key), ".", "::")+": "+strings.TrimSpace(value))
		}
	}
	return files, settings
}

// withDefaultConfig makes `governor --set KEY=VALUE` a change to the embedded
// configuration; the collector alone would take the setting for all there is.
func withDefaultConfig(args []string) []string {
	files, settings := configURIs(args)
	if len(files) > 0 || len(settings) == 0 {
		return args
	}
	return append(args, "--config="+agentconfig.AgentURI)
}

// checkFirst makes the command report everything that is wrong with its
// configuration before it does anything.
func checkFirst(cmd *cobra.Command, args []string) {
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, rest []string) error {
		set := settings()
		if err := checkConfig(cmd, args, set); err != nil {
			return err
		}
		return run(cmd, rest)
	}
}

func checkConfig(cmd *cobra.Command, args []string, set otelcol.CollectorSettings) error {
	set.ConfigProviderSettings.ResolverSettings.URIs = resolverURIs(args)
	return preflight.Check(cmd.Context(), set)
}

// resolverURIs are the configurations that the agent runs with.
func resolverURIs(args []string) []string {
	files, overrides := configURIs(args)
	if len(files) == 0 {
		files = []string{agentconfig.AgentURI}
	}
	return append(files, overrides...)
}
