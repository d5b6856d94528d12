package experiment

import (
	"math"
	"slices"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// cpuPlot shows the CPU that both containers used, averaged over a second.
func (t timeline) cpuPlot() (*plot.Plot, error) {
	pool := float64(t.scenario.Pool.Len())
	p := t.panel("CPU used (CPUs)", pool*1.3)
	p.Y.Tick.Marker = evenTicks(0.5, pool)
	if err := t.backdrop(p, true); err != nil {
		return nil, err
	}
	used := func(of func(*phaseRun) series) func(int, *phaseRun) plotter.XYs {
		return func(i int, r *phaseRun) plotter.XYs { return t.rates(i, of(r)) }
	}
	return p, t.draw(p,
		t.level("pool", grey, pool),
		curve{name: "interference", color: orange, width: 3, points: used(func(r *phaseRun) series { return r.interference })},
		curve{name: "service", color: blue, points: used(func(r *phaseRun) series { return r.service })})
}

func (t timeline) rates(i int, s series) plotter.XYs {
	const half = 500 * time.Millisecond
	var out plotter.XYs
	for _, sample := range s {
		from, to := sample.at.Add(-half), sample.at.Add(half)
		if from.Before(s[0].at) || to.After(s[len(s)-1].at) || !t.within(i, sample.at) {
			continue
		}
		out = append(out, plotter.XY{X: t.x(i, sample.at), Y: s.used(from, to)})
	}
	return out
}

// latencyPlot shows p50 and p95 of each second against the target.
func (t timeline) latencyPlot() (*plot.Plot, error) {
	target := milliseconds(t.scenario.Target)
	per := make([][]SecondFigures, len(t.runs))
	lowest, highest := target, target
	for i, r := range t.runs {
		per[i], _, _ = requestFigures(r.seconds, r.setup.seconds, t.scenario.Target)
		for _, s := range per[i] {
			if s.Requests > 0 {
				lowest, highest = min(lowest, s.P50), max(highest, s.P95)
			}
		}
	}
	p := t.panel("latency", math.Pow(10, math.Ceil(math.Log10(highest)+0.5)))
	p.Y.Min = math.Pow(10, math.Floor(math.Log10(max(lowest, 0.1))))
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, latencyTicks{}
	if err := t.backdrop(p, true); err != nil {
		return nil, err
	}
	values := func(of func(SecondFigures) float64) func(int, *phaseRun) plotter.XYs {
		return func(i int, r *phaseRun) plotter.XYs {
			var out plotter.XYs
			for n, s := range per[i] {
				if s.Requests > 0 {
					out = append(out, plotter.XY{X: t.x(i, r.windowAt) + float64(n) + 0.5, Y: max(of(s), p.Y.Min)})
				}
			}
			return out
		}
	}
	return p, t.draw(p,
		t.level("target of p95", red, target),
		curve{name: "p50", color: grey, points: values(func(s SecondFigures) float64 { return s.P50 })},
		curve{name: "p95", color: blue, points: values(func(s SecondFigures) float64 { return s.P95 })})
}

// allowedPlot shows how many CPUs each container may use: the smaller of its
// cpuset and its quota.
func (t timeline) allowedPlot() (*plot.Plot, error) {
	pool := float64(t.scenario.Pool.Len())
	p := t.panel("CPUs allowed", pool*1.5)
	p.Y.Tick.Marker = evenTicks(0.5, pool)
	allowed := func(s sample) float64 {
		cpus := float64(s.limits.EffectiveCPUs.Len())
		if q := s.limits.Quota.CPUs(); q > 0 {
			return min(cpus, q)
		}
		return cpus
	}
	return p, t.limits(p, true, allowed)
}

// weightPlot shows both containers' weights on Docker's scale.
func (t timeline) weightPlot() (*plot.Plot, error) {
	t.plain = true
	p := t.panel("weight (cpu.shares)", 3_000)
	p.Y.Min = 1
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	return p, t.limits(p, false, func(s sample) float64 { return max(float64(s.limits.Shares), 1) })
}

func (t timeline) limits(p *plot.Plot, names bool, value func(sample) float64) error {
	if err := t.backdrop(p, names); err != nil {
		return err
	}
	if err := t.marks(p); err != nil {
		return err
	}
	of := func(pick func(*phaseRun) series) func(int, *phaseRun) plotter.XYs {
		return func(i int, r *phaseRun) plotter.XYs {
			var out plotter.XYs
			for _, s := range pick(r) {
				if t.within(i, s.at) {
					out = append(out, plotter.XY{X: t.x(i, s.at), Y: value(s)})
				}
			}
			return out
		}
	}
	return t.draw(p,
		curve{name: "interference", color: orange, width: 3.5, steps: true, points: of(func(r *phaseRun) series { return r.interference })},
		curve{name: "service", color: blue, steps: true, points: of(func(r *phaseRun) series { return r.service })})
}

// marks draws a vertical line with a triangle for each decision that wrote a limit.
func (t timeline) marks(p *plot.Plot) error {
	var heads plotter.XYs
	for i, r := range t.runs {
		for _, d := range r.decisions {
			if !t.within(i, d.Time) {
				continue
			}
			x := t.x(i, d.Time)
			l, err := line(plotter.XYs{{X: x, Y: p.Y.Min}, {X: x, Y: p.Y.Max}}, light, 0.5)
			if err != nil {
				return err
			}
			p.Add(l)
			heads = append(heads, plotter.XY{X: x, Y: p.Y.Min})
		}
	}
	if len(heads) == 0 {
		return nil
	}
	slices.SortFunc(heads, func(a, b plotter.XY) int { return int(math.Copysign(1, a.X-b.X)) })
	scatter, err := plotter.NewScatter(heads)
	if err != nil {
		return err
	}
	scatter.Shape, scatter.Color, scatter.Radius = draw.PyramidGlyph{}, marked, vg.Points(3)
	p.Add(scatter)
	if !t.plain {
		p.Legend.Add("decision", scatter)
	}
	return nil
}
