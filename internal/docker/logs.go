package docker

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// Logs implements Client. The time-out holds until the engine begins to answer.
func (c *engineClient) Logs(caller context.Context, id string, options LogOptions, stdout, stderr io.Writer) error {
	const op = "read the log of container"
	ctx, cancel := context.WithCancel(caller)
	defer cancel()
	timer := time.AfterFunc(c.options.CallTimeout, cancel)
	body, err := c.api.ContainerLogs(ctx, id, toLogs(options))
	if !timer.Stop() && err == nil {
		body.Close()
		err = context.DeadlineExceeded
	}
	if err != nil {
		if ctx.Err() != nil && caller.Err() == nil {
			err = context.DeadlineExceeded
		}
		return c.fail(caller, op, id, err)
	}
	defer body.Close()
	_, err = stdcopy.StdCopy(stdout, stderr, body)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return c.fail(caller, op, id, err)
}

func toLogs(options LogOptions) client.ContainerLogsOptions {
	out := client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: options.Follow, Timestamps: options.Timestamps}
	if options.Tail > 0 {
		out.Tail = strconv.Itoa(options.Tail)
	}
	if !options.Since.IsZero() {
		out.Since = options.Since.Format(time.RFC3339Nano)
	}
	return out
}
