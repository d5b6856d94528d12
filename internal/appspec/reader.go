package appspec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/governor-project/governor/internal/cpuset"
)

// reader walks the YAML tree of one file, collects problems and remembers on
// which line each path stands.
type reader struct {
	file     string
	options  Options
	lines    map[string]int
	problems Problems
}

func (r *reader) add(path, format string, args ...any) {
	r.problems = append(r.problems, Problem{File: r.file, Line: r.line(path), Path: path, Text: fmt.Sprintf(format, args...)})
}

// line is where path stands, or the nearest thing around it that is there.
func (r *reader) line(path string) int {
	for path != "" {
		if line, ok := r.lines[path]; ok {
			return line
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return r.lines[""]
}

func (r *reader) has(path string) bool {
	_, ok := r.lines[path]
	return ok
}

// troubled reports whether path already has a problem.
func (r *reader) troubled(path string) bool {
	return slices.ContainsFunc(r.problems, func(p Problem) bool { return p.Path == path })
}

// join appends a key to a path. A key that could garble a message is quoted.
func join(path, key string) string {
	const limit = 200 // far above any name that is allowed
	if len(key) > limit {
		key = strings.ToValidUTF8(key[:limit], "") + "…"
	}
	if strings.ContainsFunc(key, func(c rune) bool { return !unicode.IsPrint(c) }) {
		key = strconv.Quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// entries calls each for every key of a mapping. A key that occurs twice, or is
// not plain text, is a problem; a key without value counts as not written.
func (r *reader) entries(n *yaml.Node, path string, each func(key string, value *yaml.Node, path string)) {
	if n.Kind != yaml.MappingNode {
		r.add(path, "%s is not allowed; a mapping of keys to values is needed", describe(n))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
			r.add(path, "line %d: %s is not allowed as a key", key.Line, describe(key))
			continue
		}
		below := join(path, key.Value)
		if r.has(below) {
			r.add(below, "line %d: the key is written twice", key.Line)
			continue
		}
		r.lines[below] = key.Line
		if !isNull(value) {
			each(key.Value, value, below)
		}
	}
}

// keys is entries for a mapping whose keys are all known.
func (r *reader) keys(n *yaml.Node, path string, known map[string]func(value *yaml.Node, path string)) {
	r.entries(n, path, func(key string, value *yaml.Node, below string) {
		if read, ok := known[key]; ok {
			read(value, below)
			return
		}
		names := make([]string, 0, len(known))
		for name := range known {
			names = append(names, name)
		}
		slices.Sort(names)
		r.add(below, "the key is unknown; allowed are %s", strings.Join(names, ", "))
	})
}

// describe names a value in a message without repeating a long one.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias (*" + shorten(n.Value) + ")"
	}
	return strconv.Quote(shorten(n.Value))
}

func shorten(text string) string {
	const limit = 60
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}

// items calls each for every element of a list, which has at most limit elements.
func (r *reader) items(n *yaml.Node, path string, limit int, each func(value *yaml.Node, path string)) {
	if n.Kind != yaml.SequenceNode {
		r.add(path, "%s is not allowed; a list is needed, for example [a, b]", describe(n))
		return
	}
	if len(n.Content) > limit {
		r.add(path, "%d elements are too many; at most %d are allowed", len(n.Content), limit)
		return
	}
	for i, value := range n.Content {
		below := fmt.Sprintf("%s[%d]", path, i)
		r.lines[below] = value.Line
		each(value, below)
	}
}

// scalar returns the text of a plain value as it is written.
func (r *reader) scalar(n *yaml.Node, path string) (string, bool) {
	switch {
	case n.Kind != yaml.ScalarNode:
		r.add(path, "%s is not allowed; a single value is needed", describe(n))
	case len(n.Value) > MaxText:
		r.add(path, "%d bytes are too long; at most %d are allowed", len(n.Value), MaxText)
	case strings.ContainsRune(n.Value, 0):
		r.add(path, "a zero byte is not allowed")
	default:
		return n.Value, true
	}
	return "", false
}

func (r *reader) texts(n *yaml.Node, path string, limit int) (out []string) {
	r.items(n, path, limit, func(value *yaml.Node, below string) {
		if text, ok := r.scalar(value, below); ok {
			out = append(out, text)
		}
	})
	return out
}

// dictionary reads a mapping of text to text with at most limit entries.
func (r *reader) dictionary(n *yaml.Node, path string, limit int) map[string]string {
	out := map[string]string{}
	r.entries(n, path, func(key string, value *yaml.Node, below string) {
		if text, ok := r.scalar(value, below); ok {
			out[key] = text
		}
	})
	if len(out) > limit {
		r.add(path, "%d entries are too many; at most %d are allowed", len(out), limit)
	}
	return out
}

func (r *reader) boolean(n *yaml.Node, path string) bool {
	text, ok := r.scalar(n, path)
	if ok && text != "true" && text != "false" {
		r.add(path, "%q is not allowed; allowed are true and false", shorten(text))
	}
	return text == "true"
}

// number reads a figure without unit.
func (r *reader) number(n *yaml.Node, path, example string) float64 {
	text, ok := r.scalar(n, path)
	if !ok {
		return 0
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		r.add(path, "%q is not a number; a figure without unit is needed, for example %s", shorten(text), example)
	}
	return value
}

// whole reads an integer between low and high.
func (r *reader) whole(n *yaml.Node, path string, low, high int) int {
	text, ok := r.scalar(n, path)
	if !ok {
		return low
	}
	value, err := strconv.Atoi(text)
	if err != nil || value < low || value > high {
		r.add(path, "%q is not allowed; a whole number between %d and %d is needed", shorten(text), low, high)
		return low
	}
	return value
}

// duration reads a time with its unit.
func (r *reader) duration(n *yaml.Node, path string) time.Duration {
	text, ok := r.scalar(n, path)
	if !ok {
		return 0
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		r.add(path, "%s has no unit; a time is written with one, for example %sms", shorten(text), shorten(text))
		return 0
	}
	value, err := time.ParseDuration(text)
	if err != nil {
		r.add(path, "%q is not a time; allowed are figures with the units us, ms, s and m, for example 50ms", shorten(text))
	}
	return value
}

// oneOf reads one of a few words.
func oneOf[T ~string](r *reader, n *yaml.Node, path string, allowed ...T) T {
	text, ok := r.scalar(n, path)
	if ok && !slices.Contains(allowed, T(text)) {
		names := make([]string, len(allowed))
		for i, a := range allowed {
			names[i] = string(a)
		}
		r.add(path, "%q is not allowed; allowed are %s", shorten(text), strings.Join(names, ", "))
	}
	return T(text)
}

// cpus reads a list of CPUs, all of which are online.
func (r *reader) cpus(n *yaml.Node, path string) cpuset.Set {
	text, ok := r.scalar(n, path)
	if !ok {
		return cpuset.Set{}
	}
	set, err := cpuset.Parse(text)
	switch offline := set.Difference(r.options.Online); {
	case err != nil:
		r.add(path, "%v", err)
	case set.IsEmpty():
		r.add(path, "an empty cpuset is not allowed; leave the key out to use all CPUs")
	case !r.options.Online.IsEmpty() && !offline.IsEmpty():
		r.add(path, "cpuset %q: CPU %s is offline; online are %s", text, offline, r.options.Online)
	}
	return set
}
