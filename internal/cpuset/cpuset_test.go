package cpuset

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestParseAcceptsKernelLists(t *testing.T) {
	for text, want := range map[string][]int{
		"":          {},
		"\n":        {},
		"0\n":       {0},
		"0-3":       {0, 1, 2, 3},
		"0-1,8,6":   {0, 1, 6, 8},
		"3,3,2-3":   {2, 3},
		"8191":      {8191},
		"7-7":       {7},
		"0-1,64-65": {0, 1, 64, 65},
	} {
		got, err := Parse(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, append([]int{}, slices.Collect(got.All())...), text)
	}
}

func TestParseRefusesEverythingElse(t *testing.T) {
	for text, message := range map[string]string{
		"a":                    `cpuset "a": "a" is not a CPU number; allowed are numbers and ranges such as "0-3,8"`,
		"1,":                   `cpuset "1,": a CPU number is missing; allowed are numbers and ranges such as "0-3,8"`,
		"3-1":                  `cpuset "3-1": range "3-1" runs backwards`,
		"0-":                   `cpuset "0-": a CPU number is missing; allowed are numbers and ranges such as "0-3,8"`,
		"-1":                   `cpuset "-1": a CPU number is missing; allowed are numbers and ranges such as "0-3,8"`,
		"0 1":                  `cpuset "0 1": "0 1" is not a CPU number; allowed are numbers and ranges such as "0-3,8"`,
		"8192":                 `cpuset "8192": CPU 8192 is above the highest possible CPU, 8191`,
		"0-99999999":           `cpuset "0-99999999": CPU 99999999 is above the highest possible CPU, 8191`,
		"99999999999999999999": `cpuset "99999999999999999999": CPU 99999999999999999999 is above the highest possible CPU, 8191`,
		"0-1-2":                `cpuset "0-1-2": "1-2" is not a CPU number; allowed are numbers and ranges such as "0-3,8"`,
		"+1":                   `cpuset "+1": "+1" is not a CPU number; allowed are numbers and ranges such as "0-3,8"`,
	} {
		_, err := Parse(text)
		require.Error(t, err, text)
		assert.Equal(t, message, err.Error())
	}
}

func TestStringIsTheKernelsForm(t *testing.T) {
	assert.Equal(t, "", Set{}.String())
	assert.Equal(t, "0-3,8,10-11", Of(10, 11, 8, 0, 1, 2, 3).String())
	assert.Equal(t, "5", Range(5, 5).String())
	assert.Equal(t, "", Range(5, 4).String())
}

func TestTake(t *testing.T) {
	assert.Equal(t, "2-3", Of(2, 3, 9).Take(2).String())
	assert.Equal(t, "2-3,9", Of(2, 3, 9).Take(5).String())
	assert.True(t, Of(2).Take(0).IsEmpty())
}

func TestOfPanicsOutsideTheRange(t *testing.T) {
	assert.Panics(t, func() { Of(-1) })
	assert.Panics(t, func() { Of(MaxCPU + 1) })
}

func cpus(t *rapid.T, label string) []int {
	return rapid.SliceOfN(rapid.IntRange(0, 200), 0, 40).Draw(t, label)
}

// The algebra is compared with the same operations on map[int]bool.
func TestAlgebraAgreesWithMaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := cpus(t, "a"), cpus(t, "b")
		sa, sb := Of(a...), Of(b...)
		inA, inB := member(a), member(b)
		for c := range 201 {
			assert.Equal(t, inA[c], sa.Contains(c))
			assert.Equal(t, inA[c] || inB[c], sa.Union(sb).Contains(c))
			assert.Equal(t, inA[c] && inB[c], sa.Intersect(sb).Contains(c))
			assert.Equal(t, inA[c] && !inB[c], sa.Difference(sb).Contains(c))
		}
		assert.Equal(t, len(inA), sa.Len())
		assert.Equal(t, len(inA) == 0, sa.IsEmpty())
		assert.True(t, sa.Intersect(sb).IsSubsetOf(sa))
		again, err := Parse(sa.String())
		require.NoError(t, err)
		assert.True(t, again == sa && again.Equal(sa))
	})
}

func member(cpus []int) map[int]bool {
	m := map[int]bool{}
	for _, c := range cpus {
		m[c] = true
	}
	return m
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "0", "0-3,8", "8191", "0-8191", "3-1", ",", "1-2-3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(s.String())
		if err != nil || again != s {
			t.Fatalf("%q → %q → %v, %v", text, s, again, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	const text = "0-15,32-47,64-79"
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}
