package cpucontrolexporter

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"

	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/cpuset"
	"github.com/governor-project/governor/internal/topology"
)

// What mode can be.
const (
	modeObserve = "observe"
	modeEnforce = "enforce"
)

const policyLatency = "latency"

// Config is the configuration of the exporter; README.md explains every key.
type Config struct {
	// Mode is observe (plans are made and shown) or enforce (and written).
	Mode string `mapstructure:"mode"`
	// Policy is the control law: latency.
	Policy string `mapstructure:"policy"`
	// Interval separates two ticks of the inner loop.
	Interval time.Duration `mapstructure:"interval"`
	// InitialDelay is how long nothing is judged or written after the start, so that
	// a collector that cannot start (a port in use) touches no container.
	InitialDelay time.Duration `mapstructure:"initial_delay"`
	// OuterInterval separates two judgements of the latency.
	OuterInterval time.Duration `mapstructure:"outer_interval"`
	// Pool is the CPUs that are shared out.
	Pool PoolConfig `mapstructure:"pool"`
	// Apps override what containers' labels say, by application name.
	Apps map[string]AppConfig `mapstructure:"apps"`
	// Storage is the storage extension that keeps the journal of original limits.
	Storage *component.ID `mapstructure:"storage"`
	// Endpoint is the Docker engine to ask when the collector has no extension with
	// an inventory. Empty: DOCKER_HOST, else /var/run/docker.sock.
	Endpoint string `mapstructure:"endpoint"`
	// CgroupRoot is the directory below which /proc and /sys are found.
	CgroupRoot string `mapstructure:"cgroup_root"`
	// History is how many decisions are kept for the API.
	History int `mapstructure:"history"`
}

// PoolConfig is the CPUs that are shared out.
type PoolConfig struct {
	// CPUs is a CPU list; empty: all online CPUs.
	CPUs string `mapstructure:"cpus"`
	// ReservedCPUs are never given to a container that did not have them.
	ReservedCPUs string `mapstructure:"reserved_cpus"`
}

// AppConfig overrides the policy of one application. What is left out stays as
// the containers' labels say.
type AppConfig struct {
	Class     string           `mapstructure:"class"`
	Objective *ObjectiveConfig `mapstructure:"objective"`
	CPU       CPUConfig        `mapstructure:"cpu"`
}

// ObjectiveConfig is a latency target at a percentile.
type ObjectiveConfig struct {
	Percentile float64       `mapstructure:"percentile"`
	Target     time.Duration `mapstructure:"target"`
	Scope      string        `mapstructure:"scope"`
}

// CPUConfig bounds what each container of the application may have, in CPUs.
type CPUConfig struct {
	Min    float64 `mapstructure:"min"`
	Max    float64 `mapstructure:"max"`
	Weight float64 `mapstructure:"weight"`
}

// Bounds and defaults, explained in README.md.
const (
	defaultInterval      = 100 * time.Millisecond
	minInterval          = 20 * time.Millisecond
	maxInterval          = 500 * time.Millisecond // statistics older than that freeze growth
	defaultOuterInterval = time.Second
	maxOuterInterval     = 10 * time.Second
	defaultInitialDelay  = time.Second // the default of the collector's scrapers
	maxInitialDelay      = time.Minute
	defaultHistory       = 1000
	maxHistory           = 100_000
)

func createDefaultConfig() component.Config {
	return &Config{
		Mode:          modeObserve,
		Policy:        policyLatency,
		Interval:      defaultInterval,
		OuterInterval: defaultOuterInterval,
		InitialDelay:  defaultInitialDelay,
		CgroupRoot:    "/",
		History:       defaultHistory,
	}
}

// Validate reports everything that is wrong at once, except for what the apps
// say of themselves.
func (c *Config) Validate() error {
	errs := []error{
		oneOf("mode", c.Mode, modeObserve, modeEnforce),
		oneOf("policy", c.Policy, policyLatency),
		between("interval", c.Interval, minInterval, maxInterval),
		between("outer_interval", c.OuterInterval, max(c.Interval, minInterval), maxOuterInterval),
		between("initial_delay", c.InitialDelay, 0, maxInitialDelay),
		validateEndpoint(c.Endpoint),
		c.validatePool(),
	}
	if c.Mode == modeEnforce && c.Storage == nil {
		errs = append(errs, errors.New(`storage: missing; mode "enforce" keeps a journal of original limits there: `+
			`add "storage: file_storage" and configure that extension, or use mode "observe"`))
	}
	if c.CgroupRoot == "" {
		errs = append(errs, errors.New(`cgroup_root: empty; it is the directory that holds proc and sys, "/" on a host`))
	}
	if c.History < 1 || c.History > maxHistory {
		errs = append(errs, fmt.Errorf("history: %d is not allowed; it lies between 1 and %d", c.History, maxHistory))
	}
	return errors.Join(errs...)
}

// Validate reports everything that is wrong with the application at once.
func (a AppConfig) Validate() error {
	p := a.policy(appspec.Policy{})
	if a.Class == "" && a.Objective != nil { // the class comes from labels
		return errors.Join(p.Objective.Validate(), p.CPU.Validate())
	}
	return p.Validate()
}

// policy is the labels' policy with what is configured put over it.
func (a AppConfig) policy(p appspec.Policy) appspec.Policy {
	if a.Class != "" {
		p.Class = appspec.Class(a.Class)
	}
	if o := a.Objective; o != nil {
		p.Objective = appspec.Objective{Percentile: o.Percentile, Target: o.Target, Scope: appspec.Scope(o.Scope)}
		if o.Scope == "" {
			p.Objective.Scope = appspec.ScopeTrace
		}
	}
	if a.CPU.Min != 0 {
		p.CPU.Min = a.CPU.Min
	}
	if a.CPU.Max != 0 {
		p.CPU.Max = a.CPU.Max
	}
	if a.CPU.Weight != 0 {
		p.CPU.Weight = a.CPU.Weight
	}
	return p
}

// validatePool checks the pool against the host's CPUs where they can be read;
// where they cannot, start says so.
func (c *Config) validatePool() error {
	_, _, err := c.Pool.parse()
	if err != nil {
		return err
	}
	host, err := topology.Read(c.CgroupRoot)
	if err != nil {
		return nil //nolint:nilerr // another host's configuration may be validated here
	}
	_, err = c.Pool.resolve(host.Online)
	return err
}

// parse reads both lists.
func (p PoolConfig) parse() (cpus, reserved cpuset.Set, err error) {
	cpus, err1 := cpuset.Parse(p.CPUs)
	reserved, err2 := cpuset.Parse(p.ReservedCPUs)
	if err1 != nil {
		err1 = fmt.Errorf("pool.cpus: %w", err1)
	}
	if err2 != nil {
		err2 = fmt.Errorf("pool.reserved_cpus: %w", err2)
	}
	return cpus, reserved, errors.Join(err1, err2)
}

func oneOf(key, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return fmt.Errorf("%s: %q is not allowed; allowed are %s", key, value, strings.Join(allowed, ", "))
}

func between(key string, value, low, high time.Duration) error {
	if value < low || value > high {
		return fmt.Errorf("%s: %s is not allowed; it lies between %s and %s", key, value, low, high)
	}
	return nil
}

func validateEndpoint(endpoint string) error {
	if endpoint == "" || strings.HasPrefix(endpoint, "unix:///") {
		return nil
	}
	if u, err := url.Parse(endpoint); err == nil && u.Scheme == "tcp" && u.Host != "" {
		return nil
	}
	return fmt.Errorf("endpoint: %q is not allowed; it is unix:///path/to.sock or tcp://host:port", endpoint)
}
