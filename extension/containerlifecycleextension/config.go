package containerlifecycleextension

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"time"

	"go.opentelemetry.io/collector/component"

	"github.com/governor-project/governor/internal/api"
	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/inventory"
	"github.com/governor-project/governor/internal/lifecycle"
)

// Config is the configuration of the extension. README.md documents each key.
type Config struct {
	Endpoint        string        `mapstructure:"endpoint"`
	Socket          string        `mapstructure:"socket"`
	HostAddress     string        `mapstructure:"host_address"`
	GUIDEnv         []string      `mapstructure:"guid_env"`
	OTLPPort        int           `mapstructure:"otlp_port"`
	JaegerAgentPort int           `mapstructure:"jaeger_agent_port"`
	CgroupRoot      string        `mapstructure:"cgroup_root"`
	Storage         *component.ID `mapstructure:"storage"`
	Timeouts        Timeouts      `mapstructure:"timeouts"`
}

// Timeouts bound every call to Docker and every step of an operation.
type Timeouts struct {
	Call      time.Duration `mapstructure:"call"`
	Change    time.Duration `mapstructure:"change"`
	Transfer  time.Duration `mapstructure:"transfer"`
	Ready     time.Duration `mapstructure:"ready"`
	StopGrace time.Duration `mapstructure:"stop_grace"`
	Rollback  time.Duration `mapstructure:"rollback"`
}

// Ports on which Governor's default configuration receives.
const (
	defaultOTLPPort        = 4318
	defaultJaegerAgentPort = 6831
)

func createDefaultConfig() component.Config {
	return &Config{
		Socket:          api.DefaultSocket,
		GUIDEnv:         inventory.DefaultGUIDEnv(),
		OTLPPort:        defaultOTLPPort,
		JaegerAgentPort: defaultJaegerAgentPort,
		CgroupRoot:      "/",
		Timeouts: Timeouts{
			Call: docker.DefaultCallTimeout, Change: docker.DefaultChangeTimeout, Transfer: docker.DefaultTransferTimeout,
			Ready: lifecycle.DefaultReadyTimeout, StopGrace: lifecycle.DefaultStopGrace, Rollback: lifecycle.DefaultRollbackTimeout,
		},
	}
}

// maxSocketPath is what fits into sockaddr_un.sun_path with its final zero
// (unix(7)), less the room for the private directory in which the socket is made.
const maxSocketPath = 107

// maxStopGrace bounds how long one stop may take.
const maxStopGrace = 10 * time.Minute

var envPattern = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// Validate reports everything that is wrong at once.
func (c *Config) Validate() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if err := docker.CheckHost(c.Endpoint); err != nil {
		add("endpoint: %w", err)
	}
	if c.Socket == "" || len(c.Socket) > maxSocketPath {
		add("socket: %q is not allowed; a path of 1 to %d bytes is needed", c.Socket, maxSocketPath)
	}
	if _, err := netip.ParseAddr(c.HostAddress); c.HostAddress != "" && err != nil {
		add("host_address: %q is not allowed; an IP address is needed, or nothing for the gateway of Docker's default bridge", c.HostAddress)
	}
	if len(c.GUIDEnv) == 0 {
		add("guid_env: an empty list is not allowed; at least one variable name is needed, for example GOVERNOR_GUID")
	}
	for _, name := range c.GUIDEnv {
		if !envPattern.MatchString(name) {
			add("guid_env: %q is not allowed; a variable name has letters, digits and '_', and begins with no digit", name)
		}
	}
	for key, port := range map[string]int{"otlp_port": c.OTLPPort, "jaeger_agent_port": c.JaegerAgentPort} {
		if port < 1 || port > 65535 {
			add("%s: %d is not allowed; a port between 1 and 65535 is needed", key, port)
		}
	}
	if !filepath.IsAbs(c.CgroupRoot) {
		add("cgroup_root: %q is not allowed; an absolute path is needed", c.CgroupRoot)
	}
	return errors.Join(append(errs, c.Timeouts.validate()...)...)
}

func (t Timeouts) validate() (errs []error) {
	for _, v := range []struct {
		key   string
		value time.Duration
	}{
		{"call", t.Call}, {"change", t.Change}, {"transfer", t.Transfer},
		{"ready", t.Ready}, {"stop_grace", t.StopGrace}, {"rollback", t.Rollback},
	} {
		if v.value <= 0 {
			errs = append(errs, fmt.Errorf("timeouts::%s: %s is not allowed; a time above zero is needed, for example 10s", v.key, v.value))
		}
	}
	if t.StopGrace > maxStopGrace {
		errs = append(errs, fmt.Errorf("timeouts::stop_grace: %s is not allowed; at most %s", t.StopGrace, maxStopGrace))
	}
	return errs
}
