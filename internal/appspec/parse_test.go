package appspec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/governor-project/governor/internal/cpuset"
)

func testOptions() Options {
	return Options{Online: cpuset.Range(0, 7), ReservedEnv: []string{"GOVERNOR_GUID", "SUPB_GUID"}}
}

func TestParseReadsEverything(t *testing.T) {
	data, err := os.ReadFile("testdata/good/shop.yaml")
	require.NoError(t, err)
	got, err := Parse("shop.yaml", data, testOptions())
	require.NoError(t, err)
	want := File{Apps: []App{
		{
			Name: "encoder", Policy: Policy{Class: BestEffort},
			Containers: []Container{{Name: "worker", Image: "localhost:5000/team/encoder:3", Restart: "no", Replicas: 4, Pull: PullMissing}},
		},
		{
			Name: "shop",
			Policy: Policy{
				Class:     LatencyCritical,
				Objective: Objective{Percentile: 95, Target: 50 * time.Millisecond, Scope: ScopeTrace},
				CPU:       CPUBounds{Min: 0.5, Max: 4, Weight: 100},
			},
			Tags: map[string]string{"team": "shop"},
			Containers: []Container{
				{
					Name: "frontend", Image: "hotrod:1", Command: []string{"all"},
					Env:       map[string]string{"KEY": "value", "NUMBER": "5", "YES": "true"},
					Ports:     []Port{{Host: 8080, Container: 8080, Protocol: "tcp"}, {Container: 9090, Protocol: "tcp"}, {Container: 7070, Protocol: "tcp"}, {HostIP: "127.0.0.1", Host: 53, Container: 53, Protocol: "udp"}},
					DependsOn: []string{"redis"}, Restart: "unless-stopped", CPUs: cpuset.Of(0, 1), Quota: 1.5, Memory: 512 << 20, Replicas: 1, Pull: PullNever,
				},
				{Name: "redis", Image: "redis:7", Restart: "no", Replicas: 1, Pull: PullMissing},
			},
		},
	}}
	assert.Equal(t, want, got)
}

// Every file of testdata/bad begins with the exact problems that it must give,
// one "# want: " line each, without the file's name.
func TestEveryMistakeHasItsMessage(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	require.NoError(t, err)
	require.Greater(t, len(files), 40)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			_, err = Parse("x.yaml", data, testOptions())
			require.Error(t, err)
			assert.Equal(t, wanted(string(data)), err.Error())
		})
	}
}

func wanted(text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		want, ok := strings.CutPrefix(line, "# want: ")
		switch {
		case !ok:
		case want[0] >= '0' && want[0] <= '9':
			lines = append(lines, "x.yaml:"+want)
		default:
			lines = append(lines, "x.yaml: "+want)
		}
	}
	return strings.Join(lines, "\n")
}

func TestParseIsBounded(t *testing.T) {
	many := func(n int, line func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(line(i))
		}
		return b.String()
	}
	number := func(i int) string { return strings.Repeat("x", i%40) + "." + strings.Repeat("y", i/40) + "z" }
	for name, c := range map[string]struct{ text, want string }{
		"bytes": {"#" + strings.Repeat("x", MaxFileBytes), "at most 1048576 are allowed"},
		"apps": {"apps:\n" + many(MaxApps+1, func(i int) string { return "  a" + number(i) + ": {containers: {w: {image: i}}}\n" }),
			"1001 apps are too many; at most 1000 are allowed"},
		"containers": {"apps:\n" + many(11, func(i int) string { return "  a" + number(i) + ": {containers: {w: {image: i, replicas: 100}}}\n" }),
			"1100 containers are too many; at most 1000 are allowed, replicas counted"},
		"variables": {"apps: {a: {containers: {w: {image: i, env: {" + many(MaxEnv+1, func(i int) string { return "E" + number(i) + ": x, " }) + "}}}}}",
			"501 entries are too many; at most 500 are allowed"},
		"arguments": {"apps: {a: {containers: {w: {image: i, command: [" + strings.Repeat("x,", MaxList+1) + "]}}}}",
			"501 elements are too many; at most 500 are allowed"},
		"text":  {"apps: {a: {containers: {w: {image: i, env: {A: " + strings.Repeat("x", MaxText+1) + "}}}}}", "32769 bytes are too long"},
		"depth": {"apps: " + strings.Repeat("[", 200) + strings.Repeat("]", 200), "not allowed"},
	} {
		_, err := Parse("x.yaml", []byte(c.text), testOptions())
		require.Error(t, err, name)
		assert.Contains(t, err.Error(), c.want, name)
		assert.Less(t, len(err.Error()), 4000, "%s: a message does not repeat its input", name)
	}
}

func TestStartOrder(t *testing.T) {
	app := App{Containers: []Container{
		{Name: "a", DependsOn: []string{"d", "c"}}, {Name: "b"}, {Name: "c", DependsOn: []string{"d"}}, {Name: "d"},
	}}
	var names []string
	for _, c := range StartOrder(app) {
		names = append(names, c.Name)
	}
	assert.Equal(t, []string{"d", "c", "a", "b"}, names)
}

func TestSpecHashTellsWhatMatters(t *testing.T) {
	app := App{Name: "shop", Policy: Policy{Class: BestEffort}}
	c := Container{Name: "web", Image: "hotrod:1", Env: map[string]string{"A": "1", "B": "2"}, Replicas: 1}
	hash := SpecHash(app, c)
	assert.Len(t, hash, specHashLength)
	same := c
	same.Env, same.Replicas = map[string]string{"B": "2", "A": "1"}, 5
	assert.Equal(t, hash, SpecHash(app, same), "order and number of replicas do not matter")
	other := c
	other.Quota = 1
	assert.NotEqual(t, hash, SpecHash(app, other))
	app.Policy.Class = Unmanaged
	assert.NotEqual(t, hash, SpecHash(app, c), "the policy is on the container's labels")
}

func TestImageName(t *testing.T) {
	for ref, want := range map[string]string{
		"hotrod": "hotrod", "hotrod:1": "hotrod", "localhost:5000/team/hotrod:1": "hotrod", "localhost:5000/hotrod": "hotrod",
		"team/hotrod@sha256:" + strings.Repeat("0", 64): "hotrod",
	} {
		assert.Equal(t, want, ImageName(ref), ref)
	}
}

func TestDockerName(t *testing.T) {
	assert.Equal(t, "shop-web", DockerName("shop", Container{Name: "web", Replicas: 1}, 1))
	assert.Equal(t, "shop-web-3", DockerName("shop", Container{Name: "web", Replicas: 4}, 3))
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"512MiB": 512 << 20, "512 mib": 512 << 20, "512m": 512 << 20, "1.5g": 3 << 29, "2TiB": 2 << 40, "100b": 100, "64KB": 64 << 10,
	} {
		got, err := ParseSize(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "MiB", "-1MiB", "NaNMiB", "1e400g", "9999999TiB", "InfB", "5 apples", "7"} {
		_, err := ParseSize(text)
		assert.Error(t, err, text)
	}
}

func TestParsePort(t *testing.T) {
	for text, want := range map[string]string{
		"80": "0:80/tcp", "8080:80": "8080:80/tcp", "0:80/udp": "0:80/udp", "127.0.0.1:8080:80": "127.0.0.1:8080:80/tcp",
		"[::1]:8080:80": "::1:8080:80/tcp", "127.0.0.1:0:80": "127.0.0.1:0:80/tcp",
	} {
		got, err := ParsePort(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got.String())
	}
	for _, text := range []string{"", ":", "a", "80:", ":80:", "65536", "0", "-1", "80/", "80/tcp/udp", "1:2:3:4", "fe80::1%eth0:1:2", "+80"} {
		_, err := ParsePort(text)
		assert.Error(t, err, text)
	}
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/bad/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse("x.yaml", data, testOptions())
		if err != nil {
			if len(err.Error()) == 0 || strings.ContainsAny(err.Error(), "\x00\x1b") {
				t.Fatalf("unusable message %q", err.Error())
			}
			return
		}
		for _, app := range file.Apps {
			if err := app.Policy.Validate(); err != nil {
				t.Fatalf("app %q: %v", app.Name, err)
			}
			if len(StartOrder(app)) != len(app.Containers) {
				t.Fatalf("app %q: a container is missing in the start order", app.Name)
			}
			for _, c := range app.Containers {
				SpecHash(app, c)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	data, err := os.ReadFile("testdata/good/shop.yaml")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("shop.yaml", data, testOptions()); err != nil {
			b.Fatal(err)
		}
	}
}
