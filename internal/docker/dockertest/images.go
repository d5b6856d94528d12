package dockertest

import (
	"context"
	"io"

	"github.com/governor-project/governor/internal/docker"
)

// ImageImport implements docker.Client.
func (e *Engine) ImageImport(ctx context.Context, ref string, tar io.Reader, _ ...string) error {
	if _, err := io.Copy(io.Discard, tar); err != nil {
		return err
	}
	if err := e.enter(ctx, "imageimport", ref); err != nil {
		return err
	}
	defer e.mu.Unlock()
	e.images[ref] = true
	return nil
}

// ImageExists implements docker.Client.
func (e *Engine) ImageExists(ctx context.Context, ref string) (bool, error) {
	if err := e.enter(ctx, "imageexists", ref); err != nil {
		return false, err
	}
	defer e.mu.Unlock()
	return e.images[ref], nil
}

// ImageRemove implements docker.Client.
func (e *Engine) ImageRemove(ctx context.Context, ref string, _ bool) error {
	if err := e.enter(ctx, "imageremove", ref); err != nil {
		return err
	}
	defer e.mu.Unlock()
	delete(e.images, ref)
	return nil
}

// ImagePull implements docker.Client: every image can be pulled unless Before refuses.
func (e *Engine) ImagePull(ctx context.Context, ref string, progress func(docker.PullProgress)) error {
	if err := e.enter(ctx, "imagepull", ref); err != nil {
		return err
	}
	e.images[ref] = true
	e.mu.Unlock()
	if progress != nil {
		progress(docker.PullProgress{Layer: "layer", Status: "Download complete", Current: 1, Total: 1})
	}
	return nil
}

// BridgeGateway implements docker.Client.
func (e *Engine) BridgeGateway(ctx context.Context) (string, error) {
	if err := e.enter(ctx, "bridgegateway", ""); err != nil {
		return "", err
	}
	defer e.mu.Unlock()
	return "172.17.0.1", nil
}

// Close implements docker.Client.
func (e *Engine) Close() error { return nil }
