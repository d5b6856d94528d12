package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// cfsPeriodUS is the kernel's default period of CFS bandwidth control
// (Documentation/scheduler/sched-bwc.rst), in microseconds.
const cfsPeriodUS = 100_000

// Create implements Client. The quota is set in microseconds and not as
// NanoCPUs, because the engine cannot take a NanoCPUs limit off again.
func (c *engineClient) Create(caller context.Context, spec CreateSpec) (string, error) {
	const op = "create container"
	name := cmp.Or(spec.Name, spec.Image)
	options, err := toCreate(spec)
	if err != nil {
		return "", &Error{Op: op, Object: name, Kind: ErrInvalid, Err: err}
	}
	ctx, cancel := c.changing(caller)
	defer cancel()
	result, err := c.api.ContainerCreate(ctx, options)
	if err != nil {
		return "", c.fail(caller, op, name, err)
	}
	return result.ID, nil
}

func toCreate(spec CreateSpec) (client.ContainerCreateOptions, error) {
	restart, err := toRestart(spec.Restart)
	if err != nil {
		return client.ContainerCreateOptions{}, err
	}
	exposed, bindings, err := toPorts(spec.Ports)
	if err != nil {
		return client.ContainerCreateOptions{}, err
	}
	host := &container.HostConfig{
		Binds: spec.Binds, NetworkMode: container.NetworkMode(spec.NetworkMode),
		PortBindings: bindings, RestartPolicy: restart,
		Resources: container.Resources{
			CPUShares: int64(min(spec.Shares, math.MaxInt64)), CpusetCpus: spec.CPUs, Memory: spec.Memory,
		},
	}
	if spec.Quota > 0 {
		host.CPUPeriod = cfsPeriodUS
		host.CPUQuota = int64(math.Round(spec.Quota * cfsPeriodUS))
	}
	if spec.Init {
		host.Init = &spec.Init
	}
	return client.ContainerCreateOptions{
		Name: spec.Name,
		Config: &container.Config{
			Image: spec.Image, Entrypoint: spec.Entrypoint, Cmd: spec.Command, Hostname: spec.Hostname,
			Env: sortedEnv(spec.Env), Labels: spec.Labels, ExposedPorts: exposed,
		},
		HostConfig: host,
	}, nil
}

func toRestart(text string) (container.RestartPolicy, error) {
	name, count, hasCount := strings.Cut(text, ":")
	policy := container.RestartPolicy{Name: container.RestartPolicyMode(name)}
	if hasCount {
		n, err := strconv.Atoi(count)
		if err != nil || n < 0 || policy.Name != container.RestartPolicyOnFailure {
			return policy, fmt.Errorf("restart %q is not allowed; allowed are no, always, unless-stopped, on-failure and on-failure:N", text)
		}
		policy.MaximumRetryCount = n
	}
	return policy, nil
}

func toPorts(ports []Port) (network.PortSet, network.PortMap, error) {
	exposed, bindings := network.PortSet{}, network.PortMap{}
	for _, p := range ports {
		port, ok := network.PortFrom(p.Container, network.IPProtocol(cmp.Or(p.Protocol, "tcp")))
		if !ok || p.Container == 0 {
			return nil, nil, fmt.Errorf("port %d/%s is not allowed", p.Container, p.Protocol)
		}
		exposed[port] = struct{}{}
		host := "" // the engine picks a free port
		if p.Host != 0 {
			host = strconv.Itoa(int(p.Host))
		}
		bindings[port] = append(bindings[port], network.PortBinding{HostIP: p.HostIP, HostPort: host})
	}
	return exposed, bindings, nil
}

func asNanoCPUs(resources *container.Resources, current Limits) error {
	if current.NanoCPUs == 0 {
		return nil
	}
	if resources.CPUQuota <= 0 {
		return errors.New("it was created with --cpus, and the engine can change such a limit but not take it off")
	}
	period := cmp.Or(resources.CPUPeriod, int64(cfsPeriodUS))
	resources.NanoCPUs = int64(math.Round(float64(resources.CPUQuota) / float64(period) * 1e9))
	resources.CPUQuota, resources.CPUPeriod = 0, 0
	return nil
}

func fromInspect(in container.InspectResponse) Container {
	out := Container{
		ID: in.ID, Name: strings.TrimPrefix(in.Name, "/"), Command: append([]string{in.Path}, in.Args...),
		CreatedAt: moment(in.Created), Restarts: in.RestartCount,
	}
	if config := in.Config; config != nil {
		out.Image, out.Hostname, out.Env, out.Labels = config.Image, config.Hostname, config.Env, config.Labels
	}
	if state := in.State; state != nil {
		out.State, out.PID, out.ExitStatus = State(state.Status), state.Pid, state.ExitCode
		out.OOMKilled, out.Problem = state.OOMKilled, state.Error
		out.StartedAt, out.FinishedAt = moment(state.StartedAt), moment(state.FinishedAt)
		if state.Health != nil && state.Health.Status != container.NoHealthcheck {
			out.Health = Health(state.Health.Status)
		}
	}
	if host := in.HostConfig; host != nil {
		out.NetworkMode, out.CgroupParent = string(host.NetworkMode), host.CgroupParent
		out.Restart, out.Limits = string(host.RestartPolicy.Name), fromResources(host.Resources)
	}
	if settings := in.NetworkSettings; settings != nil {
		out.Networks, out.Ports = fromNetworks(settings.Networks), fromPorts(settings.Ports)
	}
	return out
}

func fromResources(r container.Resources) Limits {
	out := Limits{
		Shares: uint64(max(r.CPUShares, 0)), QuotaUS: r.CPUQuota, PeriodUS: uint64(max(r.CPUPeriod, 0)),
		NanoCPUs: r.NanoCPUs, CPUs: r.CpusetCpus, Memory: r.Memory, Swap: r.MemorySwap,
	}
	switch {
	case r.NanoCPUs > 0:
		out.Quota = float64(r.NanoCPUs) / 1e9
	case r.CPUQuota > 0:
		out.Quota = float64(r.CPUQuota) / float64(cmp.Or(r.CPUPeriod, int64(cfsPeriodUS)))
	}
	return out
}

func fromNetworks(in map[string]*network.EndpointSettings) []Network {
	var out []Network
	for name, endpoint := range in {
		if endpoint == nil {
			continue
		}
		n := Network{Name: name, Gateway: endpoint.Gateway}
		for _, addr := range []netip.Addr{endpoint.IPAddress, endpoint.GlobalIPv6Address} {
			if addr.IsValid() {
				n.Addresses = append(n.Addresses, addr)
			}
		}
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b Network) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func fromPorts(in network.PortMap) []Port {
	var out []Port
	for port, bindings := range in {
		for _, b := range bindings {
			host, err := strconv.ParseUint(b.HostPort, 10, 16)
			if err != nil {
				continue // not bound yet
			}
			out = append(out, Port{Container: port.Num(), Protocol: string(port.Proto()), HostIP: b.HostIP, Host: uint16(host)})
		}
	}
	slices.SortFunc(out, func(a, b Port) int {
		return cmp.Or(cmp.Compare(a.Container, b.Container), cmp.Compare(a.Protocol, b.Protocol),
			a.HostIP.Compare(b.HostIP), cmp.Compare(a.Host, b.Host))
	})
	return out
}

// moment reads the engine's time stamps; its "never" is 0001-01-01.
func moment(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t
}
