package dockerstatsreceiver

import (
	"errors"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/internal/inventory"
	"github.com/governor-project/governor/receiver/dockerstatsreceiver/internal/metadata"
)

// followed is one run of one container: a restart makes another one, with its
// own counters and start time.
type followed struct {
	info        inventory.Container
	stats       *cgroup.Stats
	started     time.Time // zero: unknown
	hostNetwork bool
	resource    pcommon.Resource

	lastUsage uint64 // ns, at lastTime
	lastTime  time.Time
}

// follow opens a container's group. The error wraps fs.ErrNotExist when the
// container has ended.
func follow(groups *cgroup.FS, info inventory.Container) (*followed, error) {
	group, err := groups.GroupOf(info.PID)
	if err != nil {
		return nil, err
	}
	if group.Path() == "/" {
		return nil, errors.New("its process is in no group of its own")
	}
	stats, err := group.OpenStats()
	if err != nil {
		return nil, err
	}
	c := &followed{info: info, stats: stats, started: info.StartedAt, hostNetwork: info.HostNetwork}
	if shared, err := groups.SharesHostNetwork(info.PID); err == nil { // else Docker's word counts
		c.hostNetwork = c.hostNetwork || shared
	}
	if c.started.IsZero() {
		if start, err := groups.ProcessStart(info.PID); err == nil {
			c.started = start
		}
	}
	return c, nil
}

// sameRun reports whether info is about the run that is being followed.
func (c *followed) sameRun(info inventory.Container) bool {
	if c.info.PID != info.PID {
		return false
	}
	// The cgroup tree knows no start time: learning it later is no restart.
	return c.info.StartedAt.IsZero() || info.StartedAt.IsZero() || c.info.StartedAt.Equal(info.StartedAt)
}

// stillRuns reports whether a container that only the cgroup tree knows goes on
// although the process that led it has changed.
func (c *followed) stillRuns(info inventory.Container) bool {
	if !c.info.StartedAt.IsZero() || !info.StartedAt.IsZero() {
		return false
	}
	var cpu cgroup.CPU
	return c.stats.ReadCPU(&cpu, cgroup.CPUUsage) == nil
}

// utilization is the CPU time since the previous call in percent of one CPU.
func (c *followed) utilization(usage uint64, now time.Time) (percent float64, ok bool) {
	elapsed := now.Sub(c.lastTime)
	ok = !c.lastTime.IsZero() && elapsed > 0 && usage >= c.lastUsage
	if ok {
		percent = 100 * float64(usage-c.lastUsage) / float64(elapsed)
	}
	c.lastUsage, c.lastTime = usage, now
	return percent, ok
}

// describe builds the resource anew, after each change of the inventory.
func (c *followed) describe(info inventory.Container, rb *metadata.ResourceBuilder, cfg *Config) {
	c.info = info
	if !info.StartedAt.IsZero() {
		c.started = info.StartedAt
	}
	rb.SetContainerID(info.ID)
	setUnlessEmpty(rb.SetContainerName, info.Name)
	setUnlessEmpty(rb.SetContainerHostname, info.Hostname)
	setUnlessEmpty(rb.SetContainerImageName, info.Image)
	setUnlessEmpty(rb.SetContainerRuntime, info.Runtime)
	setUnlessEmpty(rb.SetContainerCommandLine, info.Command)
	c.resource = rb.Emit()
	for label, attribute := range cfg.ContainerLabelsToMetricLabels {
		setUnlessEmpty(func(v string) { c.resource.Attributes().PutStr(attribute, v) }, info.Labels[label])
	}
	for variable, attribute := range cfg.EnvVarsToMetricLabels {
		setUnlessEmpty(func(v string) { c.resource.Attributes().PutStr(attribute, v) }, info.Env[variable])
	}
}

func setUnlessEmpty(set func(string), value string) {
	if value != "" {
		set(value)
	}
}
