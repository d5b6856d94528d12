package cpucontrolexporter

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"

	"github.com/governor-project/governor/internal/appspec"
	"github.com/governor-project/governor/internal/control"
)

func noHost(component.Host, *Config, *zap.Logger) (edges, error) {
	return edges{closeFeed: func() {}}, nil
}

func consuming(t *testing.T, scope appspec.Scope) *controller {
	c, _ := newTestController(t, testConfig(modeObserve), noHost)
	c.signals.keep(
		[]control.Container{{ID: "known"}},
		[]control.App{{Name: "shop", Objective: appspec.Objective{Percentile: 50, Target: time.Second, Scope: scope}}, {Name: "batch"}},
	)
	return c
}

func known(c *controller) (control.Container, control.App) {
	snap := control.Snapshot{Now: time.Now(), Containers: []control.Container{{ID: "known"}}, Apps: []control.App{{Name: "shop", Objective: appspec.Objective{Percentile: 50}}}}
	c.signals.read(&snap)
	return snap.Containers[0], snap.Apps[0]
}

func TestStatisticsAreTakenByContainerAndName(t *testing.T) {
	c := consuming(t, appspec.ScopeTrace)
	want := control.Usage{At: time.Now().Add(-50 * time.Millisecond).UTC().Truncate(0), UsageNS: 1, Periods: 2, ThrottledPeriods: 3, StallNS: 4}
	require.NoError(t, c.consumeMetrics(t.Context(), usageMetrics("known", want)))
	got, _ := known(c)
	assert.Equal(t, want, got.Usage)
	assert.Len(t, c.fresh, 1, "the loop is woken")

	older := want
	older.At, older.UsageNS = want.At.Add(-time.Second), 99
	require.NoError(t, c.consumeMetrics(t.Context(), usageMetrics("known", older)))
	require.NoError(t, c.consumeMetrics(t.Context(), usageMetrics("stranger", want)))
	got, _ = known(c)
	assert.Equal(t, want, got.Usage)
	assert.Len(t, c.signals.usage, 1, "nothing is kept for strangers")
}

func TestOddMetrics(t *testing.T) {
	c := consuming(t, appspec.ScopeTrace)
	md := usageMetrics("known", control.Usage{UsageNS: 5, At: time.Unix(0, 0)})
	metrics := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics()
	metrics.AppendEmpty().SetName(metricUsage) // no data
	metrics.AppendEmpty().SetEmptyGauge()
	for i := range metrics.Len() {
		if m := metrics.At(i); m.Name() == metricPeriods {
			m.Sum().DataPoints().At(0).SetDoubleValue(12)
		} else if m.Name() == metricStall {
			m.Sum().DataPoints().At(0).SetDoubleValue(math.NaN())
		} else if m.Name() == metricThrottled {
			m.Sum().DataPoints().At(0).SetIntValue(-1)
		}
	}
	before := time.Now()
	require.NoError(t, c.consumeMetrics(t.Context(), md))
	got, _ := known(c)
	assert.EqualValues(t, 5, got.Usage.UsageNS)
	assert.EqualValues(t, 12, got.Usage.Periods)
	assert.Zero(t, got.Usage.StallNS+got.Usage.ThrottledPeriods)
	assert.False(t, got.Usage.At.Before(before), "a sample without time was read now")
	require.NoError(t, c.consumeMetrics(t.Context(), pmetric.NewMetrics()))
}

func spans(app string, f func(ptrace.Span)) ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	if app != "" {
		rs.Resource().Attributes().PutStr("governor.app", app)
	}
	f(rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty())
	return td
}

func stamped(ms float64) func(ptrace.Span) {
	return func(s ptrace.Span) { s.Attributes().PutDouble("governor.e2e.duration_ms", ms) }
}

func server(d time.Duration) func(ptrace.Span) {
	return func(s ptrace.Span) {
		s.SetKind(ptrace.SpanKindServer)
		s.SetStartTimestamp(pcommon.Timestamp(time.Hour))
		s.SetEndTimestamp(pcommon.Timestamp(time.Hour + d))
	}
}

func TestLatencyFollowsTheScopeOfTheObjective(t *testing.T) {
	for _, c := range []struct {
		scope appspec.Scope
		td    ptrace.Traces
		want  time.Duration // 0: not taken
	}{
		{appspec.ScopeTrace, spans("shop", stamped(80)), 80 * time.Millisecond},
		{appspec.ScopeTrace, spans("shop", server(30*time.Millisecond)), 0},
		{appspec.ScopeService, spans("shop", server(30*time.Millisecond)), 30 * time.Millisecond},
		{appspec.ScopeService, spans("shop", stamped(80)), 0},
		{appspec.ScopeTrace, spans("batch", stamped(80)), 0},
		{appspec.ScopeTrace, spans("", stamped(80)), 0},
		{appspec.ScopeTrace, spans("shop", stamped(-1)), 0},
		{appspec.ScopeTrace, spans("shop", stamped(math.NaN())), 0},
		{appspec.ScopeTrace, spans("shop", stamped(math.Inf(1))), 0},
		{appspec.ScopeTrace, spans("shop", func(s ptrace.Span) { s.Attributes().PutStr("governor.e2e.duration_ms", "80") }), 0},
	} {
		e := consuming(t, c.scope)
		require.NoError(t, e.consumeTraces(t.Context(), c.td))
		_, app := known(e)
		if c.want == 0 {
			assert.Zero(t, app.Latency)
			continue
		}
		assert.Equal(t, 1, app.Latency.Count)
		assert.InEpsilon(t, float64(c.want), float64(app.Latency.Value), 0.07)
	}
}

func TestAContainerWithoutAppStandsForItself(t *testing.T) {
	c := consuming(t, appspec.ScopeTrace)
	td := spans("", stamped(10))
	td.ResourceSpans().At(0).Resource().Attributes().PutStr("container.name", "shop")
	require.NoError(t, c.consumeTraces(t.Context(), td))
	_, app := known(c)
	assert.Equal(t, 1, app.Latency.Count)
}

func BenchmarkConsumeMetrics(b *testing.B) {
	c, _ := newTestController(b, testConfig(modeObserve), noHost)
	md := pmetric.NewMetrics()
	var containers []control.Container
	for i := range 50 {
		id := fmt.Sprintf("%064d", i)
		containers = append(containers, control.Container{ID: id})
		usageMetrics(id, control.Usage{At: time.Now()}).ResourceMetrics().MoveAndAppendTo(md.ResourceMetrics())
	}
	c.signals.keep(containers, nil)
	b.ReportAllocs()
	for b.Loop() {
		_ = c.consumeMetrics(b.Context(), md)
	}
}
