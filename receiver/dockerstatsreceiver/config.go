package dockerstatsreceiver

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/scraper/scraperhelper"

	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/receiver/dockerstatsreceiver/internal/metadata"
)

// minInterval is the shortest collection interval: five times the scheduler's
// shortest useful control step, and still well above the cost of a scrape.
const minInterval = 50 * time.Millisecond

// Sources of the names of containers.
const (
	// sourceAuto asks the extension that hosts an inventory, else Docker, and the
	// cgroup tree until Docker answers.
	sourceAuto = "auto"
	// sourceCgroup never asks Docker.
	sourceCgroup = "cgroup"
)

// Config has the keys of the contrib repository's receiver of the same type,
// and source and root_path.
type Config struct {
	scraperhelper.ControllerConfig `mapstructure:",squash"`

	// Endpoint is the engine's address; unused when an extension hosts the inventory.
	Endpoint string `mapstructure:"endpoint"`
	// ExcludedImages are image names, /regular expressions/ and globs, each
	// negated by a leading "!", whose containers are left out.
	ExcludedImages []string `mapstructure:"excluded_images"`
	// DockerAPIVersion is checked and otherwise unused: the version is negotiated.
	DockerAPIVersion string `mapstructure:"api_version"`
	// ContainerLabelsToMetricLabels maps container labels to resource attributes.
	ContainerLabelsToMetricLabels map[string]string `mapstructure:"container_labels_to_metric_labels"`
	// EnvVarsToMetricLabels maps environment variables to resource attributes.
	EnvVarsToMetricLabels map[string]string `mapstructure:"env_vars_to_metric_labels"`

	// Source says who names the containers: auto or cgroup.
	Source string `mapstructure:"source"`
	// RootPath is where the host's /proc and /sys are found.
	RootPath string `mapstructure:"root_path"`

	metadata.MetricsBuilderConfig `mapstructure:",squash"`
}

func createDefaultConfig() component.Config {
	controller := scraperhelper.NewDefaultControllerConfig()
	controller.CollectionInterval = 10 * time.Second
	controller.Timeout = 5 * time.Second
	return &Config{
		ControllerConfig:     controller,
		Endpoint:             docker.DefaultHost,
		Source:               sourceAuto,
		RootPath:             "/",
		MetricsBuilderConfig: metadata.DefaultMetricsBuilderConfig(),
	}
}

// Validate reports everything that is wrong at once.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.CollectionInterval < minInterval {
		bad("collection_interval: %s is not allowed; at least %s", c.CollectionInterval, minInterval)
	}
	if c.InitialDelay < 0 {
		bad("initial_delay: %s is not allowed; zero or more", c.InitialDelay)
	}
	if c.Timeout < 0 {
		bad("timeout: %s is not allowed; zero (none) or more", c.Timeout)
	}
	if c.Endpoint == "" {
		bad(`endpoint: missing; for example unix:///var/run/docker.sock`)
	} else if err := docker.CheckHost(c.Endpoint); err != nil {
		bad("endpoint: %w", err)
	}
	if err := checkAPIVersion(c.DockerAPIVersion); err != nil {
		bad("api_version: %w", err)
	}
	if c.Source != sourceAuto && c.Source != sourceCgroup {
		bad("source: %q is not allowed; %s or %s", c.Source, sourceAuto, sourceCgroup)
	}
	if !filepath.IsAbs(c.RootPath) {
		bad("root_path: %q is not allowed; an absolute path, for example / or /hostfs", c.RootPath)
	}
	if _, err := newImageFilter(c.ExcludedImages); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, checkLabels("container_labels_to_metric_labels", c.ContainerLabelsToMetricLabels))
	errs = append(errs, checkLabels("env_vars_to_metric_labels", c.EnvVarsToMetricLabels))
	return errors.Join(errs...)
}

// minAPIVersion is the oldest version that contrib's receiver accepts.
const minAPIVersion = 25

var apiVersion = regexp.MustCompile(`^1\.(\d{1,4})$`)

func checkAPIVersion(version string) error {
	if version == "" {
		return nil
	}
	m := apiVersion.FindStringSubmatch(version)
	if m == nil {
		return fmt.Errorf("%q is not allowed; a version such as \"1.41\", in quotes", version)
	}
	if minor, err := strconv.Atoi(m[1]); err != nil || minor < minAPIVersion {
		return fmt.Errorf("%q is not allowed; at least 1.%d", version, minAPIVersion)
	}
	return nil
}

func checkLabels(key string, labels map[string]string) error {
	var errs []error
	for from, to := range labels {
		if to == "" {
			errs = append(errs, fmt.Errorf("%s: %s: the name of the attribute is missing", key, from))
		}
	}
	return errors.Join(errs...)
}
