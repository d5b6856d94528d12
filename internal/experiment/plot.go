package experiment

import (
	"cmp"
	"fmt"
	"image/color"
	"strconv"
	"time"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
)

// The colours of the plots: blue and orange stay apart for colour-blind readers.
var (
	blue   = color.NRGBA{R: 0x1f, G: 0x5f, B: 0xbf, A: 0xff}
	orange = color.NRGBA{R: 0xd9, G: 0x6c, B: 0x06, A: 0xff}
	red    = color.NRGBA{R: 0xc0, G: 0x1c, B: 0x28, A: 0xff}
	grey   = color.NRGBA{R: 0x70, G: 0x76, B: 0x80, A: 0xff}
	faint  = color.NRGBA{R: 0xe3, G: 0xe6, B: 0xea, A: 0xff}
	shade  = color.NRGBA{R: 0xf3, G: 0xf4, B: 0xf6, A: 0xff}
	marked = color.NRGBA{R: 0x2d, G: 0x8a, B: 0x4e, A: 0xff}
	light  = color.NRGBA{R: 0x2d, G: 0x8a, B: 0x4e, A: 0x50}
)

// timeline puts the phases one after the other on one axis of seconds.
type timeline struct {
	scenario Scenario
	runs     []*phaseRun
	start    []float64 // of each run's warm-up
	length   float64
	plain    bool // no legend: the plot above has it
}

// phaseGap is the space between two phases, in seconds of the axis.
const phaseGap = 1.5

func newTimeline(s Scenario, runs []*phaseRun) timeline {
	t := timeline{scenario: s, runs: runs}
	for i, r := range runs {
		if i > 0 {
			t.length += phaseGap
		}
		t.start = append(t.start, t.length)
		t.length += r.windowEnd().Sub(r.openedAt).Seconds()
	}
	return t
}

// x is the place of an instant of run i on the axis.
func (t timeline) x(i int, at time.Time) float64 {
	return t.start[i] + at.Sub(t.runs[i].openedAt).Seconds()
}

func (t timeline) within(i int, at time.Time) bool {
	return !at.Before(t.runs[i].openedAt) && !at.After(t.runs[i].windowEnd())
}

// Ticks implements plot.Ticker: seconds from the start of each phase's window.
func (t timeline) Ticks(_, _ float64) []plot.Tick {
	var ticks []plot.Tick
	for i, r := range t.runs {
		step := 10
		if t.runs[0].setup.seconds < 10 {
			step = 2
		}
		for s := 0; s <= r.setup.seconds; s += step {
			ticks = append(ticks, plot.Tick{Value: t.x(i, r.windowAt.Add(time.Duration(s)*time.Second)), Label: strconv.Itoa(s)})
		}
	}
	return ticks
}

// evenTicks labels every multiple of a step.
func evenTicks(step, top float64) plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for v := 0.0; v <= top; v += step {
		ticks = append(ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'g', 3, 64)})
	}
	return ticks
}

// latencyTicks are decades with their unit: 10 ms, 100 ms, 1 s.
type latencyTicks struct{}

// Ticks implements plot.Ticker for values in milliseconds.
func (latencyTicks) Ticks(low, high float64) []plot.Tick {
	ticks := plot.LogTicks{Prec: -1}.Ticks(low, high)
	for i, t := range ticks {
		if t.Label != "" {
			ticks[i].Label = latencyLabel(t.Value)
		}
	}
	return ticks
}

func latencyLabel(ms float64) string {
	if ms >= 1000 {
		return strconv.FormatFloat(ms/1000, 'g', 6, 64) + " s"
	}
	return strconv.FormatFloat(ms, 'g', 6, 64) + " ms"
}

// panel is one plot over the timeline, with the phases marked.
func (t timeline) panel(yLabel string, top float64) *plot.Plot {
	p := plot.New()
	p.X.Min, p.X.Max = 0, t.length
	p.Y.Min, p.Y.Max = 0, top
	p.X.Tick.Marker = t
	p.Y.Label.Text = yLabel
	style(p)
	return p
}

func style(p *plot.Plot) {
	sans := font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Points(9)}
	for _, s := range []*text.Style{&p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle} {
		s.Font = sans
		s.Color = grey
	}
	p.Title.TextStyle.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Weight: xfont.WeightBold, Size: vg.Points(11)}
	p.Title.Padding = vg.Points(5)
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.LineStyle.Color, a.LineStyle.Width = grey, vg.Points(0.5)
		a.Tick.LineStyle.Color, a.Tick.LineStyle.Width = grey, vg.Points(0.5)
		a.Padding = 0
	}
	p.Legend.Top, p.Legend.Left = true, false
	p.Legend.Padding = vg.Points(2)
}

// backdrop shades the warm-ups and names the phases along the top edge.
func (t timeline) backdrop(p *plot.Plot, names bool) error {
	low, high := p.Y.Min, p.Y.Max
	for i, r := range t.runs {
		window := t.x(i, r.windowAt)
		area, err := plotter.NewPolygon(plotter.XYs{{X: t.start[i], Y: low}, {X: window, Y: low}, {X: window, Y: high}, {X: t.start[i], Y: high}})
		if err != nil {
			return err
		}
		area.Color, area.LineStyle.Width = shade, 0
		p.Add(area)
		edge, err := line(plotter.XYs{{X: window, Y: low}, {X: window, Y: high}}, faint, 0.8)
		if err != nil {
			return err
		}
		p.Add(edge)
	}
	if !names {
		return nil
	}
	return t.names(p)
}

func (t timeline) names(p *plot.Plot) error {
	var at plotter.XYs
	var names []string
	for i, r := range t.runs {
		at = append(at, plotter.XY{X: t.x(i, r.windowAt), Y: p.Y.Max})
		names = append(names, string(r.phase))
	}
	labels, err := plotter.NewLabels(plotter.XYLabels{XYs: at, Labels: names})
	if err != nil {
		return err
	}
	for i := range labels.TextStyle {
		s := &labels.TextStyle[i]
		s.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Points(9.5)}
		s.Color = color.Black
		s.YAlign = text.YTop
	}
	labels.Offset = vg.Point{X: vg.Points(3), Y: vg.Points(-3)}
	p.Add(labels)
	return nil
}

func line(points plotter.XYs, c color.Color, width float64) (*plotter.Line, error) {
	l, err := plotter.NewLine(points)
	if err != nil {
		return nil, err
	}
	l.Color, l.Width = c, vg.Points(width)
	return l, nil
}

// curve is one thing that is drawn in every phase with one entry in the legend.
type curve struct {
	name   string
	color  color.Color
	width  float64 // points; 0: 1.3. A wide curve shows below a narrow one
	dashed bool
	steps  bool
	points func(i int, r *phaseRun) plotter.XYs
}

func (t timeline) draw(p *plot.Plot, curves ...curve) error {
	for _, c := range curves {
		named := false
		for i, r := range t.runs {
			points := c.points(i, r)
			if len(points) < 2 {
				continue
			}
			l, err := line(points, c.color, cmp.Or(c.width, 1.3))
			if err != nil {
				return fmt.Errorf("plot %s of %s: %w", c.name, r.phase, err)
			}
			if c.dashed {
				l.Dashes, l.Width = []vg.Length{vg.Points(4), vg.Points(3)}, vg.Points(1)
			}
			if c.steps {
				l.StepStyle = plotter.PostStep
			}
			p.Add(l)
			if !named && !t.plain {
				p.Legend.Add(c.name, l)
				named = true
			}
		}
	}
	return nil
}

// level is a horizontal line over each phase.
func (t timeline) level(name string, c color.Color, y float64) curve {
	return curve{name: name, color: c, dashed: true, points: func(i int, r *phaseRun) plotter.XYs {
		return plotter.XYs{{X: t.start[i], Y: y}, {X: t.x(i, r.windowEnd()), Y: y}}
	}}
}
