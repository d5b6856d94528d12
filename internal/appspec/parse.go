package appspec

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/governor-project/governor/internal/cpuset"
)

// Bounds of one app file. They are far above what people write and keep one
// request from exhausting the agent or the host.
const (
	MaxFileBytes  = 1 << 20
	MaxApps       = 1000
	MaxContainers = 1000 // in one file, replicas counted
	MaxReplicas   = 100  // of one container
	MaxEnv        = 500  // variables of one container
	MaxTags       = 100
	MaxList       = 500     // arguments, ports, dependencies
	MaxText       = 1 << 15 // bytes of one value
	MaxName       = 63      // bytes of an app's or container's name
)

// Options are what a file is checked against besides itself.
type Options struct {
	Online      cpuset.Set // CPUs of the host; empty: not checked
	ReservedEnv []string   // variables that Governor sets itself
}

// Parse reads an app file. file is the name used in messages. The error is of
// type Problems and has everything that is wrong at once; the returned File is
// then not usable.
func Parse(file string, data []byte, options Options) (File, error) {
	r := &reader{file: file, options: options, lines: map[string]int{}}
	root, ok := r.document(data)
	if !ok {
		return File{}, r.problems
	}
	var out File
	r.keys(root, "", map[string]func(*yaml.Node, string){
		"apps": func(n *yaml.Node, path string) { out.Apps = r.apps(n, path) },
	})
	if len(r.problems) == 0 && len(out.Apps) == 0 {
		r.add("apps", "there is no app in it; at least one is needed")
	}
	r.across(out)
	if len(r.problems) > 0 {
		r.problems.sort()
		return File{}, r.problems
	}
	return out, nil
}

// document parses the YAML text itself: one document, no aliases.
func (r *reader) document(data []byte) (*yaml.Node, bool) {
	if len(data) > MaxFileBytes {
		r.add("", "%d bytes are too long; at most %d are allowed", len(data), MaxFileBytes)
		return nil, false
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var root, second yaml.Node
	if err := decoder.Decode(&root); errors.Is(err, io.EOF) {
		r.add("", "the file is empty; at least one app below the key apps is needed")
		return nil, false
	} else if err != nil {
		r.add("", "it is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
		return nil, false
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		r.add("", "there is more than one YAML document in it; one is allowed")
		return nil, false
	}
	if line := aliasLine(&root, 0); line != 0 {
		r.problems = append(r.problems, Problem{File: r.file, Line: line, Text: "aliases (*name) are not allowed"})
		return nil, false
	}
	if root.Kind != yaml.DocumentNode || len(root.Content) != 1 || isNull(root.Content[0]) {
		r.add("", "the file is empty; at least one app below the key apps is needed")
		return nil, false
	}
	r.lines[""] = root.Content[0].Line
	return root.Content[0], true
}

// maxDepth is deeper than any app file; the tree is walked recursively.
const maxDepth = 50

// aliasLine is the line of the first alias, or of what is nested too deep; 0: none.
func aliasLine(n *yaml.Node, depth int) int {
	if n.Kind == yaml.AliasNode || depth > maxDepth {
		return n.Line
	}
	for _, child := range n.Content {
		if line := aliasLine(child, depth+1); line != 0 {
			return line
		}
	}
	return 0
}

func (r *reader) apps(n *yaml.Node, path string) (out []App) {
	r.entries(n, path, func(name string, value *yaml.Node, below string) {
		r.name(name, below)
		out = append(out, r.app(name, value, below))
	})
	if len(out) > MaxApps {
		r.add(path, "%d apps are too many; at most %d are allowed", len(out), MaxApps)
	}
	slices.SortFunc(out, func(a, b App) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func (r *reader) app(name string, n *yaml.Node, path string) App {
	out := App{Name: name, Policy: Policy{Class: Unmanaged}}
	r.keys(n, path, map[string]func(*yaml.Node, string){
		"class": func(n *yaml.Node, path string) {
			out.Policy.Class = oneOf(r, n, path, LatencyCritical, BestEffort, Unmanaged)
		},
		"objective":   func(n *yaml.Node, path string) { out.Policy.Objective = r.objective(n, path) },
		"cpu":         func(n *yaml.Node, path string) { out.Policy.CPU = r.bounds(n, path) },
		"tags":        func(n *yaml.Node, path string) { out.Tags = r.dictionary(n, path, MaxTags) },
		"auto_delete": func(n *yaml.Node, path string) { out.AutoDelete = r.boolean(n, path) },
		"containers":  func(n *yaml.Node, path string) { out.Containers = r.containers(n, path) },
	})
	if n.Kind == yaml.MappingNode && len(out.Containers) == 0 && !r.troubled(join(path, "containers")) {
		r.add(join(path, "containers"), "missing; an app has at least one container")
	}
	if !r.troubled(join(path, "class")) {
		r.policy(out.Policy, path)
	}
	return out
}

func (r *reader) objective(n *yaml.Node, path string) Objective {
	out := Objective{Scope: ScopeTrace}
	r.keys(n, path, map[string]func(*yaml.Node, string){
		"percentile": func(n *yaml.Node, path string) { out.Percentile = r.number(n, path, "95") },
		"target":     func(n *yaml.Node, path string) { out.Target = r.duration(n, path) },
		"scope":      func(n *yaml.Node, path string) { out.Scope = oneOf(r, n, path, ScopeTrace, ScopeService) },
	})
	for key, example := range map[string]string{"percentile": "percentile: 95", "target": "target: 50ms"} {
		if n.Kind == yaml.MappingNode && !r.has(join(path, key)) {
			r.add(join(path, key), "missing; an objective needs one, for example %s", example)
		}
	}
	return out
}

func (r *reader) bounds(n *yaml.Node, path string) (out CPUBounds) {
	r.keys(n, path, map[string]func(*yaml.Node, string){
		"min":    func(n *yaml.Node, path string) { out.Min = r.number(n, path, "0.5") },
		"max":    func(n *yaml.Node, path string) { out.Max = r.number(n, path, "4") },
		"weight": func(n *yaml.Node, path string) { out.Weight = r.number(n, path, "100") },
	})
	return out
}

// policy adds what Policy.Validate finds, at the place of each key. Keys that
// already have a problem are not reported twice.
func (r *reader) policy(policy Policy, path string) {
	err := policy.Validate()
	if err == nil {
		return
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		key, text, ok := strings.Cut(line, ": ")
		if place := join(path, key); ok && !r.troubledAround(place) {
			r.add(place, "%s", text)
		}
	}
}

func (r *reader) troubledAround(path string) bool {
	return r.troubled(path) || r.troubled(path[:strings.LastIndex(path, ".")])
}

// Docker's own rule for names of containers, without its length (moby,
// daemon/names/names.go).
var namePattern = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

func (r *reader) name(name, path string) {
	if len(name) > MaxName || !namePattern.MatchString(name) {
		r.add(path, "the name %q is not allowed; it begins with a letter or digit, goes on with letters, digits, '_', '.' and '-', and has at most %d bytes", shorten(name), MaxName)
	}
}

// across checks what concerns several apps or containers at once.
func (r *reader) across(f File) {
	total := 0
	names, ports := map[string]string{}, map[string]string{}
	for _, app := range f.Apps {
		for _, c := range app.Containers {
			place := "apps." + app.Name + ".containers." + c.Name
			total += c.Replicas
			for n := 1; n <= min(c.Replicas, MaxReplicas); n++ {
				r.unique(names, DockerName(app.Name, c, n), place, "the container name %s")
			}
			for i, p := range c.Ports {
				if p.Host != 0 {
					r.unique(ports, fmt.Sprintf("%s:%d/%s", p.HostIP, p.Host, p.Protocol), fmt.Sprintf("%s.ports[%d]", place, i), "the host port %s")
				}
			}
		}
		r.dependencies(app)
	}
	if total > MaxContainers {
		r.add("apps", "%d containers are too many; at most %d are allowed, replicas counted", total, MaxContainers)
	}
}

func (r *reader) unique(seen map[string]string, key, place, what string) {
	if other, taken := seen[key]; taken {
		r.add(place, what+" is also used by %s", strings.TrimPrefix(key, ":"), other)
		return
	}
	seen[key] = place
}

func (r *reader) dependencies(app App) {
	byName := map[string]Container{}
	for _, c := range app.Containers {
		byName[c.Name] = c
	}
	known := strings.Join(slices.Sorted(maps.Keys(byName)), ", ")
	for _, c := range app.Containers {
		for i, name := range c.DependsOn {
			if _, ok := byName[name]; !ok {
				r.add(fmt.Sprintf("apps.%s.containers.%s.depends_on[%d]", app.Name, c.Name, i), "%q is not a container of this app; it has %s", shorten(name), known)
			}
		}
	}
	if cycle := findCycle(app); cycle != nil {
		r.add(fmt.Sprintf("apps.%s.containers.%s.depends_on", app.Name, cycle[0]), "the dependencies run in a circle: %s", strings.Join(cycle, " → "))
	}
}
