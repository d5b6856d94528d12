package api

import (
	"net/http"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"
)

// Mounter is implemented by the extension that serves the API. The pattern is
// that of http.ServeMux, for example "GET /v1/decisions". A pattern that is
// taken, or is none, is an error. After unmount the path is not found.
type Mounter interface {
	Mount(pattern string, h http.Handler) (unmount func(), err error)
}

// FindMounter returns the extension that serves the API.
func FindMounter(host component.Host) (Mounter, bool) {
	if host == nil {
		return nil, false
	}
	extensions := host.GetExtensions()
	ids := make([]component.ID, 0, len(extensions))
	for id := range extensions {
		ids = append(ids, id)
	}
	// The same one every time, should there be several.
	slices.SortFunc(ids, func(a, b component.ID) int { return strings.Compare(a.String(), b.String()) })
	for _, id := range ids {
		if m, ok := extensions[id].(Mounter); ok {
			return m, true
		}
	}
	return nil, false
}
