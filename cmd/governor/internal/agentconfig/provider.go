// Package agentconfig is the configuration that Governor runs with when it is
// given none: the embedded agent.yaml, the overlays that this host calls for
// (its Docker bridge, a configured backend), and where an agent without root
// keeps its state. It is a confmap provider, so that a user can build on it:
//
//	governor --config governor:agent --config mine.yaml
package agentconfig

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/collector/confmap"
	"go.uber.org/zap"
)

// Scheme is the provider's URI scheme.
const Scheme = "governor"

// AgentURI is the URI of the default configuration.
const AgentURI = Scheme + ":agent"

// bridgePollInterval is how often the provider looks whether the Docker bridge
// has come or gone, which is when the agent's listeners have to change.
const bridgePollInterval = 2 * time.Second

// Environment is what the provider may look at.
type Environment struct {
	Files         fs.FS                 // the shipped configurations
	BridgeAddress func() (string, bool) // IPv4 address of the default Docker bridge
	Setenv        func(key, value string) error
	LookupEnv     func(key string) (string, bool)
}

// NewFactory returns the factory of the provider "governor:".
func NewFactory(env Environment) confmap.ProviderFactory {
	return confmap.NewProviderFactory(func(set confmap.ProviderSettings) confmap.Provider {
		logger := set.Logger
		if logger == nil {
			logger = zap.NewNop()
		}
		return &provider{env: env, logger: logger}
	})
}

type provider struct {
	env      Environment
	logger   *zap.Logger
	watchers sync.WaitGroup
}

// Scheme implements confmap.Provider.
func (*provider) Scheme() string { return Scheme }

// Shutdown implements confmap.Provider: it waits for the bridge watchers.
func (p *provider) Shutdown(context.Context) error {
	p.watchers.Wait()
	return nil
}

// Retrieve implements confmap.Provider for "governor:agent", the only URI of this scheme.
func (p *provider) Retrieve(_ context.Context, uri string, changed confmap.WatcherFunc) (*confmap.Retrieved, error) {
	if uri != AgentURI {
		return nil, fmt.Errorf("config URI %q is unknown; allowed is %s", uri, AgentURI)
	}
	bridge, hasBridge := p.env.BridgeAddress()
	var overlays []overlay
	if hasBridge {
		if err := p.env.Setenv("GOVERNOR_BRIDGE_ADDRESS", bridge); err != nil {
			return nil, err
		}
		overlays = append(overlays, bridgeOverlay)
	} else {
		p.logger.Warn("No Docker bridge: containers cannot reach the agent until there is one. The agent listens on loopback only and looks again every few seconds")
	}
	overlays = append(overlays, p.backends()...)
	config, err := compose(p.env.Files, overlays...)
	if err != nil {
		return nil, err
	}
	return confmap.NewRetrieved(config, confmap.WithRetrievedClose(p.watch(bridge, changed)))
}

func (p *provider) backends() []overlay {
	byVariable := map[string]overlay{
		"GOVERNOR_JAEGER_ENDPOINT":        jaegerOverlay,
		"GOVERNOR_ELASTICSEARCH_ENDPOINT": elasticsearchOverlay,
	}
	var found []overlay
	for _, variable := range slices.Sorted(maps.Keys(byVariable)) {
		if v, ok := p.env.LookupEnv(variable); ok && v != "" {
			found = append(found, byVariable[variable])
		}
	}
	return found
}

// watch reports one change when the bridge's address is no longer what the
// configuration was made with. The returned function ends it.
func (p *provider) watch(bridge string, changed confmap.WatcherFunc) confmap.CloseFunc {
	if changed == nil {
		return nil
	}
	stop := make(chan struct{})
	var once sync.Once
	p.watchers.Go(func() {
		ticker := time.NewTicker(bridgePollInterval)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
			}
			if now, _ := p.env.BridgeAddress(); now != bridge {
				changed(&confmap.ChangeEvent{})
				return
			}
		}
	})
	return func(context.Context) error {
		once.Do(func() { close(stop) })
		return nil
	}
}

// Host is the Environment of the running process.
func Host(files fs.FS) Environment {
	return Environment{Files: files, BridgeAddress: dockerBridge, Setenv: os.Setenv, LookupEnv: os.LookupEnv}
}
