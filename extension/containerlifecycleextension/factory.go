package containerlifecycleextension

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"

	"github.com/governor-project/governor/extension/containerlifecycleextension/internal/metadata"
)

// NewFactory returns the factory of the container_lifecycle extension.
func NewFactory() extension.Factory {
	return extension.NewFactory(metadata.Type, createDefaultConfig, create, metadata.ExtensionStability)
}

func create(_ context.Context, set extension.Settings, cfg component.Config) (extension.Extension, error) {
	return newLifecycle(set, cfg.(*Config), openDocker)
}
