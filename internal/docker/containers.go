package docker

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// List implements Client.
func (c *engineClient) List(caller context.Context, labels ...string) ([]Summary, error) {
	ctx, cancel := c.reading(caller)
	defer cancel()
	options := client.ContainerListOptions{All: true}
	if len(labels) > 0 {
		options.Filters = client.Filters{}.Add("label", labels...)
	}
	result, err := c.api.ContainerList(ctx, options)
	if err != nil {
		return nil, c.fail(caller, "list containers", strings.Join(labels, " "), err)
	}
	out := make([]Summary, 0, len(result.Items))
	for _, item := range result.Items {
		out = append(out, Summary{
			ID: item.ID, Name: firstName(item.Names), Image: item.Image, State: State(item.State),
			Labels: item.Labels, Created: time.Unix(item.Created, 0),
		})
	}
	return out, nil
}

// firstName is the container's own name: links add names with a second slash.
func firstName(names []string) string {
	for _, name := range names {
		if plain := strings.TrimPrefix(name, "/"); !strings.Contains(plain, "/") {
			return plain
		}
	}
	return ""
}

// Inspect implements Client.
func (c *engineClient) Inspect(caller context.Context, id string) (Container, error) {
	ctx, cancel := c.reading(caller)
	defer cancel()
	result, err := c.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return Container{}, c.fail(caller, "inspect container", id, err)
	}
	return fromInspect(result.Container), nil
}

// Start implements Client.
func (c *engineClient) Start(caller context.Context, id string) error {
	ctx, cancel := c.changing(caller)
	defer cancel()
	_, err := c.api.ContainerStart(ctx, id, client.ContainerStartOptions{})
	return c.fail(caller, "start container", id, err)
}

// Stop implements Client.
func (c *engineClient) Stop(caller context.Context, id string, grace time.Duration) error {
	ctx, cancel := c.stopping(caller, grace)
	defer cancel()
	_, err := c.api.ContainerStop(ctx, id, client.ContainerStopOptions{Timeout: wholeSeconds(grace)})
	return c.fail(caller, "stop container", id, err)
}

// Restart implements Client.
func (c *engineClient) Restart(caller context.Context, id string, grace time.Duration) error {
	ctx, cancel := c.stopping(caller, grace)
	defer cancel()
	_, err := c.api.ContainerRestart(ctx, id, client.ContainerRestartOptions{Timeout: wholeSeconds(grace)})
	return c.fail(caller, "restart container", id, err)
}

// stopping adds the grace, during which the engine is expected not to answer.
func (c *engineClient) stopping(caller context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(caller, c.options.ChangeTimeout+max(grace, 0))
}

func wholeSeconds(grace time.Duration) *int {
	if grace < 0 {
		return nil
	}
	seconds := int(math.Ceil(grace.Seconds()))
	return &seconds
}

// Kill implements Client.
func (c *engineClient) Kill(caller context.Context, id, signal string) error {
	ctx, cancel := c.changing(caller)
	defer cancel()
	_, err := c.api.ContainerKill(ctx, id, client.ContainerKillOptions{Signal: signal})
	return c.fail(caller, "kill container", id, err)
}

// Pause implements Client.
func (c *engineClient) Pause(caller context.Context, id string) error {
	ctx, cancel := c.changing(caller)
	defer cancel()
	_, err := c.api.ContainerPause(ctx, id, client.ContainerPauseOptions{})
	return c.fail(caller, "pause container", id, err)
}

// Unpause implements Client.
func (c *engineClient) Unpause(caller context.Context, id string) error {
	ctx, cancel := c.changing(caller)
	defer cancel()
	_, err := c.api.ContainerUnpause(ctx, id, client.ContainerUnpauseOptions{})
	return c.fail(caller, "unpause container", id, err)
}

// removalPoll is how often Remove looks whether a removal that is already in
// progress has ended.
const removalPoll = 50 * time.Millisecond

// Remove implements Client. A removal that someone else has already begun is
// waited for, so that the container is gone when Remove returns nil.
func (c *engineClient) Remove(caller context.Context, id string, force bool) error {
	ctx, cancel := c.changing(caller)
	defer cancel()
	const op = "remove container"
	_, err := c.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{RemoveVolumes: true, Force: force})
	if err == nil || !cerrdefs.IsConflict(err) || !strings.Contains(err.Error(), "already in progress") {
		return c.fail(caller, op, id, err)
	}
	for {
		if _, err := c.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{}); err != nil {
			if cerrdefs.IsNotFound(err) {
				return nil
			}
			return c.fail(caller, op, id, err)
		}
		select {
		case <-ctx.Done():
			return c.fail(caller, op, id, ctx.Err())
		case <-time.After(removalPoll):
		}
	}
}

// Wait implements Client.
func (c *engineClient) Wait(ctx context.Context, id string) (int, error) {
	const op = "wait for container"
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	result := c.api.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case err := <-result.Error:
		return 0, c.fail(ctx, op, id, err)
	case end := <-result.Result:
		if end.Error != nil && end.Error.Message != "" {
			return int(end.StatusCode), &Error{Op: op, Object: id, Err: &reworded{text: end.Error.Message}}
		}
		return int(end.StatusCode), nil
	case <-ctx.Done():
		return 0, c.fail(ctx, op, id, ctx.Err())
	}
}

// UpdateCPU implements Client. The engine refuses a quota in microseconds on a
// container whose limit was given as --cpus (NanoCPUs), so the limit is then
// changed in that form.
func (c *engineClient) UpdateCPU(caller context.Context, id string, update CPUUpdate) error {
	ctx, cancel := c.changing(caller)
	defer cancel()
	const op = "update the CPU limits of container"
	resources := &container.Resources{
		CPUShares: int64(min(update.Shares, math.MaxInt64)), CPUQuota: update.QuotaUS,
		CPUPeriod: int64(min(update.PeriodUS, math.MaxInt64)), CpusetCpus: update.CPUs,
	}
	if update.QuotaUS != 0 || update.PeriodUS != 0 {
		result, err := c.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
		if err != nil {
			return c.fail(caller, op, id, err)
		}
		if err := asNanoCPUs(resources, fromInspect(result.Container).Limits); err != nil {
			return &Error{Op: op, Object: id, Kind: ErrInvalid, Err: err}
		}
	}
	_, err := c.api.ContainerUpdate(ctx, id, client.ContainerUpdateOptions{Resources: resources})
	return c.fail(caller, op, id, err)
}

func sortedEnv(env map[string]string) []string {
	out := make([]string, 0, len(env))
	for key, value := range env {
		out = append(out, key+"="+value)
	}
	slices.Sort(out)
	return out
}
