package cgroup

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

func itoa(n int) string { return strconv.Itoa(n) }

func writeFile(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

func FuzzParseMountinfo(f *testing.F) {
	f.Add([]byte("32 31 0:29 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu\n"))
	f.Add([]byte("41 31 0:38 /../x /mnt/a\\040b rw - cgroup2 cgroup2 rw\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		mounts, err := parseMountinfo(text)
		if err != nil && mounts != nil {
			t.Fatal("mounts together with an error")
		}
		for _, m := range mounts {
			if rel, ok := m.below("/docker/x"); ok && !filepath.IsLocal(rel) {
				t.Fatalf("%q leaves the mount", rel)
			}
		}
	})
}

func FuzzParseMembership(f *testing.F) {
	f.Add([]byte("4:cpu,cpuacct:/docker/a\n0::/x (deleted)\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		members, err := parseMembership(text)
		if err != nil {
			return
		}
		for _, m := range members {
			if m.path == "" && !m.deleted || len(ownGroup(m.path)) > len(m.path) {
				t.Fatalf("path %q", m.path)
			}
		}
	})
}

func FuzzParseCPUMax(f *testing.F) {
	f.Add("max 100000")
	f.Add("50000 100000")
	f.Fuzz(func(t *testing.T, text string) {
		if q, err := parseCPUMax(text); err == nil && (q.QuotaUS < NoQuota || q.CPUs() < 0) {
			t.Fatalf("%q → %v", text, q)
		}
	})
}

func FuzzParseCPU(f *testing.F) {
	f.Add([]byte("nr_periods 12\nnr_throttled 10\nthrottled_time 1413365202\n"))
	f.Add([]byte("usage_usec 584714\nuser_usec 560000\nsystem_usec 24714\n"))
	f.Add([]byte("user 56\nsystem 1\n"))
	f.Add([]byte("297451880 287263105 \n"))
	f.Add([]byte("some avg10=0.00 avg60=0.00 avg300=0.00 total=999\n"))
	f.Add([]byte("162068196 711605041 174\n"))
	f.Fuzz(func(_ *testing.T, text []byte) {
		var c CPU
		parseCPUStat(text, &c)
		parseCPUAcctStat(text, &c)
		c.PerCPUNS = parsePerCPU(text, c.PerCPUNS)
		parsePressure(text)
		parseSchedstat(text)
		parseStartTicks(text)
		single(text)
	})
}

func FuzzParseMemoryStat(f *testing.F) {
	f.Add([]byte("cache 8192\ntotal_inactive_file 1\n"), false)
	f.Add([]byte("anon 655360\nfile_dirty 3\n"), true)
	f.Fuzz(func(t *testing.T, text []byte, v2 bool) {
		m := Memory{UsageBytes: 1 << 20}
		m.Detail.parse(text, v2)
		if m.WorkingSet() > m.UsageBytes {
			t.Fatal("the working set is larger than the usage")
		}
	})
}

func FuzzParseBlkio(f *testing.F) {
	f.Add([]byte("254:0 Read 4096\n254:0 Total 12288\nTotal 12288\n8:0 5\n"))
	f.Add([]byte("254:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		parseBlkio(text, nil)
		var b Blkio
		parseIOStat(text, &b, 1<<BlkioServiceBytes)
		if len(b.Entries[BlkioServiced]) > 0 {
			t.Fatal("a figure that was not wanted")
		}
	})
}

func FuzzParseNetDev(f *testing.F) {
	f.Add([]byte("Inter-|\n face |\n  eth0:     486       5    1    2    0     0          0         0      972      10    3    4    0     0       0          0\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, i := range parseNetDev(text, make([]Interface, 0, 1)) {
			if i.Name == "" || i.Name == "lo" {
				t.Fatalf("interface %q", i.Name)
			}
		}
	})
}

func BenchmarkParseMemoryStat(b *testing.B) {
	text := []byte("cache 8192\nrss 655360\nrss_huge 2097152\nshmem 0\nmapped_file 4096\ndirty 1024\nwriteback 2048\n" +
		"pgpgin 901\npgpgout 741\npgfault 1212\npgmajfault 3\ninactive_anon 647168\nactive_anon 4096\ninactive_file 6144\n" +
		"active_file 2048\nunevictable 0\nhierarchical_memory_limit 268435456\ntotal_cache 16384\ntotal_rss 655361\n" +
		"total_inactive_file 8192\ntotal_active_file 2049\ntotal_unevictable 1\n")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	var m MemoryStat
	for b.Loop() {
		m.parse(text, false)
	}
}

func BenchmarkParseNetDev(b *testing.B) {
	text := []byte("Inter-|   Receive\n face |bytes\n    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0\n" +
		"  eth0:     486       5    1    2    0     0          0         0      972      10    3    4    0     0       0          0\n")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	var out []Interface
	for b.Loop() {
		out = parseNetDev(text, out)
	}
}
