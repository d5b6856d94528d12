package experiment

import (
	"bytes"
	"fmt"
	"image/color"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// figure is one image of the report: plots below each other over one time axis.
type figure struct {
	name  string // of the PNG file
	title string
	plots []*plot.Plot
}

// Size of a figure: the width, and the height of each plot in it.
const (
	figureWidth  = 28 * vg.Centimeter
	figureHeight = 7 * vg.Centimeter
	pngDPI       = 144
)

// figures makes the images of a scenario.
func figures(s Scenario, runs []*phaseRun) ([]figure, error) {
	t := newTimeline(s, runs)
	list := []figure{
		{name: "cpu", title: "CPU of both containers"},
		{name: "latency", title: "Latency of the service, per second, against the target"},
		{name: "limits", title: "Limits of both containers, with a mark at each decision of the agent"},
	}
	makers := [][]func() (*plot.Plot, error){{t.cpuPlot}, {t.latencyPlot}, {t.allowedPlot, t.weightPlot}}
	for i := range list {
		for _, make := range makers[i] {
			p, err := make()
			if err != nil {
				return nil, fmt.Errorf("figure %s: %w", list[i].name, err)
			}
			list[i].plots = append(list[i].plots, p)
		}
		list[i].plots[0].Title.Text = s.Name + ": " + list[i].title
		list[i].plots[len(list[i].plots)-1].X.Label.Text = "seconds of each phase's measured window, which begins with the interference (shaded: warm-up)"
	}
	return list, nil
}

func (f figure) size() (w, h vg.Length) {
	return figureWidth, figureHeight * vg.Length(len(f.plots))
}

// paint draws the plots below each other, their axes aligned.
func (f figure) paint(c draw.Canvas) {
	rows := make([][]*plot.Plot, len(f.plots))
	for i, p := range f.plots {
		p.BackgroundColor = color.White
		rows[i] = []*plot.Plot{p}
	}
	tiles := draw.Tiles{Rows: len(rows), Cols: 1, PadTop: vg.Points(6), PadRight: vg.Points(8), PadLeft: vg.Points(4), PadBottom: vg.Points(4), PadY: vg.Points(6)}
	for i, row := range plot.Align(rows, tiles, c) {
		f.plots[i].Draw(row[0])
	}
}

// svg is the figure as an SVG document.
func (f figure) svg() ([]byte, error) {
	c := vgsvg.New(f.size())
	f.paint(draw.New(c))
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("figure %s: %w", f.name, err)
	}
	return b.Bytes(), nil
}

// writePNG writes the figure as dir/name.png.
func (f figure) writePNG(dir string) (err error) {
	w, h := f.size()
	c := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(w, h), vgimg.UseDPI(pngDPI), vgimg.UseBackgroundColor(color.White))}
	f.paint(draw.New(c))
	file, err := os.Create(filepath.Join(dir, f.name+".png"))
	if err != nil {
		return err
	}
	if _, err := c.WriteTo(file); err != nil {
		_ = file.Close()
		return fmt.Errorf("figure %s: %w", f.name, err)
	}
	return file.Close()
}
