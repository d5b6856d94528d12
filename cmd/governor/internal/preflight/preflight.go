// Package preflight checks a whole configuration before anything starts and
// reports every mistake at once, each with its file and key. The collector's own
// check stops at the first mistake of each kind.
package preflight

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/xconfmap"
	"go.opentelemetry.io/collector/otelcol"
)

// maxProblems bounds a report; a file with more mistakes says how many are left.
const maxProblems = 50

// Check resolves the configuration of the settings' URIs and returns an error
// that lists everything that is wrong with it, or nil.
func Check(ctx context.Context, set otelcol.CollectorSettings) error {
	factories, err := set.Factories()
	if err != nil {
		return err
	}
	conf, err := resolve(ctx, set, set.ConfigProviderSettings.ResolverSettings.URIs)
	if err != nil {
		return err
	}
	c := checker{conf: conf, declared: map[string]map[string]bool{}}
	c.kind("extensions", creators(factories.Extensions))
	c.kind("receivers", creators(factories.Receivers))
	c.kind("processors", creators(factories.Processors))
	c.kind("exporters", creators(factories.Exporters))
	c.kind("connectors", creators(factories.Connectors))
	c.references()
	return c.report(func(key string) string { return source(ctx, set, key) })
}

func resolve(ctx context.Context, set otelcol.CollectorSettings, uris []string) (*confmap.Conf, error) {
	resolverSet := set.ConfigProviderSettings.ResolverSettings
	resolverSet.URIs = uris
	resolver, err := confmap.NewResolver(resolverSet)
	if err != nil {
		return nil, err
	}
	conf, err := resolver.Resolve(ctx)
	return conf, errors.Join(err, resolver.Shutdown(ctx))
}

// source is the last configuration, in the order of the command line, that has the key.
func source(ctx context.Context, set otelcol.CollectorSettings, key string) string {
	uris := set.ConfigProviderSettings.ResolverSettings.URIs
	for _, uri := range slices.Backward(uris) {
		if strings.HasPrefix(uri, "yaml:") && len(uris) > 1 {
			continue // a --set; its text is no place to look at
		}
		conf, err := resolve(ctx, set, []string{uri})
		if len(uris) == 1 || (err == nil && conf.IsSet(key)) {
			return strings.TrimPrefix(uri, "file:")
		}
	}
	return "configuration"
}

type factoryFunc func() component.Config

func creators[F component.Factory](factories map[component.Type]F) map[component.Type]factoryFunc {
	out := make(map[component.Type]factoryFunc, len(factories))
	for t, f := range factories {
		out[t] = f.CreateDefaultConfig
	}
	return out
}

type problem struct{ key, text string }

type checker struct {
	conf     *confmap.Conf
	declared map[string]map[string]bool // kind → component IDs
	problems []problem
}

func (c *checker) add(key, format string, args ...any) {
	c.problems = append(c.problems, problem{key: key, text: fmt.Sprintf(format, args...)})
}

func (c *checker) kind(kind string, factories map[component.Type]factoryFunc) {
	c.declared[kind] = map[string]bool{}
	section, err := c.conf.Sub(kind)
	if err != nil {
		c.add(kind, "has to be a map of components")
		return
	}
	entries := section.ToStringMap()
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		key := kind + "::" + name
		var id component.ID
		if err := id.UnmarshalText([]byte(name)); err != nil {
			c.add(key, "%v", err)
			continue
		}
		c.declared[kind][id.String()] = true
		create, known := factories[id.Type()]
		if !known {
			c.add(key, "%q is no component of this kind; allowed are %s", id.Type(), names(factories))
			continue
		}
		c.component(key, create())
	}
}

func names(factories map[component.Type]factoryFunc) string {
	var out []string
	for t := range factories {
		out = append(out, t.String())
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func (c *checker) component(key string, cfg component.Config) {
	sub, err := c.conf.Sub(key)
	if err != nil {
		c.add(key, "has to be a map of keys")
		return
	}
	if err := sub.Unmarshal(&cfg); err != nil {
		c.addAll(key, err)
		return
	}
	if err := xconfmap.Validate(cfg); err != nil {
		c.addAll(key, err)
	}
}

// addAll takes an error apart: the libraries join several, one a line, under headings.
func (c *checker) addAll(key string, err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasSuffix(line, "following error(s):") {
			continue
		}
		if _, keys, found := strings.Cut(line, "has invalid keys: "); found {
			for k := range strings.SplitSeq(keys, ", ") {
				c.add(key, "unknown key %q", k)
			}
			continue
		}
		c.add(key, "%s", c.withValue(key, line))
	}
}

// decodeError is how the decoding library names a key; it leaves out the value.
var decodeError = regexp.MustCompile(`^'([^']+)' (.*)$`)

func (c *checker) withValue(key, line string) string {
	m := decodeError.FindStringSubmatch(line)
	if m == nil {
		return line
	}
	text := m[1] + ": " + m[2]
	if value := c.conf.Get(key + "::" + strings.ReplaceAll(m[1], ".", "::")); value != nil {
		text = fmt.Sprintf("%s: %q is not allowed: %s", m[1], fmt.Sprint(value), m[2])
	}
	if strings.HasPrefix(m[2], "time: ") {
		text += "; a duration has a unit: ns, us, ms, s, m or h"
	}
	return text
}

func (c *checker) references() {
	for _, id := range stringsAt(c.conf, "service::extensions") {
		if !c.declared["extensions"][id] {
			c.add("service::extensions", "extension %q is used and not configured; configured are %s", id, c.list("extensions"))
		}
	}
	section, err := c.conf.Sub("service::pipelines")
	if err != nil || len(section.ToStringMap()) == 0 {
		c.add("service::pipelines", "at least one pipeline is needed")
		return
	}
	allowed := map[string][]string{
		"receivers":  {"receivers", "connectors"},
		"processors": {"processors"},
		"exporters":  {"exporters", "connectors"},
	}
	for _, pipeline := range slices.Sorted(maps.Keys(section.ToStringMap())) {
		for _, role := range slices.Sorted(maps.Keys(allowed)) {
			key := "service::pipelines::" + pipeline + "::" + role
			for _, id := range stringsAt(c.conf, key) {
				if !slices.ContainsFunc(allowed[role], func(kind string) bool { return c.declared[kind][id] }) {
					c.add(key, "%q is used and not configured; configured are %s", id, c.list(allowed[role]...))
				}
			}
		}
	}
}

func (c *checker) list(kinds ...string) string {
	var ids []string
	for _, kind := range kinds {
		ids = append(ids, slices.Collect(maps.Keys(c.declared[kind]))...)
	}
	if len(ids) == 0 {
		return "none"
	}
	slices.Sort(ids)
	return strings.Join(ids, ", ")
}

// stringsAt are the component IDs of a list, in their canonical form.
func stringsAt(conf *confmap.Conf, key string) []string {
	list, _ := conf.Get(key).([]any)
	var out []string
	for _, item := range list {
		text := fmt.Sprint(item)
		var id component.ID
		if id.UnmarshalText([]byte(text)) == nil {
			text = id.String()
		}
		out = append(out, text)
	}
	return out
}

func (c *checker) report(file func(key string) string) error {
	if len(c.problems) == 0 {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "the configuration has %d problem(s):", len(c.problems))
	for _, p := range c.problems[:min(len(c.problems), maxProblems)] {
		fmt.Fprintf(&b, "\n  %s: %s: %s", file(p.key), p.key, p.text)
	}
	if more := len(c.problems) - maxProblems; more > 0 {
		fmt.Fprintf(&b, "\n  and %d more", more)
	}
	return errors.New(b.String())
}
