package main

import (
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// builder-config.yaml is the one list of components. This generates from it what
// the collector builder gives now and compares it with what is committed.
func TestComponentsAreThoseOfTheManifest(t *testing.T) {
	manifest, err := os.ReadFile("../../builder-config.yaml")
	require.NoError(t, err)
	dir := t.TempDir()
	const output = "output_path: ./out/ocb"
	require.Contains(t, string(manifest), output)
	here := filepath.Join(dir, "builder-config.yaml")
	require.NoError(t, os.WriteFile(here, []byte(strings.Replace(string(manifest), output, "output_path: "+dir, 1)), 0o600))

	builder := exec.CommandContext(t.Context(), "go", "run", "go.opentelemetry.io/collector/cmd/builder",
		"--config", here, "--skip-compilation", "--skip-get-modules")
	builder.Dir = "../../tools"
	out, err := builder.CombinedOutput()
	require.NoError(t, err, string(out))

	generated, err := os.ReadFile(filepath.Join(dir, "components.go"))
	require.NoError(t, err)
	want, err := format.Source(generated)
	require.NoError(t, err)
	got, err := os.ReadFile("components.go")
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got), "run make generate")
}

func TestEveryComponentOfTheManifestIsLinked(t *testing.T) {
	factories, err := components()
	require.NoError(t, err)
	for _, name := range []string{"jaeger", "docker_stats", "otlp", "zipkin", "hostmetrics", "filelog"} {
		assert.True(t, has(factories.Receivers, name), name)
	}
	for _, name := range []string{"guid_routing", "memory_limiter", "batch", "tail_sampling", "transform"} {
		assert.True(t, has(factories.Processors, name), name)
	}
	for _, name := range []string{"cpu_control", "otlp", "elasticsearch", "file", "zipkin"} {
		assert.True(t, has(factories.Exporters, name), name)
	}
	for _, name := range []string{"container_lifecycle", "file_storage", "healthcheckv2"} {
		assert.True(t, has(factories.Extensions, name), name)
	}
}
