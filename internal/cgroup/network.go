package cgroup

import (
	"fmt"
	"os"
	"strconv"
)

// Interface is the traffic of one network interface, as counters.
type Interface struct {
	Name                                    string
	RxBytes, RxPackets, RxErrors, RxDropped uint64
	TxBytes, TxPackets, TxErrors, TxDropped uint64
}

// Network reads the interfaces that the process sees, but for the loopback and
// unused fallback tunnels, through root/proc/PID/net/dev. out is reused. The
// descriptor is kept: the counters stay readable when that process exits before
// its container.
func (s *Stats) Network(pid int, out *[]Interface) error {
	f := &s.files[fileNet]
	if f.state == fileOpen && s.netPID != pid {
		if err := f.close(); err != nil {
			return err
		}
	}
	if f.state != fileOpen {
		fd, err := openFile(s.group.fs.procPath(strconv.Itoa(pid), "net", "dev"))
		if err != nil {
			return fmt.Errorf("network of process %d: %w", pid, gone(err))
		}
		f.fd, f.state, s.netPID = fd, fileOpen, pid
	}
	text, err := readAll(f.fd, &s.buf)
	if err != nil {
		return fmt.Errorf("network of process %d: %w", pid, gone(err))
	}
	*out = parseNetDev(text, *out)
	return nil
}

// netDevColumns is the number of counters in a line of /proc/net/dev.
const netDevColumns = 16

// parseNetDev reads /proc/PID/net/dev, reusing out and the names in it.
// Source of the columns: Linux net/core/net-procfs.c, dev_seq_printf_stats.
func parseNetDev(text []byte, out []Interface) []Interface {
	n := 0
	for len(text) > 0 {
		var line []byte
		line, text = nextLine(text)
		name, counters, ok := netDevLine(line)
		if !ok || string(name) == "lo" || isFallback(name) && counters == [netDevColumns]uint64{} {
			continue
		}
		if n < cap(out) {
			out = out[:n+1]
		} else {
			out = append(out[:n], Interface{})
		}
		i := &out[n]
		if i.Name != string(name) {
			i.Name = string(name)
		}
		i.RxBytes, i.RxPackets, i.RxErrors, i.RxDropped = counters[0], counters[1], counters[2], counters[3]
		i.TxBytes, i.TxPackets, i.TxErrors, i.TxDropped = counters[8], counters[9], counters[10], counters[11]
		n++
	}
	return out[:n]
}

func netDevLine(line []byte) (name []byte, counters [netDevColumns]uint64, ok bool) {
	line = skipSpaces(line)
	i := len(line) - 1
	for i >= 0 && line[i] != ':' { // the last colon: alias names may have one
		i--
	}
	if i <= 0 {
		return nil, counters, false // the two header lines
	}
	name, rest := line[:i], line[i+1:]
	for column := range counters {
		if counters[column], rest, ok = leadingUint(skipSpaces(rest)); !ok {
			return nil, counters, false
		}
	}
	return name, counters, true
}

// isFallback names the tunnel devices that the kernel makes in every network
// namespace when their module is loaded.
// Source: Linux Documentation/admin-guide/sysctl/net.rst, fb_tunnels_only_for_init_net.
func isFallback(name []byte) bool {
	switch string(name) {
	case "tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0":
		return true
	}
	return false
}

// SharesHostNetwork reports whether the process lives in the network namespace
// of the host's init process, so that its interfaces are the host's. Where that
// process may not be looked at, this process stands in for it.
func (f *FS) SharesHostNetwork(pid int) (bool, error) {
	own, err := os.Readlink(f.procPath(strconv.Itoa(pid), "ns", "net"))
	if err != nil {
		return false, fmt.Errorf("network namespace of process %d: %w", pid, gone(err))
	}
	host, err := os.Readlink(f.procPath("1", "ns", "net"))
	if err != nil {
		host, err = os.Readlink(f.procPath("self", "ns", "net"))
	}
	if err != nil {
		return false, fmt.Errorf("network namespace of the host: %w", err)
	}
	return own == host, nil
}
