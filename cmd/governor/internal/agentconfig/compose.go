package agentconfig

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// overlay names a shipped configuration that is laid over agent.yaml.
type overlay string

const (
	baseFile             overlay = "agent.yaml"
	bridgeOverlay        overlay = "bridge.yaml"
	jaegerOverlay        overlay = "jaeger.yaml"
	elasticsearchOverlay overlay = "elasticsearch.yaml"
)

// compose lays the overlays over the base, in order. Maps are merged; the
// receivers and exporters of a pipeline are added to those that are there. Where
// an overlay gives a pipeline a backend, the pipeline's file exporters go: they
// are what is used while there is none.
func compose(files fs.FS, overlays ...overlay) (map[string]any, error) {
	result := map[string]any{}
	for _, name := range append([]overlay{baseFile}, overlays...) {
		layer, err := load(files, name)
		if err != nil {
			return nil, err
		}
		if err := merge(result, layer, nil); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	dropFileExporters(result)
	return result, nil
}

func load(files fs.FS, name overlay) (map[string]any, error) {
	text, err := fs.ReadFile(files, string(name))
	if err != nil {
		return nil, err
	}
	layer := map[string]any{}
	if err := yaml.Unmarshal(text, &layer); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return layer, nil
}

func merge(into, layer map[string]any, path []string) error {
	for key, value := range layer {
		here := append(slices.Clone(path), key)
		old, exists := into[key]
		switch value := value.(type) {
		case map[string]any:
			child, isMap := old.(map[string]any)
			if exists && old != nil && !isMap {
				return fmt.Errorf("%s: a map is laid over %T", strings.Join(here, "."), old)
			}
			if child == nil {
				child = map[string]any{}
				into[key] = child
			}
			if err := merge(child, value, here); err != nil {
				return err
			}
		case []any:
			list, _ := old.([]any)
			if !inPipeline(here) {
				list = nil
			}
			into[key] = append(slices.Clone(list), value...)
		default:
			into[key] = value
		}
	}
	return nil
}

// inPipeline reports whether path is service.pipelines.NAME.LIST.
func inPipeline(path []string) bool {
	return len(path) == 4 && path[0] == "service" && path[1] == "pipelines"
}

func dropFileExporters(config map[string]any) {
	service, _ := config["service"].(map[string]any)
	pipelines, _ := service["pipelines"].(map[string]any)
	for _, p := range pipelines {
		pipeline, _ := p.(map[string]any)
		exporters, _ := pipeline["exporters"].([]any)
		if slices.ContainsFunc(exporters, isBackend) {
			pipeline["exporters"] = slices.DeleteFunc(slices.Clone(exporters), isFileExporter)
		}
	}
}

func isBackend(name any) bool {
	s, _ := name.(string)
	return s == "elasticsearch" || strings.HasPrefix(s, "otlp/")
}

func isFileExporter(name any) bool {
	s, _ := name.(string)
	return strings.HasPrefix(s, "file/")
}
