package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/moby/moby/client"
	"go.opentelemetry.io/otel/trace/noop"
)

// DefaultHost is where the engine listens on Linux.
const DefaultHost = "unix:///var/run/docker.sock"

// Default time-outs of one call.
const (
	DefaultCallTimeout     = 10 * time.Second // list, inspect, ping
	DefaultChangeTimeout   = 60 * time.Second // create, start, stop, remove: slow disks and busy hosts
	DefaultTransferTimeout = 10 * time.Minute // image pull and import
)

// Options say which engine and how long to wait. Zero values take the defaults.
type Options struct {
	Host            string // unix:///path or tcp://host:port; "": DOCKER_HOST, else DefaultHost
	CallTimeout     time.Duration
	ChangeTimeout   time.Duration
	TransferTimeout time.Duration
}

type engineClient struct {
	api     *client.Client
	host    string
	options Options
}

var _ Client = (*engineClient)(nil)

// New prepares a client; it does not connect, so that a caller may start before
// the engine does. An unusable host is an error. The API version is negotiated
// with the engine on the first call. TLS settings come from DOCKER_CERT_PATH and
// DOCKER_TLS_VERIFY as for the docker command.
func New(options Options) (Client, error) {
	host := cmp.Or(options.Host, os.Getenv("DOCKER_HOST"), DefaultHost)
	options.CallTimeout = cmp.Or(options.CallTimeout, DefaultCallTimeout)
	options.ChangeTimeout = cmp.Or(options.ChangeTimeout, DefaultChangeTimeout)
	options.TransferTimeout = cmp.Or(options.TransferTimeout, DefaultTransferTimeout)
	if err := CheckHost(host); err != nil {
		return nil, err
	}
	// The library traces its calls through the global provider; in an agent
	// that would mix Governor's own calls into the user's traces.
	api, err := client.New(client.WithTLSClientConfigFromEnv(), client.WithHost(host),
		client.WithUserAgent("governor"), client.WithTraceProvider(noop.NewTracerProvider()))
	if err != nil {
		return nil, fmt.Errorf("docker: host %q: %w", host, err)
	}
	return &engineClient{api: api, host: host, options: options}, nil
}

// CheckHost says whether an engine address can be used; "" can.
func CheckHost(host string) error {
	if host == "" {
		return nil
	}
	if _, err := client.ParseHostURL(host); err != nil {
		return fmt.Errorf("docker: host %q is not allowed; it is written as unix:///path or tcp://host:port: %w", host, err)
	}
	return nil
}

// Close implements Client.
func (c *engineClient) Close() error { return c.api.Close() }

func (c *engineClient) reading(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.options.CallTimeout)
}

func (c *engineClient) changing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.options.ChangeTimeout)
}

func (c *engineClient) transferring(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.options.TransferTimeout)
}

// Ping implements Client.
func (c *engineClient) Ping(caller context.Context) (Engine, error) {
	ctx, cancel := c.reading(caller)
	defer cancel()
	ping, err := c.api.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true})
	if err != nil {
		return Engine{}, c.fail(caller, "ping", "", err)
	}
	version, err := c.api.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return Engine{}, c.fail(caller, "ask the version", "", err)
	}
	return Engine{Host: c.host, APIVersion: ping.APIVersion, Version: version.Version, OS: ping.OSType}, nil
}

// bridgeNetwork is the name of the engine's default network.
const bridgeNetwork = "bridge"

// BridgeGateway implements Client.
func (c *engineClient) BridgeGateway(caller context.Context) (string, error) {
	ctx, cancel := c.reading(caller)
	defer cancel()
	const op = "inspect network"
	result, err := c.api.NetworkInspect(ctx, bridgeNetwork, client.NetworkInspectOptions{})
	if err != nil {
		return "", c.fail(caller, op, bridgeNetwork, err)
	}
	var first netip.Addr
	for _, config := range result.Network.IPAM.Config {
		if config.Gateway.Is4() {
			return config.Gateway.String(), nil
		}
		if !first.IsValid() && config.Subnet.Addr().Is4() {
			first = config.Subnet.Masked().Addr().Next()
		}
	}
	if !first.IsValid() {
		return "", &Error{Op: op, Object: bridgeNetwork, Kind: ErrNotFound, Err: errors.New("it has no IPv4 subnet, so no gateway")}
	}
	return first.String(), nil // engines leave the gateway out until the bridge is first used: it is the subnet's first address
}
