package jaegerreceiver

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configgrpc"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"

	"github.com/governor-project/governor/receiver/jaegerreceiver/internal/metadata"
)

// The ports are those of the Jaeger agent and collector.
// Source: https://www.jaegertracing.io/docs/1.76/deployment/
const (
	defaultCompactEndpoint = "localhost:6831"
	defaultBinaryEndpoint  = "localhost:6832"
	defaultZipkinEndpoint  = "localhost:5775"
	defaultHTTPEndpoint    = "localhost:14268"
	defaultGRPCEndpoint    = "localhost:14250"

	// defaultMaxPacketSize is what Jaeger agents accept; clients stay below it.
	defaultMaxPacketSize = 65000
	// defaultQueueBytes holds about one second of 120,000 spans/s.
	defaultQueueBytes = 32 << 20
	// defaultSocketBuffer holds about 10,000 small packets, whose bookkeeping in
	// the kernel is charged too.
	defaultSocketBuffer = 8 << 20
	// defaultWorkers: one decodes while another waits for the next component.
	defaultWorkers = 2
	// defaultSockets: two cores can read.
	defaultSockets = 2

	// defaultFlushInterval is small against any latency target and large against
	// what a call into the pipeline costs.
	defaultFlushInterval = 5 * time.Millisecond
	defaultMaxSpans      = 1024

	defaultRetryInitial = 50 * time.Millisecond
	defaultRetryMax     = time.Second
	defaultRetryElapsed = 5 * time.Second
	defaultDrainTimeout = 10 * time.Second
)

// NewFactory returns the factory of the jaeger receiver.
func NewFactory() receiver.Factory {
	return receiver.NewFactory(metadata.Type, createDefaultConfig,
		receiver.WithTraces(createTraces, metadata.TracesStability))
}

func createDefaultConfig() component.Config {
	http := confighttp.NewDefaultServerConfig()
	http.NetAddr.Endpoint = defaultHTTPEndpoint
	grpc := configgrpc.NewDefaultServerConfig()
	grpc.NetAddr.Endpoint = defaultGRPCEndpoint
	return &Config{
		Protocols: Protocols{
			ThriftCompact: configoptional.Default(defaultUDP(defaultCompactEndpoint)),
			ThriftBinary:  configoptional.Default(defaultUDP(defaultBinaryEndpoint)),
			ZipkinCompact: configoptional.Default(defaultUDP(defaultZipkinEndpoint)),
			ThriftHTTP:    configoptional.Default(http),
			GRPC:          configoptional.Default(grpc),
		},
		PeerAddress:  true,
		Flush:        FlushConfig{Interval: defaultFlushInterval, MaxSpans: defaultMaxSpans},
		Retry:        RetryConfig{InitialInterval: defaultRetryInitial, MaxInterval: defaultRetryMax, MaxElapsedTime: defaultRetryElapsed},
		DrainTimeout: defaultDrainTimeout,
	}
}

func defaultUDP(endpoint string) UDPConfig {
	return UDPConfig{
		Endpoint:         endpoint,
		QueueBytes:       defaultQueueBytes,
		MaxPacketSize:    defaultMaxPacketSize,
		Workers:          defaultWorkers,
		Sockets:          defaultSockets,
		SocketBufferSize: defaultSocketBuffer,
	}
}

func createTraces(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Traces) (receiver.Traces, error) {
	return newReceiver(cfg.(*Config), set, next)
}
