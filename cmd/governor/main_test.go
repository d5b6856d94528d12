package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/component"
)

func has[F any](factories map[component.Type]F, name string) bool {
	_, ok := factories[component.MustNewType(name)]
	return ok
}

func TestConfigURIs(t *testing.T) {
	files, settings := configURIs([]string{"validate", "--config", "a.yaml", "--feature-gates=x", "--config=b.yaml", "--set=exporters.cpu_control.mode=enforce"})
	assert.Equal(t, []string{"a.yaml", "b.yaml"}, files)
	assert.Equal(t, []string{"yaml:exporters::cpu_control::mode: enforce"}, settings)
}

func TestASettingAloneChangesTheEmbeddedConfiguration(t *testing.T) {
	assert.Equal(t, []string{"--set=a.b=c", "--config=governor:agent"}, withDefaultConfig([]string{"--set=a.b=c"}))
	assert.Equal(t, []string{"--config=x", "--set=a.b=c"}, withDefaultConfig([]string{"--config=x", "--set=a.b=c"}))
	assert.Equal(t, []string{"ps"}, withDefaultConfig([]string{"ps"}))
}

func TestEveryVerbIsDescribed(t *testing.T) {
	root := newRootCommand(nil)
	assert.NotEmpty(t, root.Short)
	for _, verb := range root.Commands() {
		assert.NotEmpty(t, verb.Short, verb.Name())
	}
}
