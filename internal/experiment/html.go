package experiment

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/governor-project/governor/internal/api"
)

//go:embed report.html.tmpl
var pageText string

// page is what the template shows.
type page struct {
	Report   Report
	Scenario Scenario
	Figures  []pageFigure
	Events   []pageEvent
	Omitted  int // decisions beyond those in Events
	Governed bool
}

type pageFigure struct {
	Title string
	SVG   template.HTML
}

// pageEvent is one decision; Seconds counts from the start of the window.
type pageEvent struct {
	Seconds float64
	api.Decision
}

// maxEvents bounds the list of decisions in the page.
const maxEvents = 200

// writeReport writes report.json, report.html and the PNG files into dir.
func writeReport(dir string, s Scenario, r Report, runs []*phaseRun) error {
	if err := r.writeJSON(dir); err != nil {
		return err
	}
	list, err := figures(s, runs)
	if err != nil {
		return err
	}
	p := page{Report: r, Scenario: s}
	for _, f := range list {
		if err := f.writePNG(dir); err != nil {
			return err
		}
		svg, err := f.svg()
		if err != nil {
			return err
		}
		p.Figures = append(p.Figures, pageFigure{Title: f.title, SVG: inline(svg)})
	}
	p.addEvents(runs)
	text, err := p.render()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "report.html"), text, 0o644)
}

func (p *page) addEvents(runs []*phaseRun) {
	for _, r := range runs {
		if r.phase != Governed {
			continue
		}
		p.Governed = true
		for _, d := range r.decisions {
			if len(p.Events) == maxEvents {
				p.Omitted++
				continue
			}
			p.Events = append(p.Events, pageEvent{Seconds: d.Time.Sub(r.windowAt).Seconds(), Decision: d})
		}
	}
}

var (
	svgHead  = regexp.MustCompile(`(?s)^.*?<svg[^>]*?(viewBox="[^"]*")[^>]*>`)
	svgSpace = regexp.MustCompile(`\s(xmlns|xlink)(:\w+)?="[^"]*"`)
)

// inline makes an SVG document part of an HTML page: no prologue, no name
// spaces (HTML knows them), and the width that the page gives it.
func inline(svg []byte) template.HTML {
	text := svgHead.ReplaceAll(svg, []byte(`<svg $1 role="img">`))
	return template.HTML(svgSpace.ReplaceAll(text, nil)) //nolint:gosec // drawn by us from numbers and constant names
}

func (p page) render() ([]byte, error) {
	functions := template.FuncMap{
		"ms":   func(d time.Duration) float64 { return milliseconds(d) },
		"mark": mark,
		"mb":   func(bytes uint64) float64 { return float64(bytes) / 1e6 },
	}
	t, err := template.New("report").Funcs(functions).Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("report.html: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return nil, fmt.Errorf("report.html: %w", err)
	}
	return b.Bytes(), nil
}
