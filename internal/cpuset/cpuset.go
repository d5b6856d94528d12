// Package cpuset is the set algebra of logical CPUs and the strict parser of
// the kernel's list format ("0-3,8"), which cpuset.cpus, /sys/devices/system/cpu
// and Docker's CpusetCpus share.
//
// It is a pure room: no I/O, no clock. Sets are immutable values; the zero
// value is the empty set and is ready to use.
//
// Source of the format: Linux Documentation/admin-guide/cputopology.rst and
// cgroup-v1/cpusets.rst, "List format".
package cpuset

import (
	"fmt"
	"iter"
	"math/bits"
	"strconv"
	"strings"
)

// MaxCPU is the highest CPU number that Parse accepts: the kernel's own upper
// bound of NR_CPUS on x86-64 (arch/x86/Kconfig, MAXSMP) is 8192 CPUs.
const MaxCPU = 8191

const wordBits = 64

// Set is an immutable set of logical CPU numbers, each in [0, MaxCPU].
type Set struct {
	words string // little-endian bitmap without trailing zero bytes: comparable, usable as a map key
}

// Of returns the set of the given CPUs. It panics on a number outside
// [0, MaxCPU], which is a programming error; text from outside goes through Parse.
func Of(cpus ...int) Set {
	var b bitmap
	for _, c := range cpus {
		if c < 0 || c > MaxCPU {
			panic(fmt.Sprintf("cpuset: CPU %d is outside 0-%d", c, MaxCPU))
		}
		b.add(c)
	}
	return b.set()
}

// Range returns the set {first, …, last}; it is empty when last < first.
func Range(first, last int) Set {
	var b bitmap
	for c := max(first, 0); c <= min(last, MaxCPU); c++ {
		b.add(c)
	}
	return b.set()
}

// Parse reads the kernel's list format: comma-separated decimal numbers and
// inclusive ranges, in any order, without spaces inside. Surrounding white
// space (the kernel's newline) is ignored and an empty text is the empty set.
// Everything else is an error that quotes the text.
func Parse(text string) (Set, error) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return Set{}, nil
	}
	var b bitmap
	for item := range strings.SplitSeq(trimmed, ",") {
		first, last, err := parseItem(item)
		if err != nil {
			return Set{}, fmt.Errorf("cpuset %q: %w", trimmed, err)
		}
		for c := first; c <= last; c++ {
			b.add(c)
		}
	}
	return b.set(), nil
}

func parseItem(item string) (first, last int, err error) {
	low, high, isRange := strings.Cut(item, "-")
	if first, err = parseCPU(low); err != nil {
		return 0, 0, err
	}
	if !isRange {
		return first, first, nil
	}
	if last, err = parseCPU(high); err != nil {
		return 0, 0, err
	}
	if last < first {
		return 0, 0, fmt.Errorf("range %q runs backwards", item)
	}
	return first, last, nil
}

func parseCPU(text string) (int, error) {
	if text == "" {
		return 0, fmt.Errorf("a CPU number is missing; allowed are numbers and ranges such as \"0-3,8\"")
	}
	for _, r := range text {
		if r < '0' || r > '9' {
			return 0, fmt.Errorf("%q is not a CPU number; allowed are numbers and ranges such as \"0-3,8\"", text)
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n > MaxCPU {
		return 0, fmt.Errorf("CPU %s is above the highest possible CPU, %d", text, MaxCPU)
	}
	return n, nil
}

// String returns the kernel's list format; the empty set is "".
func (s Set) String() string {
	var b strings.Builder
	start, prev := -1, -2
	flush := func() {
		if start < 0 {
			return
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(start))
		if prev > start {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(prev))
		}
	}
	for c := range s.All() {
		if c != prev+1 {
			flush()
			start = c
		}
		prev = c
	}
	flush()
	return b.String()
}

// MarshalText and UnmarshalText carry the list format through JSON and YAML.
func (s Set) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is Parse for encoding.TextUnmarshaler.
func (s *Set) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}

// All yields the CPUs in ascending order.
func (s Set) All() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := 0; i < len(s.words); i++ {
			for b := s.words[i]; b != 0; b &= b - 1 {
				if !yield(i*8 + bits.TrailingZeros8(b)) {
					return
				}
			}
		}
	}
}

// Len is the number of CPUs in the set.
func (s Set) Len() int {
	n := 0
	for i := 0; i < len(s.words); i++ {
		n += bits.OnesCount8(s.words[i])
	}
	return n
}

// IsEmpty reports whether the set has no CPU.
func (s Set) IsEmpty() bool { return s.words == "" }

// Contains reports whether cpu is in the set.
func (s Set) Contains(cpu int) bool {
	return cpu >= 0 && cpu/8 < len(s.words) && s.words[cpu/8]&(1<<(cpu%8)) != 0
}

// Equal reports whether both sets have the same CPUs. Sets are also comparable with ==.
func (s Set) Equal(o Set) bool { return s == o }

// IsSubsetOf reports whether every CPU of s is in o.
func (s Set) IsSubsetOf(o Set) bool { return s.Difference(o).IsEmpty() }

// Union is the set of CPUs that are in s or in o.
func (s Set) Union(o Set) Set {
	return s.combine(o, func(a, b byte) byte { return a | b })
}

// Intersect is the set of CPUs that are in both s and o.
func (s Set) Intersect(o Set) Set {
	return s.combine(o, func(a, b byte) byte { return a & b })
}

// Difference is the set of CPUs that are in s and not in o.
func (s Set) Difference(o Set) Set {
	return s.combine(o, func(a, b byte) byte { return a &^ b })
}

// Take returns the n lowest CPUs of the set, or all of them when it has fewer.
func (s Set) Take(n int) Set {
	var b bitmap
	for c := range s.All() {
		if n <= 0 {
			break
		}
		b.add(c)
		n--
	}
	return b.set()
}

func (s Set) combine(o Set, op func(a, b byte) byte) Set {
	out := make([]byte, max(len(s.words), len(o.words)))
	for i := range out {
		out[i] = op(s.at(i), o.at(i))
	}
	return Set{words: trim(out)}
}

func (s Set) at(i int) byte {
	if i < len(s.words) {
		return s.words[i]
	}
	return 0
}

type bitmap struct {
	words [(MaxCPU + 1) / wordBits]uint64
}

func (b *bitmap) add(c int) { b.words[c/wordBits] |= 1 << (c % wordBits) }

func (b *bitmap) set() Set {
	out := make([]byte, 0, 16)
	for i, w := range b.words {
		if w == 0 {
			continue
		}
		for len(out) < (i+1)*8 {
			out = append(out, 0)
		}
		for j := range 8 {
			out[i*8+j] = byte(w >> (8 * j))
		}
	}
	return Set{words: trim(out)}
}

func trim(b []byte) string {
	n := len(b)
	for n > 0 && b[n-1] == 0 {
		n--
	}
	return string(b[:n])
}
