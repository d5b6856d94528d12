package jaegerreceiver

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/config/configgrpc"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"
)

// The limits of the configuration.
const (
	// maxDatagram is the largest UDP payload over IPv4 (65535 less both headers).
	maxDatagram = 65507
	maxWorkers  = 256
	maxSockets  = 64
	maxPort     = 65535
	maxSetting  = 1 << 30
	maxInterval = time.Second
)

// Config is the receiver's configuration. `protocols` has the keys of the contrib
// repository's receiver of the same type; the others are this receiver's own.
type Config struct {
	Protocols Protocols `mapstructure:"protocols"`
	// PeerAddress sets network.peer.address on each resource to the address that
	// the packet came from.
	PeerAddress bool `mapstructure:"peer_address"`
	// Flush says how long packets gather before they go on together.
	Flush FlushConfig `mapstructure:"flush"`
	// Retry says what happens to a flush that the next component refuses for now.
	Retry RetryConfig `mapstructure:"retry"`
	// DrainTimeout bounds how long a shutdown works on what has been received.
	DrainTimeout time.Duration `mapstructure:"drain_timeout"`

	// prevent unkeyed literal initialization
	_ struct{}
}

// Protocols are the ways in. One that is not mentioned is off.
type Protocols struct {
	ThriftCompact configoptional.Optional[UDPConfig]               `mapstructure:"thrift_compact"`
	ThriftBinary  configoptional.Optional[UDPConfig]               `mapstructure:"thrift_binary"`
	ZipkinCompact configoptional.Optional[UDPConfig]               `mapstructure:"zipkin_compact"`
	ThriftHTTP    configoptional.Optional[confighttp.ServerConfig] `mapstructure:"thrift_http"`
	GRPC          configoptional.Optional[configgrpc.ServerConfig] `mapstructure:"grpc"`

	// prevent unkeyed literal initialization
	_ struct{}
}

// UDPConfig is one UDP address with its sockets and its queue.
type UDPConfig struct {
	// Endpoint is the host:port to listen on.
	Endpoint string `mapstructure:"endpoint"`
	// QueueSize bounds the packets that wait; 0 leaves QueueBytes as the only bound.
	QueueSize int `mapstructure:"queue_size"`
	// QueueBytes bounds the bytes of packets that wait or are being delivered.
	QueueBytes int `mapstructure:"queue_bytes"`
	// MaxPacketSize is the largest packet in bytes; larger ones are dropped.
	MaxPacketSize int `mapstructure:"max_packet_size"`
	// Workers is the number of goroutines that decode and deliver.
	Workers int `mapstructure:"workers"`
	// Sockets is the number of sockets on the address, each with its own reader
	// and receive buffer. The kernel gives all packets of a sender to the same one.
	Sockets int `mapstructure:"sockets"`
	// SocketBufferSize is the receive buffer of each socket in bytes; 0 keeps the
	// kernel's default.
	SocketBufferSize int `mapstructure:"socket_buffer_size"`

	// prevent unkeyed literal initialization
	_ struct{}
}

// FlushConfig bounds what is gathered into one ptrace.Traces.
type FlushConfig struct {
	// Interval is how long the first packet waits for others; 0 does not wait.
	Interval time.Duration `mapstructure:"interval"`
	// MaxSpans ends the gathering early.
	MaxSpans int `mapstructure:"max_spans"`

	// prevent unkeyed literal initialization
	_ struct{}
}

// RetryConfig bounds the retries of one flush.
type RetryConfig struct {
	// InitialInterval is the first pause; each one after it is twice as long.
	InitialInterval time.Duration `mapstructure:"initial_interval"`
	// MaxInterval is the longest pause.
	MaxInterval time.Duration `mapstructure:"max_interval"`
	// MaxElapsedTime is when to give up; 0 tries once.
	MaxElapsedTime time.Duration `mapstructure:"max_elapsed_time"`

	// prevent unkeyed literal initialization
	_ struct{}
}

// Validate reports everything that is wrong, each with its whole key.
func (c *Config) Validate() error {
	p := &c.Protocols
	var errs []error
	if !p.ThriftCompact.HasValue() && !p.ThriftBinary.HasValue() && !p.ZipkinCompact.HasValue() && !p.ThriftHTTP.HasValue() && !p.GRPC.HasValue() {
		errs = append(errs, errors.New("protocols: none is given; give at least one of thrift_compact, thrift_binary, zipkin_compact, thrift_http, grpc"))
	}
	if p.ThriftCompact.HasValue() {
		errs = append(errs, p.ThriftCompact.Get().check("protocols::thrift_compact"))
	}
	if p.ThriftBinary.HasValue() {
		errs = append(errs, p.ThriftBinary.Get().check("protocols::thrift_binary"))
	}
	if p.ZipkinCompact.HasValue() {
		errs = append(errs, p.ZipkinCompact.Get().check("protocols::zipkin_compact"))
	}
	if p.ThriftHTTP.HasValue() {
		errs = append(errs, checkEndpoint("protocols::thrift_http", p.ThriftHTTP.Get().NetAddr.Endpoint))
	}
	if p.GRPC.HasValue() {
		errs = append(errs, checkEndpoint("protocols::grpc", p.GRPC.Get().NetAddr.Endpoint))
	}
	errs = append(errs, c.Flush.check(), c.Retry.check())
	if c.DrainTimeout <= 0 {
		errs = append(errs, fmt.Errorf("drain_timeout: %v: must be above 0s", c.DrainTimeout))
	}
	return errors.Join(errs...)
}

func (c *UDPConfig) check(key string) error {
	errs := []error{checkEndpoint(key, c.Endpoint)}
	bounds := func(name string, value, least, most int) {
		if value < least || value > most {
			errs = append(errs, fmt.Errorf("%s::%s: %d: must be from %d to %d", key, name, value, least, most))
		}
	}
	bounds("queue_size", c.QueueSize, 0, maxSetting)
	bounds("max_packet_size", c.MaxPacketSize, 1, maxDatagram)
	// The largest packet must fit into an empty queue.
	bounds("queue_bytes", c.QueueBytes, max(0, c.MaxPacketSize)+packetOverhead, maxSetting)
	bounds("workers", c.Workers, 1, maxWorkers)
	bounds("sockets", c.Sockets, 1, maxSockets)
	bounds("socket_buffer_size", c.SocketBufferSize, 0, maxSetting)
	return errors.Join(errs...)
}

func (c *FlushConfig) check() error {
	var errs []error
	if c.Interval < 0 || c.Interval > maxInterval {
		errs = append(errs, fmt.Errorf("flush::interval: %v: must be from 0s to %v", c.Interval, maxInterval))
	}
	if c.MaxSpans < 1 {
		errs = append(errs, fmt.Errorf("flush::max_spans: %d: must be at least 1", c.MaxSpans))
	}
	return errors.Join(errs...)
}

func (c *RetryConfig) check() error {
	var errs []error
	if c.InitialInterval <= 0 {
		errs = append(errs, fmt.Errorf("retry::initial_interval: %v: must be above 0s", c.InitialInterval))
	}
	if c.MaxInterval < c.InitialInterval {
		errs = append(errs, fmt.Errorf("retry::max_interval: %v: must not be below retry::initial_interval, %v", c.MaxInterval, c.InitialInterval))
	}
	if c.MaxElapsedTime < 0 {
		errs = append(errs, fmt.Errorf("retry::max_elapsed_time: %v: must not be negative", c.MaxElapsedTime))
	}
	return errors.Join(errs...)
}

func checkEndpoint(key, endpoint string) error {
	_, port, err := net.SplitHostPort(endpoint)
	if err != nil {
		return fmt.Errorf("%s::endpoint: %q: must be host:port", key, endpoint)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > maxPort {
		return fmt.Errorf("%s::endpoint: %q: the port must be a number from 0 to %d", key, endpoint, maxPort)
	}
	return nil
}
