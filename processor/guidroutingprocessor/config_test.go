package guidroutingprocessor

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/confmap/xconfmap"
)

func TestConfigFile(t *testing.T) {
	file, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	require.NoError(t, err)
	with := func(change func(*Config)) *Config {
		cfg := createDefaultConfig().(*Config)
		change(cfg)
		return cfg
	}
	for key, want := range map[string]*Config{
		"guid_routing": with(func(*Config) {}),
		"guid_routing/everything": {
			Rules: []Rule{RuleGUID, RuleContainerID}, ServiceName: "app", Unattributed: "drop",
			Endpoint: "unix:///run/docker.sock",
			E2E:      E2EConfig{Enabled: true, Settle: 500 * time.Millisecond, MaxAge: time.Minute, MaxTraces: 1000},
		},
		"guid_routing/on_arrival":       with(func(c *Config) { c.E2E.Settle = 0 }),
		"guid_routing/attribution_only": with(func(c *Config) { c.E2E.Enabled = false }),
		"guid_routing/latency_only":     with(func(c *Config) { c.Rules = []Rule{} }),
	} {
		t.Run(key, func(t *testing.T) {
			sub, err := file.Sub(key)
			require.NoError(t, err)
			got := createDefaultConfig()
			require.NoError(t, sub.Unmarshal(got))
			require.NoError(t, xconfmap.Validate(got))
			assert.Equal(t, component.Config(want), got)
		})
	}
}

func TestDefaultsAreWhatTheREADMESays(t *testing.T) {
	assert.Equal(t, &Config{
		Rules:       []Rule{"guid", "container_id", "hostname", "peer_ip"},
		ServiceName: "keep", Unattributed: "pass",
		E2E: E2EConfig{Enabled: true, Settle: 200 * time.Millisecond, MaxAge: 30 * time.Second, MaxTraces: 50_000},
	}, createDefaultConfig())
}

func TestBadConfigFiles(t *testing.T) {
	messages := map[string]string{
		"unknown_key":          "has invalid keys: rule",
		"unknown_rule":         `rules[1]: "ip" is unknown; allowed are guid, container_id, hostname and peer_ip`,
		"repeated_rule":        `rules[2]: "guid" is listed twice`,
		"service_name":         `service_name: "image" is unknown; allowed are keep, app and guid`,
		"unattributed":         `unattributed: "reject" is unknown; allowed are pass and drop`,
		"endpoint":             `endpoint: "/var/run/docker.sock" is not a Docker engine; allowed are unix:///path and tcp://host:port`,
		"settle_unit":          "e2e: settle: 200ns is not allowed; at least 1ms is needed, for example 200ms (a number without a unit means nanoseconds)",
		"settle_negative":      "e2e: settle: -1s is not allowed; it is 0 or more, for example 200ms",
		"settle_above_max_age": "e2e: settle: 2m0s is above max_age: 30s; a trace would never be complete",
		"max_age":              "e2e: max_age: 0s is not allowed; it is above 0, for example 30s",
		"max_traces":           "e2e: max_traces: 0 is not allowed; it lies between 1 and 1073741824",
		"several": `rules[0]: "ip" is unknown; allowed are guid, container_id, hostname and peer_ip
service_name: "image" is unknown; allowed are keep, app and guid
unattributed: "reject" is unknown; allowed are pass and drop
e2e: max_age: -1s is not allowed; it is above 0, for example 30s
max_traces: -5 is not allowed; it lies between 1 and 1073741824`,
	}
	files, err := filepath.Glob(filepath.Join("testdata", "bad", "*.yaml"))
	require.NoError(t, err)
	require.Len(t, files, len(messages), "each file has its message")
	for name, message := range messages {
		t.Run(name, func(t *testing.T) {
			conf, err := confmaptest.LoadConf(filepath.Join("testdata", "bad", name+".yaml"))
			require.NoError(t, err)
			cfg := createDefaultConfig()
			if err = conf.Unmarshal(cfg); err != nil {
				assert.ErrorContains(t, err, message)
				return
			}
			require.EqualError(t, xconfmap.Validate(cfg), message)
		})
	}
}
