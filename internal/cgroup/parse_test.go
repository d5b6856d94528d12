package cgroup

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLeadingUint(t *testing.T) {
	for text, want := range map[string]struct {
		v    uint64
		rest string
		ok   bool
	}{
		"12 x":                 {12, " x", true},
		"18446744073709551615": {18446744073709551615, "", true},
		"18446744073709551616": {0, "18446744073709551616", false},
		"":                     {0, "", false},
		"-1":                   {0, "-1", false},
	} {
		v, rest, ok := leadingUint([]byte(text))
		assert.Equal(t, want.ok, ok, text)
		assert.Equal(t, want.rest, string(rest), text)
		if ok {
			assert.Equal(t, want.v, v, text)
		}
	}
}

func TestParseMountinfo(t *testing.T) {
	mounts, err := parseMountinfo([]byte(strings.Join([]string{
		`32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct`,
		`40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup systemd rw,xattr,release_agent=/usr/x,name=systemd`,
		`41 31 0:38 /docker/a\040b /mnt/a\011b rw - cgroup2 cgroup2 rw,nsdelegate`,
		`27 1 254:0 / / rw - ext4 /dev/vda rw`,
		``,
	}, "\n")))
	require.NoError(t, err)
	assert.Equal(t, []mount{
		{root: "/", point: "/sys/fs/cgroup/cpu,cpuacct", controllers: []string{"cpu", "cpuacct"}},
		{root: "/", point: "/sys/fs/cgroup/systemd", controllers: []string{"name=systemd"}},
		{root: "/docker/a b", point: "/mnt/a\tb", unified: true},
	}, mounts)
	_, err = parseMountinfo([]byte("1 2 - cgroup2 x rw\n"))
	assert.EqualError(t, err, `mount line "1 2 - cgroup2 x rw" has too few fields`)
}

func TestBelow(t *testing.T) {
	for _, c := range []struct {
		root, group, want string
		ok                bool
	}{
		{"/", "/docker/a", "docker/a", true},
		{"/", "/", ".", true},
		{"/docker/a", "/docker/a", ".", true},
		{"/docker/a", "/docker/a/b", "b", true},
		{"/docker/a", "/docker/ab", "", false},
		{"/docker/a", "/docker", "", false},
		{"/../..", "/../../x", "x", true},
		{"/..", "/x", "", false},
		{"/", "/../x", "", false},
	} {
		got, ok := mount{root: c.root}.below(c.group)
		assert.Equal(t, c.ok, ok, c)
		assert.Equal(t, c.want, got, c)
	}
}

func TestHostPathOfATreeMountedIntoAContainer(t *testing.T) {
	f := &FS{root: "/hostfs"}
	assert.Equal(t, "/hostfs/sys/fs/cgroup", f.hostPath("/sys/fs/cgroup"))
	assert.Equal(t, "/hostfs/sys/fs/cgroup", f.hostPath("/hostfs/sys/fs/cgroup"))
	assert.Equal(t, "/sys/fs/cgroup", (&FS{root: "/"}).hostPath("/sys/fs/cgroup"))
}

func TestReadAllGrowsItsBuffer(t *testing.T) {
	file := t.TempDir() + "/large"
	want := strings.Repeat("0123456789\n", 3000)
	require.NoError(t, writeFile(file, want))
	fd, err := openFile(file)
	require.NoError(t, err)
	f := statFile{fd: fd, state: fileOpen}
	defer func() { require.NoError(t, f.close()) }()
	buf := make([]byte, 64)
	got, err := readAll(fd, &buf)
	require.NoError(t, err)
	assert.Equal(t, want, string(got))
}

func TestRunDelayWithMoreTasksThanAreKeptOpen(t *testing.T) {
	r := runDelay{tasks: map[int]*task{}, scratch: make([]byte, 64)}
	root := t.TempDir()
	f := &FS{root: root}
	for round := range 2 {
		r.round++
		for tid := 1; tid <= maxKeptTasks+10; tid++ {
			path := f.procPath(itoa(tid), "schedstat")
			require.NoError(t, writeFile(path, "1 "+itoa(10*(round+1))+" 1\n"))
			require.True(t, r.add(f, tid))
		}
		assert.Equal(t, uint64(10*(round+1)*(maxKeptTasks+10)), r.total)
	}
	open := 0
	for _, task := range r.tasks {
		if task.fd >= 0 {
			open++
		}
	}
	assert.Equal(t, maxKeptTasks, open)
	require.NoError(t, r.close())
}

func TestParsersIgnoreWhatTheyDoNotKnow(t *testing.T) {
	var c CPU
	assert.Equal(t, CPUThrottling, parseCPUStat([]byte("future_key 5\nnr_periods 3\nno number\nnr_throttled x\n\n"), &c))
	assert.Equal(t, uint64(3), c.Periods)
	assert.False(t, parseCPUAcctStat([]byte("user 1\n"), &c))
	_, ok := parsePressure([]byte("full avg10=0 total=3\n"))
	assert.False(t, ok)
	_, ok = parsePressure([]byte("some avg10=0\n"))
	assert.False(t, ok)
	_, ok = parseSchedstat([]byte("12\n"))
	assert.False(t, ok)
	assert.Empty(t, parseBlkio([]byte("8:0\n8:0 Read\n8:0 Read x\n8 Read 3\nTotal 3\n8:0 Read 3 4\n"), nil))
	assert.Equal(t, []BlkioEntry{{Major: 8, Minor: 16, Value: 7}}, parseBlkio([]byte("8:16 7\n"), nil))
	assert.Empty(t, parseNetDev([]byte("head|er\n eth0: 1 2 3\n"), nil))
	_, ok = parseStartTicks([]byte("1 (x) S 1"))
	assert.False(t, ok)
}
