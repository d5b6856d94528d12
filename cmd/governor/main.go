// Command governor is an OpenTelemetry Collector that keeps the containers of a
// Docker host at their end-to-end latency target, and the command line to it.
// Without a verb it runs the agent; one file here holds one verb.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.opentelemetry.io/collector/featuregate"
	"go.opentelemetry.io/collector/otelcol"

	"github.com/governor-project/governor/cmd/governor/internal/agentconfig"
	"github.com/governor-project/governor/configs"
)

// version is set by the linker (-X main.version=…).
var version = "0.1.0-dev"

func main() {
	// From the first line on: the collector would catch signals only once everything
	// runs, and an agent that is ended before that has limits to restore too.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}

func run(ctx context.Context, args []string) int {
	if os.Geteuid() != 0 {
		if err := agentconfig.UserDefaults(os.LookupEnv, os.Setenv); err != nil {
			return exitCode(err)
		}
	}
	// print-config is one of our documented verbs; the collector still hides it behind a gate.
	if err := featuregate.GlobalRegistry().Set("otelcol.printInitialConfig", true); err != nil {
		return exitCode(err)
	}
	args = withDefaultConfig(args)
	cmd := newRootCommand(args)
	cmd.SetArgs(args)
	return exitCode(cmd.ExecuteContext(ctx))
}

func newRootCommand(args []string) *cobra.Command {
	cmd := otelcol.NewCommand(settings())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return runAgent(cmd.Context(), args) }
	checkFirst(cmd, args)
	for _, verb := range cmd.Commands() {
		if verb.Name() == "validate" || verb.Name() == "print-config" {
			checkFirst(verb, args)
		}
	}
	cmd.Short = "Keep the containers of a Docker host at their end-to-end latency target"
	cmd.Long = `Governor runs as an agent when it is given no verb: it receives traces, watches
every container, computes the end-to-end latency of each trace, and moves CPU to
the containers that miss their target. Without --config it uses its embedded
configuration (see "governor print-config"), in observe mode: nothing is changed
until GOVERNOR_MODE=enforce.

The other verbs talk to a running agent over its Unix socket.`
	cmd.SilenceErrors = true // exitCode prints them, once
	cmd.AddCommand(newVersionCommand(), newDemoCommand())
	cmd.AddCommand(lifecycleCommands()...)
	return cmd
}

// runAgent runs the collector until ctx ends. The collector is told to shut down
// rather than given a context that ends: components may hold on to the context of
// their start (healthcheckv2 v0.148.0 does, and then hangs when it is cancelled).
func runAgent(ctx context.Context, args []string) error {
	set := settings()
	set.ConfigProviderSettings.ResolverSettings.URIs = resolverURIs(args)
	collector, err := otelcol.NewCollector(set)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, collector.Shutdown)()
	return collector.Run(context.WithoutCancel(ctx))
}

func settings() otelcol.CollectorSettings {
	return otelcol.CollectorSettings{
		BuildInfo: component.BuildInfo{
			Command:     "governor",
			Description: "Keeps the containers of a Docker host at their end-to-end latency target",
			Version:     version,
		},
		Factories:               components,
		DisableGracefulShutdown: true, // runAgent has the signals
		ConfigProviderSettings: otelcol.ConfigProviderSettings{
			ResolverSettings: confmap.ResolverSettings{
				URIs: []string{agentconfig.AgentURI},
				ProviderFactories: []confmap.ProviderFactory{
					envprovider.NewFactory(),
					fileprovider.NewFactory(),
					yamlprovider.NewFactory(),
					agentconfig.NewFactory(agentconfig.Host(configs.Files)),
				},
				DefaultScheme: "env",
			},
		},
	}
}
