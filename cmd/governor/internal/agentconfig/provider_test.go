package agentconfig

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.uber.org/goleak"

	"github.com/governor-project/governor/configs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func environment(bridge string, vars map[string]string) Environment {
	return Environment{
		Files:         configs.Files,
		BridgeAddress: func() (string, bool) { return bridge, bridge != "" },
		Setenv:        func(key, value string) error { vars[key] = value; return nil },
		LookupEnv:     func(key string) (string, bool) { v, ok := vars[key]; return v, ok },
	}
}

func retrieve(t *testing.T, env Environment) *confmap.Conf {
	t.Helper()
	p := NewFactory(env).Create(confmap.ProviderSettings{})
	got, err := p.Retrieve(t.Context(), AgentURI, nil)
	require.NoError(t, err)
	conf, err := got.AsConf()
	require.NoError(t, err)
	require.NoError(t, got.Close(t.Context()))
	require.NoError(t, p.Shutdown(t.Context()))
	return conf
}

func TestWithoutBridgeTheAgentListensOnLoopbackOnly(t *testing.T) {
	conf := retrieve(t, environment("", map[string]string{}))
	assert.Equal(t, []any{"jaeger", "otlp", "zipkin"}, conf.Get("service::pipelines::traces::receivers"))
	assert.False(t, conf.IsSet("receivers::jaeger/bridge"))
	assert.Equal(t, []any{"cpu_control", "spanmetrics", "servicegraph", "file/traces"}, conf.Get("service::pipelines::traces::exporters"))
}

func TestWithABridgeContainersReachTheAgent(t *testing.T) {
	vars := map[string]string{}
	conf := retrieve(t, environment("172.30.0.1", vars))
	assert.Equal(t, []any{"jaeger", "otlp", "zipkin", "jaeger/bridge", "otlp/bridge", "zipkin/bridge"}, conf.Get("service::pipelines::traces::receivers"))
	assert.Equal(t, "172.30.0.1", vars["GOVERNOR_BRIDGE_ADDRESS"])
	assert.Equal(t, "${env:GOVERNOR_BRIDGE_ADDRESS}:6831", conf.Get("receivers::jaeger/bridge::protocols::thrift_compact::endpoint"))
}

func TestABackendReplacesTheFile(t *testing.T) {
	conf := retrieve(t, environment("", map[string]string{"GOVERNOR_JAEGER_ENDPOINT": "127.0.0.1:14317"}))
	assert.Equal(t, []any{"cpu_control", "spanmetrics", "servicegraph", "otlp/jaeger"}, conf.Get("service::pipelines::traces::exporters"))
	assert.Equal(t, []any{"file/metrics"}, conf.Get("service::pipelines::metrics::exporters"), "Jaeger takes no metrics")

	conf = retrieve(t, environment("", map[string]string{
		"GOVERNOR_JAEGER_ENDPOINT":        "127.0.0.1:14317",
		"GOVERNOR_ELASTICSEARCH_ENDPOINT": "http://127.0.0.1:9200",
	}))
	assert.ElementsMatch(t, []any{"cpu_control", "spanmetrics", "servicegraph", "otlp/jaeger", "elasticsearch"}, conf.Get("service::pipelines::traces::exporters"))
	assert.Equal(t, []any{"elasticsearch"}, conf.Get("service::pipelines::logs::exporters"))
}

func TestOtherURIsAreRefused(t *testing.T) {
	p := NewFactory(environment("", nil)).Create(confmap.ProviderSettings{})
	_, err := p.Retrieve(t.Context(), "governor:other", nil)
	require.EqualError(t, err, `config URI "governor:other" is unknown; allowed is governor:agent`)
}

// The engine may be installed or started after the agent.
func TestAnAppearingBridgeReloadsTheConfigurationOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var address atomic.Value
		address.Store("")
		env := environment("", map[string]string{})
		env.BridgeAddress = func() (string, bool) { a := address.Load().(string); return a, a != "" }
		p := NewFactory(env).Create(confmap.ProviderSettings{})
		var changes atomic.Int32
		got, err := p.Retrieve(context.Background(), AgentURI, func(*confmap.ChangeEvent) { changes.Add(1) })
		require.NoError(t, err)

		time.Sleep(10 * bridgePollInterval)
		assert.Zero(t, changes.Load())
		address.Store("172.17.0.1")
		time.Sleep(10 * bridgePollInterval)
		assert.EqualValues(t, 1, changes.Load())

		require.NoError(t, got.Close(context.Background()))
		require.NoError(t, p.Shutdown(context.Background()))
	})
}

func TestOverlayOverSomethingElseThanAMap(t *testing.T) {
	files := fstest.MapFS{
		"agent.yaml":  {Data: []byte("receivers: {jaeger: 5}")},
		"bridge.yaml": {Data: []byte("receivers: {jaeger: {a: 1}}")},
	}
	_, err := compose(files, bridgeOverlay)
	require.EqualError(t, err, "bridge.yaml: receivers.jaeger: a map is laid over int")
}

func TestUserDefaultsKeepWhatIsSet(t *testing.T) {
	vars := map[string]string{"XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": "/r", "GOVERNOR_SOCKET": "/mine.sock"}
	env := environment("", vars)
	require.NoError(t, UserDefaults(env.LookupEnv, env.Setenv))
	assert.Equal(t, "/s/governor", vars["GOVERNOR_STATE_DIR"])
	assert.Equal(t, "/mine.sock", vars["GOVERNOR_SOCKET"])
}
