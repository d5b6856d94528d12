package worklog

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWriteThenParse(t *testing.T) {
	lines := []any{
		Start{Type: KindStart, Role: "service", UnixNS: 12},
		Measure{Type: KindMeasure, UnixNS: 1_500_000_000},
		Second{Type: KindSecond, Second: 3, Arrivals: 4, LatencyUS: []int64{4000, 9000}, UnfinishedUS: []int64{70}, Shed: 1},
		End{Type: KindEnd, Role: "service", Requests: 4, Finished: 2, Unfinished: 1, Shed: 1, SpansSent: 8, CPUSeconds: 0.5},
	}
	var b bytes.Buffer
	for _, l := range lines {
		require.NoError(t, Write(&b, l))
	}
	var got []any
	for line := range strings.Lines(b.String()) {
		v, err := Parse([]byte(line))
		require.NoError(t, err)
		got = append(got, v)
	}
	assert.Equal(t, lines, got)
	assert.EqualValues(t, 1_500, got[1].(Measure).At().UnixMilli())
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		``:                               "unexpected end",
		`{"type":"x"}`:                   `line type "x" is unknown; allowed are start, measure, second and end`,
		`{"type":"second"`:               "unexpected end",
		`{"type":"start","unix_ns":"a"}`: "cannot unmarshal",
		`{"type":"second","second":2,"arrivals":2,"latency_us":[1]}`: "second 2 has 2 arrivals and accounts for 1",
		`{"type":"second","second":-1,"arrivals":0}`:                 "second -1",
	} {
		_, err := Parse([]byte(text))
		assert.ErrorContains(t, err, want, "line %s", text)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"type":"second","second":2,"arrivals":2,"latency_us":[1,5]}`))
	f.Add([]byte(`{"type":"end","role":"service","requests":4}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		v, err := Parse(line)
		if err != nil {
			return
		}
		var b bytes.Buffer
		require.NoError(t, Write(&b, v))
		again, err := Parse(b.Bytes())
		require.NoError(t, err)
		require.Equal(t, v, again)
	})
}

func BenchmarkParse(b *testing.B) {
	line := []byte(`{"type":"second","second":2,"arrivals":200,"latency_us":[` + strings.Repeat("4000,", 199) + `4000]}`)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(line); err != nil {
			b.Fatal(err)
		}
	}
}
