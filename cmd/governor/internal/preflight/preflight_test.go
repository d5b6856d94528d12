package preflight

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/receiver"
)

type config struct {
	Size int    `mapstructure:"size"`
	Mode string `mapstructure:"mode"`

	Wait struct {
		For time.Duration `mapstructure:"for"`
	} `mapstructure:"wait"`
}

func (c *config) Validate() error {
	var errs []error
	if c.Size < 0 {
		errs = append(errs, errors.New("size: -1 is not allowed; at least 0"))
	}
	if c.Mode == "loud" {
		errs = append(errs, errors.New(`mode: "loud" is not allowed; quiet is`))
	}
	return errors.Join(errs...)
}

func settings(t *testing.T, texts ...string) otelcol.CollectorSettings {
	t.Helper()
	var uris []string
	dir := t.TempDir()
	t.Chdir(dir)
	for i, text := range texts {
		name := string(rune('a'+i)) + ".yaml"
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		uris = append(uris, "file:"+name)
	}
	create := func() component.Config { return &config{} }
	typ := component.MustNewType("thing")
	return otelcol.CollectorSettings{
		Factories: func() (otelcol.Factories, error) {
			return otelcol.Factories{
				Receivers:  map[component.Type]receiver.Factory{typ: receiver.NewFactory(typ, create)},
				Exporters:  map[component.Type]exporter.Factory{typ: exporter.NewFactory(typ, create)},
				Extensions: map[component.Type]extension.Factory{typ: extension.NewFactory(typ, create, nil, component.StabilityLevelAlpha)},
			}, nil
		},
		ConfigProviderSettings: otelcol.ConfigProviderSettings{ResolverSettings: confmap.ResolverSettings{
			URIs:              uris,
			ProviderFactories: []confmap.ProviderFactory{fileprovider.NewFactory()},
		}},
	}
}

const good = `
receivers: {thing: {size: 1}}
exporters: {thing/a: }
service: {pipelines: {traces: {receivers: [thing], exporters: [thing/a]}}}
`

func TestAGoodConfigurationHasNoProblems(t *testing.T) {
	require.NoError(t, Check(t.Context(), settings(t, good)))
}

func TestEveryMistakeIsReportedAtOnce(t *testing.T) {
	err := Check(t.Context(), settings(t, `
receivers:
  thing: {sise: 1, colour: red}
  thing/two: {size: -1, mode: loud}
  other: {}
exporters:
  thing: {size: many, wait: {for: 5 parsecs}}
extensions:
  thing:
service:
  extensions: [nope, thing]
  pipelines:
    traces: {receivers: [thing, thing/three], exporters: [thing, debug]}
`))
	require.EqualError(t, err, `the configuration has 10 problem(s):
  a.yaml: receivers::other: "other" is no component of this kind; allowed are thing
  a.yaml: receivers::thing: unknown key "colour"
  a.yaml: receivers::thing: unknown key "sise"
  a.yaml: receivers::thing/two: size: -1 is not allowed; at least 0
  a.yaml: receivers::thing/two: mode: "loud" is not allowed; quiet is
  a.yaml: exporters::thing: size: "many" is not allowed: expected type 'int', got unconvertible type 'string'
  a.yaml: exporters::thing: wait.for: "5 parsecs" is not allowed: time: unknown unit; a duration has a unit: ns, us, ms, s, m or h
  a.yaml: service::extensions: extension "nope" is used and not configured; configured are thing
  a.yaml: service::pipelines::traces::exporters: "debug" is used and not configured; configured are thing
  a.yaml: service::pipelines::traces::receivers: "thing/three" is used and not configured; configured are other, thing, thing/two`)
}

func TestTheFileThatHasTheKeyIsNamed(t *testing.T) {
	err := Check(t.Context(), settings(t, good, "exporters: {thing/a: {size: -1}}", "processors: {}"))
	require.EqualError(t, err, `the configuration has 1 problem(s):
  b.yaml: exporters::thing/a: size: -1 is not allowed; at least 0`)
}

func TestAMissingFile(t *testing.T) {
	set := settings(t, good)
	set.ConfigProviderSettings.ResolverSettings.URIs = []string{"file:none.yaml"}
	require.ErrorContains(t, Check(t.Context(), set), "none.yaml: no such file or directory")
}

func TestALongReportIsBounded(t *testing.T) {
	c := checker{}
	for range maxProblems + 3 {
		c.add("k", "x")
	}
	require.ErrorContains(t, c.report(func(string) string { return "f" }), "\n  and 3 more")
}
