package actuate

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const statLine = "812 (a) b (c) S 1 812 812 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 99 11 18446744073709551615 0 0"

func TestParseStartTime(t *testing.T) {
	start, err := parseStartTime([]byte(statLine))
	require.NoError(t, err)
	assert.EqualValues(t, 123456, start)
	for _, bad := range []string{"", "812 (x", "812 (x) S 1", "1 (x) S 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 x"} {
		_, err := parseStartTime([]byte(bad))
		assert.Error(t, err, bad)
	}
}

func TestStartTimeOfThisProcess(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(os.Getpid()), "stat"))
	require.NoError(t, err)
	start, err := parseStartTime(raw)
	require.NoError(t, err)
	assert.Positive(t, start)
}

func FuzzParseStartTime(f *testing.F) {
	f.Add([]byte(statLine))
	f.Add([]byte("1 ()"))
	f.Fuzz(func(_ *testing.T, stat []byte) { _, _ = parseStartTime(stat) })
}

func FuzzDecodeEntry(f *testing.F) {
	f.Add([]byte(`{"id":"a","name":"a","pid":7,"start":70,"cgroup":"/a","shares":1024,"cpus":"0-1","quota":{"quota_us":-1,"period_us":100000}}`))
	f.Add([]byte(`{"cpus":"9-1"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if e, err := decodeEntry("original/a/70", raw); err == nil && (e.ID != "a" || e.Start != 70 || e.PID <= 0 || e.Path == "") {
			t.Fatalf("accepted %+v", e)
		}
	})
}

func BenchmarkDecodeEntry(b *testing.B) {
	raw := []byte(`{"id":"a","name":"a","pid":7,"start":70,"cgroup":"/a","shares":1024,"cpus":"0-1","quota":{"quota_us":-1,"period_us":100000}}`)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeEntry("original/a/70", raw); err != nil {
			b.Fatal(err)
		}
	}
}
