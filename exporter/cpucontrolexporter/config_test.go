package cpucontrolexporter

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/confmap/xconfmap"

	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/cpuset"
)

// hostWith is a root directory of a host with these CPUs online.
func hostWith(t testing.TB, online string) string {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "sys/devices/system/cpu")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "online"), []byte(online+"\n"), 0o600))
	set, err := cpuset.Parse(online)
	require.NoError(t, err)
	for cpu := range set.All() {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "cpu"+cpuset.Of(cpu).String(), "topology"), 0o700))
	}
	return root
}

func load(t *testing.T, yaml string) (*Config, error) {
	t.Helper()
	raw, err := confmap.NewRetrievedFromYAML([]byte(yaml))
	require.NoError(t, err)
	conf, err := raw.AsConf()
	require.NoError(t, err)
	cfg := createDefaultConfig().(*Config)
	cfg.CgroupRoot = hostWith(t, "0-1")
	if err := conf.Unmarshal(cfg); err != nil {
		return nil, err
	}
	return cfg, xconfmap.Validate(cfg)
}

func TestConfigFile(t *testing.T) {
	file, err := confmaptest.LoadConf("testdata/config.yaml")
	require.NoError(t, err)
	sub, err := file.Sub("cpu_control/all")
	require.NoError(t, err)
	cfg := createDefaultConfig().(*Config)
	require.NoError(t, sub.Unmarshal(cfg))
	id := component.MustNewIDWithName("file_storage", "state")
	assert.Equal(t, &Config{
		Mode: "enforce", Policy: "latency", Interval: 50 * time.Millisecond, OuterInterval: 2 * time.Second, InitialDelay: 3 * time.Second,
		Pool: PoolConfig{CPUs: "0"}, Storage: &id, Endpoint: "unix:///run/docker.sock", CgroupRoot: "/", History: 50,
		Apps: map[string]AppConfig{
			"shop":  {Class: "latency_critical", Objective: &ObjectiveConfig{Percentile: 99, Target: 80 * time.Millisecond, Scope: "service"}, CPU: CPUConfig{Min: 0.5, Max: 2, Weight: 200}},
			"batch": {Class: "best_effort"},
		},
	}, cfg)
	assert.NoError(t, xconfmap.Validate(cfg))
}

func TestDefaultsAreValid(t *testing.T) {
	cfg, err := load(t, "{}")
	require.NoError(t, err)
	assert.Equal(t, "observe", cfg.Mode)
	assert.Equal(t, 100*time.Millisecond, cfg.Interval)
	assert.Equal(t, time.Second, cfg.OuterInterval)
	assert.Equal(t, time.Second, cfg.InitialDelay)
	assert.Equal(t, 1000, cfg.History)
}

// One mistake, one message that says what is allowed.
func TestBadConfiguration(t *testing.T) {
	for yaml, message := range map[string]string{
		"mode: act":                                   `mode: "act" is not allowed; allowed are observe, enforce`,
		"policy: guess":                               `policy: "guess" is not allowed; allowed are latency`,
		"interval: 5ms":                               `interval: 5ms is not allowed; it lies between 20ms and 500ms`,
		"outer_interval: 1m":                          `outer_interval: 1m0s is not allowed; it lies between 100ms and 10s`,
		"initial_delay: 2m":                           `initial_delay: 2m0s is not allowed; it lies between 0s and 1m0s`,
		"mode: enforce":                               `storage: missing; mode "enforce" keeps a journal of original limits there: add "storage: file_storage" and configure that extension, or use mode "observe"`,
		"history: 0":                                  `history: 0 is not allowed; it lies between 1 and 100000`,
		"endpoint: docker.sock":                       `endpoint: "docker.sock" is not allowed; it is unix:///path/to.sock or tcp://host:port`,
		"cgroup_root: ''":                             `cgroup_root: empty; it is the directory that holds proc and sys, "/" on a host`,
		"pool: {cpus: 0-9}":                           `pool.cpus "0-9": CPU 2 is offline; online are 0-1`,
		"pool: {cpus: a}":                             `pool.cpus: cpuset "a": "a" is not a CPU number; allowed are numbers and ranges such as "0-3,8"`,
		"pool: {reserved_cpus: 1-0}":                  `pool.reserved_cpus: cpuset "1-0": range "1-0" runs backwards`,
		"pool: {reserved_cpus: 0-1}":                  `pool.reserved_cpus "0-1": nothing is left of the pool, "0-1"`,
		`pool: {reserved_cpus: "7"}`:                  `pool.reserved_cpus "7": CPU 7 is offline; online are 0-1`,
		"apps: {shop: {class: vip}}":                  `apps::shop: class "vip" is unknown; allowed are latency_critical, best_effort and unmanaged`,
		"apps: {shop: {cpu: {max: -1}}}":              `apps::shop: cpu.max: -1 is not allowed; it lies between 0 and 8192`,
		"apps: {shop: {class: latency_critical}}":     `apps::shop: objective: missing; a latency_critical app needs one, for example {percentile: 95, target: 50ms}`,
		"apps: {shop: {objective: {percentile: 95}}}": `apps::shop: target: 0s is not allowed; a latency above zero is needed, for example 50ms`,
		"apps: {shop: {objective: {percentile: 100, target: 50ms}}}":              `apps::shop: percentile: 100 is not allowed; it lies between 0 and 100, both excluded, for example 95`,
		"apps: {s: {class: best_effort, objective: {percentile: 0, target: 1s}}}": `apps::s: objective.percentile: 0 is not allowed; it lies between 0 and 100, both excluded, for example 95`,
	} {
		t.Run(yaml, func(t *testing.T) {
			_, err := load(t, yaml)
			assert.EqualError(t, err, message)
		})
	}
}

func TestEverythingIsReportedAtOnce(t *testing.T) {
	_, err := load(t, "{mode: act, history: -1, pool: {cpus: 0-9}, apps: {a: {class: vip}, b: {cpu: {min: 3, max: 2}}}}")
	require.Error(t, err)
	for _, part := range []string{`mode: "act"`, "history: -1", `pool.cpus "0-9"`, `apps::a: class "vip"`, "apps::b: cpu.min: 3 is above max: 2"} {
		assert.ErrorContains(t, err, part)
	}
}

func TestMisspeltKeysAndUnitsAreRefused(t *testing.T) {
	_, err := load(t, "intervall: 1s")
	assert.ErrorContains(t, err, "invalid keys: intervall")
	_, err = load(t, "interval: 100mss")
	assert.ErrorContains(t, err, "'interval' time: unknown unit")
	_, err = load(t, "apps: {shop: {objective: {target: fast}}}")
	assert.ErrorContains(t, err, "'apps[shop].objective.target' time: invalid duration")
}

func TestAnotherHostsConfigurationCanBeValidated(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	cfg.CgroupRoot, cfg.Pool.CPUs = t.TempDir(), "0-63"
	assert.NoError(t, xconfmap.Validate(cfg))
}

func TestAppsOverrideLabels(t *testing.T) {
	labels := appspec.Policy{Class: appspec.LatencyCritical, Objective: appspec.Objective{Percentile: 95, Target: time.Second, Scope: appspec.ScopeService}, CPU: appspec.CPUBounds{Min: 1, Max: 2}}
	assert.Equal(t, labels, AppConfig{}.policy(labels))
	got := AppConfig{Objective: &ObjectiveConfig{Percentile: 99, Target: time.Minute}, CPU: CPUConfig{Max: 4}}.policy(labels)
	assert.Equal(t, appspec.Policy{Class: appspec.LatencyCritical, Objective: appspec.Objective{Percentile: 99, Target: time.Minute, Scope: appspec.ScopeTrace}, CPU: appspec.CPUBounds{Min: 1, Max: 4}}, got)
	assert.Equal(t, appspec.Unmanaged, AppConfig{Class: "unmanaged"}.policy(labels).Class)
}
