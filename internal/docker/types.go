package docker

import (
	"net/netip"
	"strings"
	"time"
)

// State is a container's state in Docker's words: created, running, paused,
// restarting, removing, exited or dead.
type State string

// The states.
const (
	StateCreated    State = "created"
	StateRunning    State = "running"
	StatePaused     State = "paused"
	StateRestarting State = "restarting"
	StateRemoving   State = "removing"
	StateExited     State = "exited"
	StateDead       State = "dead"
)

// Health is the result of a container's health check.
type Health string

// The health states; the zero value means that there is no health check.
const (
	HealthNone      Health = ""
	HealthStarting  Health = "starting"
	HealthHealthy   Health = "healthy"
	HealthUnhealthy Health = "unhealthy"
)

// Engine is who answers on the other side.
type Engine struct {
	Host       string // e.g. unix:///var/run/docker.sock
	APIVersion string // the engine's own, e.g. 1.41
	Version    string // e.g. 20.10.24
	OS         string // linux
}

// Summary is one line of a list.
type Summary struct {
	ID      string // full 64 digits
	Name    string // without the leading slash
	Image   string
	State   State
	Labels  map[string]string
	Created time.Time
}

// Container is one container as inspect reported it.
type Container struct {
	ID           string
	Name         string // without the leading slash
	Image        string // as the creator wrote it, e.g. hotrod:1
	Hostname     string
	Command      []string // entry point and arguments
	Env          []string // KEY=value
	Labels       map[string]string
	CreatedAt    time.Time
	StartedAt    time.Time // zero when it never ran
	FinishedAt   time.Time // zero when it never ended
	State        State
	Health       Health
	PID          int // 0 unless running
	ExitStatus   int
	OOMKilled    bool
	Problem      string // what the engine says about a failed start
	Restarts     int
	NetworkMode  string
	Networks     []Network // sorted by name
	Ports        []Port    // published ports, sorted by container port
	CgroupParent string
	Limits       Limits
	Restart      string // no, always, on-failure, unless-stopped
}

// Network is one network that the container is attached to.
type Network struct {
	Name      string
	Addresses []netip.Addr
	Gateway   netip.Addr
}

// Port is one published port.
type Port struct {
	Container uint16
	Protocol  string // tcp, udp
	HostIP    netip.Addr
	Host      uint16
}

// Limits are the CPU and memory limits as Docker knows them. A change that was
// written past Docker (straight to the cgroup) does not show here.
type Limits struct {
	Shares   uint64  // 0: Docker's default, 1024
	QuotaUS  int64   // microseconds of each period; 0 or -1: no limit
	PeriodUS uint64  // 0: the kernel's default, 100000
	NanoCPUs int64   // quota given as --cpus, in 1e-9 CPUs
	CPUs     string  // cpuset in list format; "": all
	Memory   int64   // bytes; 0: no limit
	Swap     int64   // memory and swap together, bytes; -1: no limit
	Quota    float64 // the same limit in CPUs, whichever way it was given; 0: none
}

// Event is something that happened to a container.
type Event struct {
	Action   string // create, start, die, destroy, rename, update, …
	ID       string // full container ID
	Name     string
	Labels   map[string]string // labels and the event's own attributes
	ExitCode string            // on die
	Time     time.Time
}

// Container actions that change what the inventory knows. The engine has more.
const (
	ActionCreate  = "create"
	ActionStart   = "start"
	ActionDie     = "die"
	ActionDestroy = "destroy"
)

// CreateSpec is everything that Governor sets on a new container. Zero values
// leave the engine's default.
type CreateSpec struct {
	Name        string
	Image       string
	Entrypoint  []string
	Command     []string
	Env         map[string]string
	Labels      map[string]string
	Hostname    string
	CPUs        string  // cpuset in list format
	Quota       float64 // CPUs
	Shares      uint64  // 2..262144
	Memory      int64   // bytes
	Ports       []Port  // Host 0: a free port
	Restart     string  // no, always, on-failure, on-failure:N, unless-stopped
	NetworkMode string  // bridge, none, host, container:ID or a network's name
	Binds       []string
	Init        bool // run the engine's init as PID 1
}

// LogOptions select what Logs copies.
type LogOptions struct {
	Follow     bool
	Timestamps bool
	Tail       int // last lines only; 0: all
	Since      time.Time
}

// CPUUpdate is a change of CPU limits; zero values are left as they are.
type CPUUpdate struct {
	Shares   uint64 // 2..262144
	QuotaUS  int64  // -1: no limit
	PeriodUS uint64
	CPUs     string // cpuset in list format
}

// PullProgress is one line of a pull's progress.
type PullProgress struct {
	Layer   string
	Status  string
	Current int64 // bytes
	Total   int64 // bytes; 0: unknown
}

// ShortID is the abbreviated ID, which is also the default host name.
func ShortID(id string) string {
	const length = 12
	if len(id) < length {
		return id
	}
	return id[:length]
}

// HostNetwork reports whether the container shares the host's network stack.
func (c Container) HostNetwork() bool { return c.NetworkMode == "host" }

// Ready reports whether the container runs and, where it has a health check, is healthy.
func (c Container) Ready() bool {
	return c.State == StateRunning && (c.Health == HealthNone || c.Health == HealthHealthy)
}

// EnvMap is the environment as a map; the last assignment of a key counts.
func (c Container) EnvMap() map[string]string {
	out := make(map[string]string, len(c.Env))
	for _, line := range c.Env {
		key, value, _ := strings.Cut(line, "=")
		out[key] = value
	}
	return out
}
