package inventory

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/governor-project/governor/internal/appspec"
)

// PolicyFromLabels reads class, objective and CPU bounds from a container's
// labels. Without a class label the container is unmanaged. All problems are
// reported at once, each with its label and value; the policy is then not
// usable.
func PolicyFromLabels(labels map[string]string) (appspec.Policy, error) {
	r := labelReader{labels: labels}
	policy := appspec.Policy{
		Class: read(&r, LabelClass, appspec.ParseClass),
		Objective: appspec.Objective{
			Percentile: read(&r, LabelObjectivePercentile, number),
			Target:     read(&r, LabelObjectiveTarget, time.ParseDuration),
		},
		CPU: appspec.CPUBounds{
			Min:    read(&r, LabelCPUMin, number),
			Max:    read(&r, LabelCPUMax, number),
			Weight: read(&r, LabelCPUWeight, number),
		},
	}
	scope := read(&r, LabelObjectiveScope, appspec.ParseScope)
	if !policy.Objective.IsZero() || scope != "" {
		if scope == "" {
			scope = appspec.ScopeTrace
		}
		policy.Objective.Scope = scope
	}
	if policy.Class == "" {
		policy.Class = appspec.Unmanaged
	}
	if len(r.errs) > 0 {
		return appspec.Policy{Class: appspec.Unmanaged}, errors.Join(r.errs...)
	}
	if err := policy.Validate(); err != nil {
		return appspec.Policy{Class: appspec.Unmanaged}, fmt.Errorf("labels governor.*: %w", err)
	}
	return policy, nil
}

type labelReader struct {
	labels map[string]string
	errs   []error
}

// read returns the zero value for a label that is absent or unusable.
func read[T any](r *labelReader, label string, parse func(string) (T, error)) T {
	var zero T
	text, ok := r.labels[label]
	if !ok {
		return zero
	}
	value, err := parse(text)
	if err != nil {
		r.errs = append(r.errs, fmt.Errorf("label %s=%q: %w", label, text, err))
		return zero
	}
	return value
}

func number(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, errors.New("it is not a number; allowed are figures such as 0.5 or 95")
	}
	return v, nil
}

// Identity is what Governor writes on a container that it creates, besides the policy.
type Identity struct {
	GUID      string
	App       string
	Container string // key in the app file
	SpecHash  string
}

// Labels is the counterpart of PolicyFromLabels: the labels of a container of
// this identity and policy. Values that are not declared have no label.
func Labels(id Identity, policy appspec.Policy) map[string]string {
	out := map[string]string{
		LabelGUID: id.GUID, LabelApp: id.App, LabelContainer: id.Container,
		LabelSpecHash: id.SpecHash, LabelClass: string(policy.Class),
	}
	if o := policy.Objective; !o.IsZero() {
		out[LabelObjectivePercentile] = figure(o.Percentile)
		out[LabelObjectiveTarget] = o.Target.String()
		out[LabelObjectiveScope] = string(o.Scope)
	}
	for label, v := range map[string]float64{LabelCPUMin: policy.CPU.Min, LabelCPUMax: policy.CPU.Max, LabelCPUWeight: policy.CPU.Weight} {
		if v != 0 {
			out[label] = figure(v)
		}
	}
	maps.DeleteFunc(out, func(_, value string) bool { return value == "" })
	return out
}

func figure(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
