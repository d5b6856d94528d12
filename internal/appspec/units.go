package appspec

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// sizeUnits are the units of memory sizes. As with Docker, all are powers of 1024.
func sizeUnits() []struct {
	name  string
	bytes float64
} {
	const k = 1024.0
	return []struct {
		name  string
		bytes float64
	}{
		{"kib", k}, {"mib", k * k}, {"gib", k * k * k}, {"tib", k * k * k * k},
		{"kb", k}, {"mb", k * k}, {"gb", k * k * k}, {"tb", k * k * k * k},
		{"k", k}, {"m", k * k}, {"g", k * k * k}, {"t", k * k * k * k}, {"b", 1},
	}
}

// minMemory is the least that the engine accepts, in bytes (moby,
// daemon/daemon_unix.go, linuxMinMemory).
const minMemory = 6 << 20

// ParseSize reads a size with its unit, such as 512MiB or 1.5g, in bytes.
func ParseSize(text string) (int64, error) {
	lower := strings.ToLower(strings.TrimSpace(text))
	if _, err := strconv.ParseFloat(lower, 64); err == nil {
		return 0, fmt.Errorf("%s has no unit; a size is written with one, for example %sMiB", text, text)
	}
	for _, unit := range sizeUnits() {
		figure, ok := strings.CutSuffix(lower, unit.name)
		if !ok {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(figure), 64)
		bytes := value * unit.bytes
		if err != nil || !(bytes >= 0 && bytes < math.MaxInt64) {
			break
		}
		return int64(bytes), nil
	}
	return 0, fmt.Errorf("%q is not a size; allowed are figures with the units B, KiB, MiB, GiB and TiB, for example 512MiB", text)
}

const portForms = `allowed are "8080:80", "0:80" for a free host port, "80", "127.0.0.1:8080:80", each with /udp or /tcp if wanted`

// ParsePort reads a published port in Docker's form: [[IP:]HOST:]CONTAINER[/PROTOCOL].
func ParsePort(text string) (Port, error) {
	fail := func() (Port, error) { return Port{}, fmt.Errorf("port %q is not allowed; %s", text, portForms) }
	rest, protocol, hasProtocol := strings.Cut(text, "/")
	p := Port{Protocol: "tcp"}
	if hasProtocol {
		if protocol != "tcp" && protocol != "udp" {
			return fail()
		}
		p.Protocol = protocol
	}
	rest, container := cutLast(rest)
	number, err := strconv.ParseUint(container, 10, 16)
	if err != nil || number == 0 {
		return fail()
	}
	p.Container = uint16(number)
	if rest == "" {
		return p, nil
	}
	address, host := cutLast(rest)
	if number, err = strconv.ParseUint(host, 10, 16); err != nil {
		return fail()
	}
	p.Host = uint16(number)
	if address == "" {
		return p, nil
	}
	parsed, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(address, "["), "]"))
	if err != nil || parsed.Zone() != "" {
		return fail()
	}
	p.HostIP = parsed.String()
	return p, nil
}

// cutLast splits at the last colon that does not belong to an IPv6 address.
func cutLast(text string) (before, last string) {
	i := strings.LastIndex(text, ":")
	if i < 0 {
		return "", text
	}
	return text[:i], text[i+1:]
}
