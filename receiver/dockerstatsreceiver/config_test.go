package dockerstatsreceiver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/confmap/xconfmap"
	"go.yaml.in/yaml/v3"

	"github.com/governor-project/governor/receiver/dockerstatsreceiver/internal/metadata"
)

func load(t *testing.T, file, name string) (*Config, error) {
	t.Helper()
	conf, err := confmaptest.LoadConf(filepath.Join("testdata", file))
	require.NoError(t, err)
	cfg := createDefaultConfig().(*Config)
	sub, err := conf.Sub(component.NewIDWithName(metadata.Type, name).String())
	require.NoError(t, err)
	if err := sub.Unmarshal(cfg); err != nil {
		return nil, err
	}
	return cfg, xconfmap.Validate(cfg)
}

func TestLoadConfig(t *testing.T) {
	def, err := load(t, "config.yaml", "")
	require.NoError(t, err)
	assert.Equal(t, createDefaultConfig(), def)
	assert.Equal(t, 10*time.Second, def.CollectionInterval)

	contrib, err := load(t, "config.yaml", "contrib")
	require.NoError(t, err)
	want := createDefaultConfig().(*Config)
	want.Endpoint, want.CollectionInterval, want.InitialDelay, want.Timeout = "tcp://127.0.0.1:2375", 2*time.Second, 0, 20*time.Second
	want.DockerAPIVersion = "1.41"
	want.ContainerLabelsToMetricLabels = map[string]string{"my.container.label": "my-metric-label"}
	want.EnvVarsToMetricLabels = map[string]string{"MY_ENVIRONMENT_VARIABLE": "my-other-metric-label"}
	want.ExcludedImages = []string{"undesired-container", "/.*undesired.*/", "another-*-container"}
	assert.Equal(t, want.ControllerConfig, contrib.ControllerConfig)
	assert.Equal(t, want.ExcludedImages, contrib.ExcludedImages)
	assert.Equal(t, want.ContainerLabelsToMetricLabels, contrib.ContainerLabelsToMetricLabels)
	assert.Equal(t, want.EnvVarsToMetricLabels, contrib.EnvVarsToMetricLabels)
	assert.Equal(t, want.DockerAPIVersion, contrib.DockerAPIVersion)
	assert.Equal(t, want.Endpoint, contrib.Endpoint)
	assert.True(t, contrib.Metrics.ContainerCPUUsagePercpu.Enabled)
	assert.False(t, contrib.Metrics.ContainerNetworkIoUsageTxDropped.Enabled)
	assert.True(t, contrib.ResourceAttributes.ContainerCommandLine.Enabled)

	control, err := load(t, "config.yaml", "control")
	require.NoError(t, err)
	assert.Equal(t, 100*time.Millisecond, control.CollectionInterval)
	assert.Equal(t, sourceCgroup, control.Source)
	assert.Equal(t, "/hostfs", control.RootPath)
}

// Each file of testdata/bad has one mistake and, in its first line, the message.
func TestBadConfigs(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		message, _, _ := strings.Cut(string(text), "\n")
		_, err = load(t, strings.TrimPrefix(file, "testdata/"), "")
		require.Error(t, err, file)
		assert.Contains(t, err.Error(), strings.TrimPrefix(message, "# "), file)
	}
}

func TestValidateReportsEverythingAtOnce(t *testing.T) {
	cfg := &Config{}
	cfg.InitialDelay, cfg.Timeout = -1, -1
	cfg.DockerAPIVersion, cfg.RootPath = "1.24", "hostfs"
	cfg.ExcludedImages = []string{"/(/", "{a", ""}
	cfg.EnvVarsToMetricLabels = map[string]string{"TIER": ""}
	assert.EqualError(t, cfg.Validate(), strings.Join([]string{
		"collection_interval: 0s is not allowed; at least 50ms",
		"initial_delay: -1ns is not allowed; zero or more",
		"timeout: -1ns is not allowed; zero (none) or more",
		"endpoint: missing; for example unix:///var/run/docker.sock",
		`api_version: "1.24" is not allowed; at least 1.25`,
		`source: "" is not allowed; auto or cgroup`,
		`root_path: "hostfs" is not allowed; an absolute path, for example / or /hostfs`,
		"excluded_images[0]: \"/(/\": error parsing regexp: missing closing ): `(`",
		`excluded_images[1]: "{a": a { of the glob is not closed`,
		`excluded_images[2]: "" is empty; a name, a /regular expression/ or a glob is needed`,
		"env_vars_to_metric_labels: TIER: the name of the attribute is missing",
	}, "\n"))
}

func TestExcludedImageRules(t *testing.T) {
	for _, c := range []struct {
		items    []string
		excluded []string
		kept     []string
	}{
		{nil, nil, []string{"", "a", "shop/a:1"}},
		{[]string{"redis"}, []string{"redis"}, []string{"redis:7", "my-redis"}},
		{[]string{"!redis"}, []string{"nginx", "redis:7"}, []string{"redis"}},
		{[]string{"/red.s/"}, []string{"my-redis:7"}, []string{"rds"}},
		{[]string{"!/^shop/"}, []string{"redis"}, []string{"shop/a"}},
		{[]string{"shop/*"}, []string{"shop/a:1", "shop/b/c"}, []string{"myshop/a"}},
		{[]string{"!shop/*"}, []string{"redis"}, []string{"shop/a"}},
		{[]string{"a?c"}, []string{"abc"}, []string{"ac", "abbc"}},
		{[]string{"v[0-9]"}, []string{"v1"}, []string{"va"}},
		{[]string{"v[!0-9]"}, []string{"va"}, []string{"v1"}},
		{[]string{"{redis,nginx}:*"}, []string{"redis:7", "nginx:1"}, []string{"redis", "mysql:1"}},
		{[]string{`shop.a*`}, []string{"shop.a1"}, []string{"shopxa1"}},
		{[]string{"/redis/", "!redis:7"}, []string{"redis:6", "nginx"}, []string{"redis:7"}},
	} {
		f, err := newImageFilter(c.items)
		require.NoError(t, err, c.items)
		for _, image := range c.excluded {
			assert.True(t, f.excludes(image), "%v should exclude %q", c.items, image)
		}
		for _, image := range c.kept {
			assert.False(t, f.excludes(image), "%v should keep %q", c.items, image)
		}
	}
}

func FuzzImageFilter(f *testing.F) {
	f.Add("shop/*", "shop/a")
	f.Add("!/x{1,2}/", "x")
	f.Add("{a,[!b]}", "a")
	f.Fuzz(func(_ *testing.T, item, image string) {
		if filter, err := newImageFilter([]string{item}); err == nil {
			filter.excludes(image)
		}
	})
}

// declared is what dashboards rely on, one line a metric, as in the list of contrib's.
func declared(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("metadata.yaml")
	require.NoError(t, err)
	var file struct {
		Metrics map[string]struct {
			Enabled    bool
			Unit       string
			Attributes []string
			Gauge, Sum *struct {
				ValueType string `yaml:"value_type"`
				Monotonic bool
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	out := map[string]string{}
	for name, m := range file.Metrics {
		kind, number := "gauge", m.Gauge
		if m.Sum != nil {
			kind, number = map[bool]string{true: "counter", false: "sum"}[m.Sum.Monotonic], m.Sum
		}
		attributes := strings.Join(m.Attributes, ",")
		if attributes == "" {
			attributes = "-"
		}
		out[name] = strings.Join([]string{m.Unit, kind, number.ValueType, map[bool]string{true: "on", false: "off"}[m.Enabled], attributes}, " ")
	}
	return out
}

// A dashboard that was made for contrib's receiver keeps working: same names,
// units, types and attributes, and all of its default set on by default.
func TestMetricsAreContribs(t *testing.T) {
	text, err := os.ReadFile("testdata/contrib-v0.148.0.txt")
	require.NoError(t, err)
	ours := declared(t)
	moreByDefault := map[string]bool{
		"container.cpu.throttling_data.periods": true, "container.cpu.throttling_data.throttled_periods": true,
		"container.cpu.throttling_data.throttled_time": true,
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, want, _ := strings.Cut(strings.TrimSpace(line), " ")
		if moreByDefault[name] {
			want = strings.Replace(want, " off ", " on ", 1)
		}
		assert.Equal(t, want, ours[name], name)
		delete(ours, name)
	}
	assert.Equal(t, map[string]string{
		"container.cpu.quota":      "{cpus} gauge double on -",
		"container.cpu.stall.time": "ns counter int on source",
		"container.cpuset.size":    "{cpu} gauge int on -",
	}, ours, "what this receiver has beyond contrib's")
}
