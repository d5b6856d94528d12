package experiment

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// The applications of the experiment.
const (
	serviceApp      = "demo-service"
	interferenceApp = "demo-interference"
)

// objectivePercentile is the percentile of every scenario's target.
const objectivePercentile = 95

// The parts of an app file that the demo uses.
type appFile struct {
	Apps map[string]app `yaml:"apps"`
}

type app struct {
	Class      string               `yaml:"class"`
	Objective  *objective           `yaml:"objective,omitempty"`
	CPU        *bounds              `yaml:"cpu,omitempty"`
	Containers map[string]container `yaml:"containers"`
}

type objective struct {
	Percentile float64 `yaml:"percentile"`
	Target     string  `yaml:"target"`
	Scope      string  `yaml:"scope"`
}

type bounds struct {
	Max float64 `yaml:"max"`
}

type container struct {
	Image   string      `yaml:"image"`
	Command []string    `yaml:"command,flow"`
	Pull    string      `yaml:"pull"`
	CPU     startLimits `yaml:"cpu"`
}

type startLimits struct {
	CPUSet string  `yaml:"cpuset"`
	Quota  float64 `yaml:"quota,omitempty"`
}

// serviceFile is the app file of the service, as a user would write it.
func (s Scenario) serviceFile(base int) ([]byte, error) {
	return marshal(serviceApp, app{
		Class:     "latency_critical",
		Objective: &objective{Percentile: objectivePercentile, Target: s.Target.String(), Scope: "trace"},
		CPU:       &bounds{Max: s.MaxCPUs},
		Containers: map[string]container{"service": {
			Image: imageRef, Command: s.serviceCommand(base), Pull: "never",
			CPU: startLimits{CPUSet: s.Bound.String(), Quota: s.Quota},
		}},
	})
}

// interferenceFile is the app file of the interference.
func (s Scenario) interferenceFile() ([]byte, error) {
	return marshal(interferenceApp, app{
		Class: "best_effort",
		Containers: map[string]container{"interference": {
			Image: imageRef, Command: s.interferenceCommand(), Pull: "never",
			CPU: startLimits{CPUSet: s.Bound.String()},
		}},
	})
}

func marshal(name string, a app) ([]byte, error) {
	text, err := yaml.Marshal(appFile{Apps: map[string]app{name: a}})
	if err != nil {
		return nil, fmt.Errorf("app file of %s: %w", name, err)
	}
	return text, nil
}
