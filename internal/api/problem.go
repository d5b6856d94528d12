package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// ProblemType is the media type of errors (RFC 9457).
const ProblemType = "application/problem+json"

// Problem is an error on the wire.
type Problem struct {
	Title      string      `json:"title"` // the status in words
	Status     int         `json:"status"`
	Detail     string      `json:"detail"`
	Errors     []string    `json:"errors,omitempty"` // everything that is wrong with the request, one each
	RolledBack *RolledBack `json:"rolled_back,omitempty"`
}

// RolledBack is what became of a batch that failed half-way.
type RolledBack struct {
	Removed []string `json:"removed"` // names of containers that the batch had created and that are gone
	Left    []string `json:"left,omitempty"`
}

// Error is the detail, and the single errors below it where there are several.
func (p *Problem) Error() string {
	if len(p.Errors) == 0 {
		return p.Detail
	}
	return strings.Join(p.Errors, "\n")
}

// NewProblem makes a Problem of a status and what happened.
func NewProblem(status int, format string, args ...any) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}
}

// Write sends the problem as the response.
func (p *Problem) Write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", ProblemType)
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // a client that is gone needs no answer
}
