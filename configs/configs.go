// Package configs holds the collector configurations that Governor ships: the
// YAML files of this folder, which cmd/governor embeds. It holds no logic.
package configs

import "embed"

// Files are the shipped configurations: agent.yaml and its overlays.
//
//go:embed *.yaml
var Files embed.FS
