package jaegerreceiver

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/confmap/xconfmap"
)

func load(t *testing.T, conf *confmap.Conf) (*Config, error) {
	t.Helper()
	cfg := createDefaultConfig().(*Config)
	if err := conf.Unmarshal(cfg); err != nil {
		return nil, err
	}
	return cfg, xconfmap.Validate(cfg)
}

func section(t *testing.T, id string) *confmap.Conf {
	t.Helper()
	file, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	require.NoError(t, err)
	sub, err := file.Sub(id)
	require.NoError(t, err)
	return sub
}

func TestDefaults(t *testing.T) {
	cfg, err := load(t, section(t, "jaeger"))
	require.NoError(t, err)
	p := cfg.Protocols
	assert.False(t, p.ThriftBinary.HasValue(), "a protocol that is not mentioned is off")
	assert.False(t, p.ZipkinCompact.HasValue())
	assert.False(t, p.ThriftHTTP.HasValue())
	assert.False(t, p.GRPC.HasValue())
	assert.Equal(t, UDPConfig{
		Endpoint: "localhost:6831", QueueBytes: 32 << 20, MaxPacketSize: 65000, Workers: 2, Sockets: 2, SocketBufferSize: 8 << 20,
	}, *p.ThriftCompact.Get())
	assert.True(t, cfg.PeerAddress)
	assert.Equal(t, FlushConfig{Interval: 5 * time.Millisecond, MaxSpans: 1024}, cfg.Flush)
	assert.Equal(t, RetryConfig{InitialInterval: 50 * time.Millisecond, MaxInterval: time.Second, MaxElapsedTime: 5 * time.Second}, cfg.Retry)
	assert.Equal(t, 10*time.Second, cfg.DrainTimeout)
}

func TestDefaultEndpoints(t *testing.T) {
	cfg, err := load(t, confmap.NewFromStringMap(map[string]any{"protocols": map[string]any{
		"thrift_compact": nil, "thrift_binary": nil, "zipkin_compact": nil, "thrift_http": nil, "grpc": nil,
	}}))
	require.NoError(t, err)
	p := cfg.Protocols
	assert.Equal(t, "localhost:6831", p.ThriftCompact.Get().Endpoint)
	assert.Equal(t, "localhost:6832", p.ThriftBinary.Get().Endpoint)
	assert.Equal(t, "localhost:5775", p.ZipkinCompact.Get().Endpoint)
	assert.Equal(t, "localhost:14268", p.ThriftHTTP.Get().NetAddr.Endpoint)
	assert.Equal(t, "localhost:14250", p.GRPC.Get().NetAddr.Endpoint)
}

func TestEveryKey(t *testing.T) {
	cfg, err := load(t, section(t, "jaeger/all"))
	require.NoError(t, err)
	p := cfg.Protocols
	assert.Equal(t, UDPConfig{
		Endpoint: "172.17.0.1:6831", QueueSize: 1000, QueueBytes: 1 << 20, MaxPacketSize: 65000, Workers: 10, Sockets: 4, SocketBufferSize: 4 << 20,
	}, *p.ThriftCompact.Get())
	assert.Equal(t, "localhost:7832", p.ThriftBinary.Get().Endpoint)
	assert.Equal(t, "localhost:7775", p.ZipkinCompact.Get().Endpoint)
	assert.Equal(t, int64(1<<20), p.ThriftHTTP.Get().MaxRequestBodySize)
	assert.Equal(t, 8, p.GRPC.Get().MaxRecvMsgSizeMiB)
	assert.False(t, cfg.PeerAddress)
	assert.Equal(t, FlushConfig{Interval: 2 * time.Millisecond, MaxSpans: 256}, cfg.Flush)
	assert.Equal(t, RetryConfig{InitialInterval: 10 * time.Millisecond, MaxInterval: 100 * time.Millisecond, MaxElapsedTime: time.Second}, cfg.Retry)
	assert.Equal(t, 3*time.Second, cfg.DrainTimeout)
}

func TestMistakes(t *testing.T) {
	for name, want := range map[string]string{
		"unknown_key":       "decoding failed due to the following error(s):\n\n'protocols.thrift_compact' decoding failed due to the following error(s):\n\n'jaegerreceiver.UDPConfig' has invalid keys: queue",
		"unknown_protocol":  "decoding failed due to the following error(s):\n\n'protocols' has invalid keys: zipkin_http",
		"unknown_top_level": "decoding failed due to the following error(s):\n\n'jaegerreceiver.Config' has invalid keys: remote_sampling",
		"no_protocol":       "protocols: none is given; give at least one of thrift_compact, thrift_binary, zipkin_compact, thrift_http, grpc",
		"empty_protocols":   "protocols: none is given; give at least one of thrift_compact, thrift_binary, zipkin_compact, thrift_http, grpc",
		"no_port":           "protocols::thrift_compact::endpoint: \"localhost\": must be host:port",
		"bad_port":          "protocols::thrift_binary::endpoint: \"localhost:70000\": the port must be a number from 0 to 65535",
		"bad_http_port":     "protocols::thrift_http::endpoint: \"localhost:http\": the port must be a number from 0 to 65535",
		"bad_grpc_endpoint": "protocols::grpc::endpoint: \"localhost\": must be host:port",
		"packet_size":       "protocols::thrift_compact::max_packet_size: 70000: must be from 1 to 65507",
		"workers":           "protocols::thrift_compact::workers: 0: must be from 1 to 256",
		"sockets":           "protocols::zipkin_compact::sockets: 65: must be from 1 to 64",
		"queue_size":        "protocols::thrift_compact::queue_size: -1: must be from 0 to 1073741824",
		"queue_bytes":       "protocols::thrift_compact::queue_bytes: 1000: must be from 65064 to 1073741824",
		"socket_buffer":     "protocols::thrift_compact::socket_buffer_size: -1: must be from 0 to 1073741824",
		"flush_interval":    "flush::interval: 2s: must be from 0s to 1s",
		"flush_unit":        "decoding failed due to the following error(s):\n\n'flush.interval' time: unknown unit",
		"max_spans":         "flush::max_spans: 0: must be at least 1",
		"retry":             "retry::initial_interval: 0s: must be above 0s\nretry::max_interval: -1s: must not be below retry::initial_interval, 0s\nretry::max_elapsed_time: -1s: must not be negative",
		"drain_timeout":     "drain_timeout: -1s: must be above 0s",
		"several":           "protocols::thrift_compact::endpoint: \"x\": must be host:port\nprotocols::thrift_compact::workers: 0: must be from 1 to 256\nprotocols::thrift_binary::max_packet_size: 0: must be from 1 to 65507\ndrain_timeout: -1s: must be above 0s",
	} {
		t.Run(name, func(t *testing.T) {
			conf, err := confmaptest.LoadConf(filepath.Join("testdata", "bad", name+".yaml"))
			require.NoError(t, err)
			_, err = load(t, conf)
			require.EqualError(t, err, want)
		})
	}
}
