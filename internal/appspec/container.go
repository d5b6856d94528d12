package appspec

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

func (r *reader) containers(n *yaml.Node, path string) (out []Container) {
	r.entries(n, path, func(name string, value *yaml.Node, below string) {
		r.name(name, below)
		out = append(out, r.container(name, value, below))
	})
	slices.SortFunc(out, func(a, b Container) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func (r *reader) container(name string, n *yaml.Node, path string) Container {
	out := Container{Name: name, Restart: "no", Replicas: 1, Pull: PullMissing}
	r.keys(n, path, map[string]func(*yaml.Node, string){
		"image":      func(n *yaml.Node, path string) { out.Image = r.image(n, path) },
		"command":    func(n *yaml.Node, path string) { out.Command = r.texts(n, path, MaxList) },
		"env":        func(n *yaml.Node, path string) { out.Env = r.env(n, path) },
		"ports":      func(n *yaml.Node, path string) { out.Ports = r.ports(n, path) },
		"depends_on": func(n *yaml.Node, path string) { out.DependsOn = r.texts(n, path, MaxList) },
		"restart":    func(n *yaml.Node, path string) { out.Restart = r.restart(n, path) },
		"cpu":        func(n *yaml.Node, path string) { r.limits(n, path, &out) },
		"memory":     func(n *yaml.Node, path string) { out.Memory = r.memory(n, path) },
		"replicas":   func(n *yaml.Node, path string) { out.Replicas = r.whole(n, path, 1, MaxReplicas) },
		"pull":       func(n *yaml.Node, path string) { out.Pull = oneOf(r, n, path, PullMissing, PullAlways, PullNever) },
	})
	if n.Kind == yaml.MappingNode && out.Image == "" && !r.troubled(join(path, "image")) {
		r.add(join(path, "image"), "missing; a container needs one, for example hotrod:1")
	}
	for i, p := range out.Ports {
		if out.Replicas > 1 && p.Host != 0 {
			r.add(fmt.Sprintf("%s.ports[%d]", path, i), "the host port %d cannot be shared by %d replicas; use 0 for a free one each", p.Host, out.Replicas)
		}
	}
	return out
}

// imagePattern is the grammar of image references: registry, path, tag, digest
// (distribution/reference, in its common part).
var imagePattern = regexp.MustCompile(`^(?:[a-zA-Z0-9][a-zA-Z0-9.-]*(?::[0-9]{1,5})?/)?` +
	`[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*` +
	`(?::[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$`)

// maxImage is the longest repository name plus tag and digest that engines take.
const maxImage = 255 + 1 + 128 + 1 + 71

func (r *reader) image(n *yaml.Node, path string) string {
	text, ok := r.scalar(n, path)
	if ok && (len(text) > maxImage || !imagePattern.MatchString(text)) {
		r.add(path, "image %q is not allowed; allowed are references such as hotrod:1 or registry:5000/team/hotrod:1", shorten(text))
	}
	return text
}

func (r *reader) env(n *yaml.Node, path string) map[string]string {
	out := r.dictionary(n, path, MaxEnv)
	for key := range out {
		switch {
		case key == "" || strings.ContainsAny(key, "=\x00"):
			r.add(join(path, key), "the variable name %q is not allowed; it is not empty and has no '='", shorten(key))
		case slices.Contains(r.options.ReservedEnv, key):
			r.add(join(path, key), "Governor sets this variable itself")
		}
	}
	return out
}

func (r *reader) ports(n *yaml.Node, path string) (out []Port) {
	r.items(n, path, MaxList, func(value *yaml.Node, below string) {
		text, ok := r.scalar(value, below)
		if !ok {
			return
		}
		port, err := ParsePort(text)
		if err != nil {
			r.add(below, "%v", err)
			return
		}
		out = append(out, port)
	})
	return out
}

var restartPattern = regexp.MustCompile(`^(no|always|unless-stopped|on-failure(:[0-9]{1,4})?)$`)

func (r *reader) restart(n *yaml.Node, path string) string {
	text, ok := r.scalar(n, path)
	if ok && !restartPattern.MatchString(text) {
		r.add(path, "restart %q is not allowed; allowed are no, always, unless-stopped, on-failure and on-failure:N", shorten(text))
	}
	return text
}

// minQuota is the least CPU limit: 1 ms in each period of 100 ms, the kernel's
// minimum (kernel/sched/core.c, min_cfs_quota_period).
const minQuota = 0.01

func (r *reader) limits(n *yaml.Node, path string, out *Container) {
	r.keys(n, path, map[string]func(*yaml.Node, string){
		"cpuset": func(n *yaml.Node, path string) { out.CPUs = r.cpus(n, path) },
		"quota": func(n *yaml.Node, path string) {
			out.Quota = r.number(n, path, "1.5")
			if !r.troubled(path) && !(out.Quota >= minQuota && out.Quota <= MaxCPUs) {
				r.add(path, "%g is not allowed; it lies between %g and %d CPUs", out.Quota, minQuota, MaxCPUs)
			}
		},
	})
}

func (r *reader) memory(n *yaml.Node, path string) int64 {
	text, ok := r.scalar(n, path)
	if !ok {
		return 0
	}
	size, err := ParseSize(shorten(text))
	switch {
	case err != nil:
		r.add(path, "%v", err)
	case size < minMemory:
		r.add(path, "%s is not allowed; the engine needs at least 6MiB", text)
	}
	return size
}
