package guidroutingprocessor

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"

	"github.com/governor-project/governor/internal/tracelatency"
)

// Rule is one way to find the container of a resource. The values are also what
// governor.attribution says.
type Rule string

// The rules, in the order in which they are tried.
const (
	RuleGUID        Rule = "guid"         // governor.guid or service.name is a container's GUID
	RuleContainerID Rule = "container_id" // container.id is a container's ID or a prefix of at least 12 digits
	RuleHostname    Rule = "hostname"     // host.name or container.hostname is a short ID or a container's host name
	RulePeerIP      Rule = "peer_ip"      // the sender's address is a container's address
)

var allRules = [...]Rule{RuleGUID, RuleContainerID, RuleHostname, RulePeerIP}

// What service_name can be.
const (
	keepServiceName = "keep"
	appServiceName  = "app"
	guidServiceName = "guid"
)

// What unattributed can be.
const (
	passUnattributed = "pass"
	dropUnattributed = "drop"
)

// Config is the configuration of the processor; README.md explains every key.
type Config struct {
	// Rules are the rules that are on. They are tried in their fixed order, whatever the order here.
	Rules []Rule `mapstructure:"rules"`
	// ServiceName says what becomes of service.name: keep, app or guid.
	ServiceName string `mapstructure:"service_name"`
	// Endpoint is the Docker engine to ask when the collector has no extension with
	// an inventory. Empty: DOCKER_HOST, else /var/run/docker.sock.
	Endpoint string `mapstructure:"endpoint"`
	// Unattributed says what becomes of resources without a container: pass or drop.
	Unattributed string `mapstructure:"unattributed"`
	// E2E configures the end-to-end latency of traces.
	E2E E2EConfig `mapstructure:"e2e"`
}

// E2EConfig configures the end-to-end latency of traces.
type E2EConfig struct {
	// Enabled switches it on. Off, spans pass without being looked at.
	Enabled bool `mapstructure:"enabled"`
	// Settle is the quiet time after which a trace that has its root is complete. 0: its root is stamped on arrival.
	Settle time.Duration `mapstructure:"settle"`
	// MaxAge is the age at which a trace is finished anyway.
	MaxAge time.Duration `mapstructure:"max_age"`
	// MaxTraces bounds the open traces, and so the held roots.
	MaxTraces int `mapstructure:"max_traces"`
}

// Defaults, explained in README.md.
const (
	defaultSettle    = 200 * time.Millisecond
	defaultMaxAge    = 30 * time.Second
	defaultMaxTraces = 50_000
)

func createDefaultConfig() component.Config {
	return &Config{
		Rules:        slices.Clone(allRules[:]),
		ServiceName:  keepServiceName,
		Unattributed: passUnattributed,
		E2E: E2EConfig{
			Enabled:   true,
			Settle:    defaultSettle,
			MaxAge:    defaultMaxAge,
			MaxTraces: defaultMaxTraces,
		},
	}
}

// Validate reports everything that is wrong at once.
func (c *Config) Validate() error {
	return errors.Join(
		c.validateRules(),
		oneOf("service_name", c.ServiceName, keepServiceName, appServiceName, guidServiceName),
		validateEndpoint(c.Endpoint),
		oneOf("unattributed", c.Unattributed, passUnattributed, dropUnattributed),
	)
}

func (c *Config) validateRules() error {
	var errs []error
	for i, rule := range c.Rules {
		key := fmt.Sprintf("rules[%d]", i)
		if err := oneOf(key, string(rule), "guid", "container_id", "hostname", "peer_ip"); err != nil {
			errs = append(errs, err)
		} else if slices.Contains(c.Rules[:i], rule) {
			errs = append(errs, fmt.Errorf("%s: %q is listed twice", key, rule))
		}
	}
	return errors.Join(errs...)
}

func validateEndpoint(endpoint string) error {
	if endpoint == "" || strings.HasPrefix(endpoint, "unix:///") {
		return nil
	}
	if u, err := url.Parse(endpoint); err == nil && u.Scheme == "tcp" && u.Host != "" {
		return nil
	}
	return fmt.Errorf("endpoint: %q is not a Docker engine; allowed are unix:///path and tcp://host:port", endpoint)
}

func oneOf(key, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	last := len(allowed) - 1
	return fmt.Errorf("%s: %q is unknown; allowed are %s and %s", key, value, strings.Join(allowed[:last], ", "), allowed[last])
}

// Validate reports everything that is wrong at once; the collector puts "e2e: "
// in front of it.
func (c *E2EConfig) Validate() error {
	if !c.Enabled {
		return nil
	}
	return errors.Join(hasUnit("settle", c.Settle), hasUnit("max_age", c.MaxAge), c.tracker().Validate())
}

// hasUnit finds durations whose unit was forgotten: the collector reads 200 as 200 ns.
func hasUnit(key string, d time.Duration) error {
	if d <= 0 || d >= time.Millisecond {
		return nil
	}
	return fmt.Errorf("%s: %s is not allowed; at least 1ms is needed, for example 200ms (a number without a unit means nanoseconds)", key, d)
}

func (c *E2EConfig) tracker() tracelatency.Config {
	return tracelatency.Config{Settle: c.Settle, MaxAge: c.MaxAge, MaxTraces: c.MaxTraces}
}
