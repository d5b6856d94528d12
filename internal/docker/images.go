package docker

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"
)

// ImageImport implements Client.
func (c *engineClient) ImageImport(caller context.Context, ref string, tar io.Reader, changes ...string) error {
	ctx, cancel := c.transferring(caller)
	defer cancel()
	const op = "import image"
	source := client.ImageImportSource{Source: tar, SourceName: "-"}
	body, err := c.api.ImageImport(ctx, source, ref, client.ImageImportOptions{Changes: changes})
	if err != nil {
		return c.fail(caller, op, ref, err)
	}
	defer body.Close()
	return c.fail(caller, op, ref, follow(body, func(jsonstream.Message) {}))
}

// ImagePull implements Client.
func (c *engineClient) ImagePull(caller context.Context, ref string, progress func(PullProgress)) error {
	ctx, cancel := c.transferring(caller)
	defer cancel()
	const op = "pull image"
	body, err := c.api.ImagePull(ctx, ref, client.ImagePullOptions{})
	if err != nil {
		return c.fail(caller, op, ref, err)
	}
	defer body.Close()
	return c.fail(caller, op, ref, follow(body, func(m jsonstream.Message) {
		if progress == nil {
			return
		}
		line := PullProgress{Layer: m.ID, Status: m.Status}
		if m.Progress != nil {
			line.Current, line.Total = m.Progress.Current, m.Progress.Total
		}
		progress(line)
	}))
}

// follow reads an image transfer to its end: the engine reports failures inside
// a response that began with status 200.
func follow(body io.Reader, report func(jsonstream.Message)) error {
	decoder := json.NewDecoder(body)
	for {
		var message jsonstream.Message
		if err := decoder.Decode(&message); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if message.Error != nil {
			return message.Error
		}
		report(message)
	}
}

// ImageExists implements Client.
func (c *engineClient) ImageExists(caller context.Context, ref string) (bool, error) {
	ctx, cancel := c.reading(caller)
	defer cancel()
	_, err := c.api.ImageInspect(ctx, ref)
	if cerrdefs.IsNotFound(err) {
		return false, nil
	}
	return err == nil, c.fail(caller, "inspect image", ref, err)
}

// ImageRemove implements Client.
func (c *engineClient) ImageRemove(caller context.Context, ref string, force bool) error {
	ctx, cancel := c.changing(caller)
	defer cancel()
	_, err := c.api.ImageRemove(ctx, ref, client.ImageRemoveOptions{Force: force, PruneChildren: true})
	return c.fail(caller, "remove image", ref, err)
}
