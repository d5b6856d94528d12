package containerlifecycleextension

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/governor-project/governor/extension/containerlifecycleextension/internal/metadata"
	"github.com/governor-project/governor/internal/lifecycle"
	"github.com/governor-project/governor/internal/lifecycle/plan"
)

// observe registers the metrics that are looked up when they are collected.
func (e *containerLifecycle) observe() error {
	return errors.Join(
		e.telemetry.RegisterExtensionContainerLifecycleContainersCallback(func(_ context.Context, o metric.Int64Observer) error {
			counts := map[plan.State]int64{}
			for _, s := range e.exec.Containers() {
				counts[s.State]++
			}
			for _, state := range plan.States() {
				if state != plan.Terminated { // they are no longer there
					o.Observe(counts[state], metric.WithAttributes(attribute.String("state", string(state))))
				}
			}
			return nil
		}),
		e.telemetry.RegisterExtensionContainerLifecycleSyncedCallback(func(_ context.Context, o metric.Int64Observer) error {
			if e.synced() {
				o.Observe(1)
			} else {
				o.Observe(0)
			}
			return nil
		}),
	)
}

func countRequest(ctx context.Context, t *metadata.TelemetryBuilder, route string, status int) {
	t.ExtensionContainerLifecycleRequests.Add(ctx, 1, metric.WithAttributes(attribute.String("route", route), attribute.Int("code", status)))
}

func (e *containerLifecycle) countOperation(ctx context.Context, operation string, err error) {
	e.telemetry.ExtensionContainerLifecycleOperations.Add(ctx, 1,
		metric.WithAttributes(attribute.String("operation", operation), attribute.String("result", resultOf(err))))
}

func resultOf(err error) string {
	switch {
	case err == nil:
		return "done"
	case errors.As(err, new(*lifecycle.RolledBackError)):
		return "rolled_back"
	case errors.As(err, new(*plan.NotAllowedError)), errors.As(err, new(*lifecycle.ConflictError)),
		errors.Is(err, lifecycle.ErrNotFound), errors.Is(err, lifecycle.ErrNotSynced):
		return "refused"
	}
	return "failed"
}

// agentIDKey is where the storage keeps the agent's identity.
const agentIDKey = "agent_id"

// agentIDBytes gives 32 hexadecimal digits.
const agentIDBytes = 16

// identify returns the agent's identity: the one that the storage keeps, else a new one.
func (e *containerLifecycle) identify(ctx context.Context, host component.Host) (string, error) {
	var raw [agentIDBytes]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", err
	}
	fresh := hex.EncodeToString(raw[:])
	if e.cfg.Storage == nil {
		return fresh, nil
	}
	found, ok := host.GetExtensions()[*e.cfg.Storage]
	if !ok {
		return "", fmt.Errorf("storage: extension %q is not running; configure it and list it under service::extensions", e.cfg.Storage)
	}
	store, ok := found.(storage.Extension)
	if !ok {
		return "", fmt.Errorf("storage: extension %q stores nothing; file_storage does", e.cfg.Storage)
	}
	client, err := store.GetClient(ctx, component.KindExtension, e.set.ID, "")
	if err != nil {
		return "", fmt.Errorf("storage: extension %q: %w", e.cfg.Storage, err)
	}
	id, err := remember(ctx, client, fresh)
	return id, errors.Join(err, client.Close(ctx))
}

func remember(ctx context.Context, client storage.Client, fresh string) (string, error) {
	kept, err := client.Get(ctx, agentIDKey)
	if err != nil {
		return "", fmt.Errorf("storage: read the agent's identity: %w", err)
	}
	if len(kept) > 0 {
		return string(kept), nil
	}
	if err := client.Set(ctx, agentIDKey, []byte(fresh)); err != nil {
		return "", fmt.Errorf("storage: keep the agent's identity: %w", err)
	}
	return fresh, nil
}
