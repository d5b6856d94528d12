package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNewTurn(t *testing.T) {
	sent := shipment{Packets: 100, Spans: 300, Seconds: 2}
	got, err := newTurn(sent, greeting{RSSBytes: 5}, figures{Spans: 270, CPUSeconds: 0.0027, RSSBytes: 7, PeakBytes: 9})
	require.NoError(t, err)
	assert.InDelta(t, 10, got.MicrosecondsPerSpan, 1e-9)
	assert.InDelta(t, 0.1, got.Loss, 1e-9)
	assert.InDelta(t, 150, got.SentPerSecond, 1e-9)
	assert.Equal(t, []float64{5, 7, 9}, []float64{got.StartBytes, got.RSSBytes, got.PeakBytes})
	_, err = newTurn(sent, greeting{}, figures{Spans: 301})
	require.EqualError(t, err, "301 of 300 spans accepted")
	_, err = newTurn(sent, greeting{}, figures{})
	require.EqualError(t, err, "0 of 300 spans accepted")
}

func example() result {
	turns := map[string][]turn{
		nameGovernor: {{MicrosecondsPerSpan: 2, RSSBytes: 10 << 20}, {MicrosecondsPerSpan: 1, RSSBytes: 10 << 20}, {MicrosecondsPerSpan: 4, RSSBytes: 20 << 20}},
		nameContrib:  {{MicrosecondsPerSpan: 8, Loss: 0.5, RSSBytes: 40 << 20}, {MicrosecondsPerSpan: 9, RSSBytes: 40 << 20}, {MicrosecondsPerSpan: 8, RSSBytes: 40 << 20}},
	}
	costs := map[string][]decodeCost{
		nameGovernor: {{100, 10, 1}, {200, 10, 1}}, nameContrib: {{600, 30, 5}, {800, 30, 5}},
	}
	faster := map[string][]decodeCost{nameGovernor: {{100, 10, 1}}, nameContrib: {{300, 30, 5}}}
	return result{
		RatioIs: ratioIs, Turns: 3, Seconds: 5, Cores: 2,
		Cases:  []contest{newContest(3, costRate, turns)},
		Decode: newDecoding([]decodeCase{newDecodeCase(3, 1000, costs), newDecodeCase(19, 7000, faster)}),
	}
}

func TestRatiosAreOfTurnsSideBySide(t *testing.T) {
	c := example().Cases[0]
	assert.InDelta(t, 4, c.Ratio, 1e-9, "of 4, 9 and 2")
	assert.InDelta(t, 4, c.RSSRatio, 1e-9, "of 4, 4 and 2")
	assert.InDelta(t, 2, c.Governor.MicrosecondsPerSpan, 1e-9)
	assert.InDelta(t, 8, c.Contrib.MicrosecondsPerSpan, 1e-9)
	d := example().Decode
	assert.InDelta(t, 5, d.Cases[0].Ratio, 1e-9, "of 6 and 4")
	assert.InDelta(t, 3, d.Ratio, 1e-9, "the lowest")
}

// TestWrittenResult holds the keys that readers of the file rely on.
func TestWrittenResult(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "jaeger.json")
	require.NoError(t, example().write(path))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, json.Unmarshal(content, &got))
	first := got["cases"].([]any)[0].(map[string]any)
	assert.EqualValues(t, 3, first["spans_per_packet"])
	assert.EqualValues(t, 60_000, first["rate"])
	assert.EqualValues(t, 4, first["ratio"])
	ours := first["governor"].(map[string]any)
	assert.EqualValues(t, 2, ours["us_per_span"])
	assert.EqualValues(t, 0, ours["loss"])
	assert.EqualValues(t, 10<<20, ours["rss_bytes"])
	assert.Len(t, ours["turns"], 3)
	assert.EqualValues(t, 8, first["contrib"].(map[string]any)["us_per_span"])
	decode := got["decode"].(map[string]any)
	assert.EqualValues(t, 3, decode["ratio"])
	one := decode["cases"].([]any)[0].(map[string]any)
	assert.EqualValues(t, 150, one["governor"].(map[string]any)["ns_per_span"])
	assert.EqualValues(t, 30, one["contrib"].(map[string]any)["bytes_per_span"])
	assert.EqualValues(t, 5, one["contrib"].(map[string]any)["allocs_per_span"])
}

func TestPrintedResult(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, example().print(&out))
	assert.Contains(t, out.String(), "\n4.0 (2.0–9.0)  3             60000    2.00 (1.00–4.00)  8.00 (8.00–9.00)  0.000 (0.000–0.000)  0.000 (0.000–50.000)")
	assert.Contains(t, out.String(), "\n5.0    3             150 (100–200)  700 (600–800)  10")
}

func TestFlags(t *testing.T) {
	o, err := parse([]string{"-out", "x.json"})
	require.NoError(t, err)
	assert.Equal(t, options{out: "x.json", turns: 3, seconds: 5, tick: 500 * time.Microsecond}, o)
	o, err = parse([]string{"-quick"})
	require.NoError(t, err)
	assert.Equal(t, 1, o.turns)
	_, err = parse([]string{"-turns", "0"})
	require.EqualError(t, err, "-turns 0 -seconds 5 -tick 500µs []: at least one turn of 0.1 s, a tick of at least 10µs, and no arguments")
}
