package containerlifecycleextension

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/confmap/xconfmap"
)

func load(t *testing.T, name string) *Config {
	t.Helper()
	all, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	require.NoError(t, err)
	sub, err := all.Sub(name)
	require.NoError(t, err)
	cfg := createDefaultConfig().(*Config)
	require.NoError(t, sub.Unmarshal(cfg))
	return cfg
}

func TestConfigDefaults(t *testing.T) {
	cfg := load(t, "container_lifecycle")
	assert.Equal(t, createDefaultConfig(), cfg)
	assert.NoError(t, xconfmap.Validate(cfg))
	assert.Equal(t, "/run/governor/governor.sock", cfg.Socket)
}

func TestConfigReadsEveryKey(t *testing.T) {
	cfg := load(t, "container_lifecycle/all")
	require.NoError(t, xconfmap.Validate(cfg))
	storage := component.MustNewID("file_storage")
	assert.Equal(t, &Config{
		Endpoint: "unix:///run/docker.sock", Socket: "/tmp/governor.sock", HostAddress: "192.0.2.1", GUIDEnv: []string{"MY_GUID"},
		OTLPPort: 14318, JaegerAgentPort: 16831, CgroupRoot: "/host", Storage: &storage,
		Timeouts: Timeouts{Call: time.Second, Change: 2 * time.Second, Transfer: 3 * time.Second, Ready: 4 * time.Second, StopGrace: 5 * time.Second, Rollback: 6 * time.Second},
	}, cfg)
}

func TestConfigReportsEverythingAtOnce(t *testing.T) {
	err := load(t, "container_lifecycle/bad").Validate()
	require.Error(t, err)
	lines := strings.Split(err.Error(), "\n")
	assert.Len(t, lines, 9)
	for _, want := range []string{
		`endpoint: docker: host "nonsense" is not allowed; it is written as unix:///path or tcp://host:port: `,
		`socket: "" is not allowed; a path of 1 to 107 bytes is needed`,
		`host_address: "gateway" is not allowed; an IP address is needed, or nothing for the gateway of Docker's default bridge`,
		`guid_env: "MY GUID" is not allowed; a variable name has letters, digits and '_', and begins with no digit`,
		`otlp_port: 0 is not allowed; a port between 1 and 65535 is needed`,
		`jaeger_agent_port: 70000 is not allowed; a port between 1 and 65535 is needed`,
		`cgroup_root: "host" is not allowed; an absolute path is needed`,
		`timeouts::call: 0s is not allowed; a time above zero is needed, for example 10s`,
		`timeouts::stop_grace: 1h0m0s is not allowed; at most 10m0s`,
	} {
		assert.Contains(t, err.Error(), want)
	}
	cfg := createDefaultConfig().(*Config)
	cfg.GUIDEnv = nil
	assert.ErrorContains(t, cfg.Validate(), "guid_env: an empty list is not allowed")
}
