package appspec

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPolicyReportsEverythingAtOnce(t *testing.T) {
	err := Policy{
		Class:     "vip",
		Objective: Objective{Percentile: math.NaN(), Scope: "world"},
		CPU:       CPUBounds{Min: 5, Max: 2, Weight: -1},
	}.Validate()
	require.Error(t, err)
	for _, want := range []string{
		`class "vip" is unknown`, "objective.percentile: NaN is not allowed", "objective.target: 0s is not allowed",
		`objective.scope "world" is unknown`, "cpu.weight: -1 is not allowed", "cpu.min: 5 is above max: 2",
	} {
		assert.Contains(t, err.Error(), want)
	}
	assert.NoError(t, Policy{}.Validate())
	assert.EqualError(t, Policy{Class: LatencyCritical}.Validate(),
		"objective: missing; a latency_critical app needs one, for example {percentile: 95, target: 50ms}")
}

func TestObjectiveString(t *testing.T) {
	assert.Equal(t, "none", Objective{}.String())
	assert.Equal(t, "p99.9 ≤ 50ms (service)", Objective{Percentile: 99.9, Target: 50 * time.Millisecond, Scope: ScopeService}.String())
}

func TestEmptyWordsHaveDefaults(t *testing.T) {
	class, err := ParseClass("")
	require.NoError(t, err)
	assert.Equal(t, Unmanaged, class)
	scope, err := ParseScope("")
	require.NoError(t, err)
	assert.Equal(t, ScopeTrace, scope)
}
