package inventory

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/governor-project/governor/internal/appspec"
)

func id(n int) string { return fmt.Sprintf("%064x", n) }

// idOf puts the number in front, where short IDs look.
func idOf(n int) string { return fmt.Sprintf("%012x%052d", n, 0) }

func withAddress(n int, addr string) Container {
	return Container{ID: idOf(n), Networks: []Network{{Name: "bridge", Addresses: []netip.Addr{netip.MustParseAddr(addr)}}}}
}

func TestZeroStoreIsEmptyAndUnsynced(t *testing.T) {
	var s Store
	assert.Empty(t, s.Containers())
	assert.False(t, s.Synced())
	assert.Zero(t, s.Generation())
	_, ok := s.ByGUID("")
	assert.False(t, ok)
	_, ok = s.ByID(id(1))
	assert.False(t, ok)
	_, ok = s.ByAddress(netip.Addr{})
	assert.False(t, ok)
}

func TestStoreFindsByEveryKey(t *testing.T) {
	var s Store
	a, b := withAddress(1, "172.17.0.2"), withAddress(2, "172.17.0.3")
	a.GUID = "hotrod-0123456789ab"
	s.Replace([]Container{b, a})
	require.True(t, s.Synced())
	assert.Equal(t, []string{a.ID, b.ID}, []string{s.Containers()[0].ID, s.Containers()[1].ID}, "sorted by ID")

	got, ok := s.ByGUID("hotrod-0123456789ab")
	require.True(t, ok)
	assert.Equal(t, a.ID, got.ID)
	_, ok = s.ByGUID("")
	assert.False(t, ok, "a container without GUID is not found by the empty one")

	for _, prefix := range []string{b.ID, b.ID[:12], b.ID[:40]} {
		got, ok = s.ByID(prefix)
		require.True(t, ok, prefix)
		assert.Equal(t, b.ID, got.ID)
	}
	for _, wrong := range []string{"", b.ID[:11], b.ID[:20] + "f", b.ID + "0"} {
		_, ok = s.ByID(wrong)
		assert.False(t, ok, wrong)
	}

	got, ok = s.ByAddress(netip.MustParseAddr("::ffff:172.17.0.3"))
	require.True(t, ok, "an IPv4 address in IPv6 form is the same address")
	assert.Equal(t, b.ID, got.ID)
}

func TestAddressesMoveWithTheirContainer(t *testing.T) {
	var s Store
	s.Replace([]Container{withAddress(1, "172.17.0.2")})
	s.Remove(idOf(1))
	s.Put(withAddress(2, "172.17.0.2"))
	got, ok := s.ByAddress(netip.MustParseAddr("172.17.0.2"))
	require.True(t, ok)
	assert.Equal(t, idOf(2), got.ID)
}

func TestHandedOutContentDoesNotChange(t *testing.T) {
	var s Store
	in := []Container{{ID: idOf(1), Name: "one"}}
	s.Replace(in)
	in[0].Name = "changed by the caller"
	before := s.Containers()
	s.Put(Container{ID: idOf(1), Name: "two"})
	s.Put(Container{ID: idOf(2)})
	assert.Equal(t, "one", before[0].Name)
	assert.Len(t, before, 1)
	assert.Equal(t, "two", s.Containers()[0].Name)
}

func TestSubscribersAreToldOnceForSeveralChanges(t *testing.T) {
	var s Store
	changes, cancel := s.Subscribe()
	s.Put(Container{ID: idOf(1)})
	s.Put(Container{ID: idOf(2)})
	<-changes
	assert.Len(t, s.Containers(), 2, "the signal comes after the change")
	select {
	case <-changes:
		t.Fatal("merged into one")
	default:
	}
	s.SetSynced(true)
	<-changes
	assert.True(t, s.Synced())
	cancel()
	s.Remove(idOf(1))
	select {
	case <-changes:
		t.Fatal("the subscription has ended")
	default:
	}
}

// The store is compared with a plain map under random changes.
func TestStoreAgreesWithAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Store
		model := map[string]Container{}
		synced, generation := false, s.Generation()
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			n := rapid.IntRange(0, 9).Draw(t, "container")
			switch rapid.IntRange(0, 3).Draw(t, "operation") {
			case 0, 1:
				c := Container{ID: idOf(n), GUID: fmt.Sprintf("image-%012d", n), PID: rapid.IntRange(0, 99).Draw(t, "pid")}
				s.Put(c)
				model[c.ID] = c
			case 2:
				s.Remove(idOf(n))
				delete(model, idOf(n))
			case 3:
				synced = !synced
				s.SetSynced(synced)
			}
			if s.Generation() <= generation {
				t.Fatalf("the generation did not grow")
			}
			generation = s.Generation()
		}
		if s.Synced() != synced || len(s.Containers()) != len(model) {
			t.Fatalf("store %v %d, model %v %d", s.Synced(), len(s.Containers()), synced, len(model))
		}
		for _, want := range model {
			got, ok := s.ByGUID(want.GUID)
			if !ok || got.PID != want.PID {
				t.Fatalf("%s: got %+v, want %+v", want.GUID, got, want)
			}
		}
	})
}

func TestLabelsRoundTrip(t *testing.T) {
	policy := appspec.Policy{
		Class:     appspec.LatencyCritical,
		Objective: appspec.Objective{Percentile: 99.9, Target: 12500 * 1000, Scope: appspec.ScopeService},
		CPU:       appspec.CPUBounds{Min: 0.25, Max: 3, Weight: 250},
	}
	got, err := PolicyFromLabels(Labels(Identity{GUID: "g", App: "shop", Container: "web", SpecHash: "h"}, policy))
	require.NoError(t, err)
	assert.Equal(t, policy, got)

	got, err = PolicyFromLabels(map[string]string{"com.example": "unrelated"})
	require.NoError(t, err)
	assert.Equal(t, appspec.Policy{Class: appspec.Unmanaged}, got)

	got, err = PolicyFromLabels(map[string]string{LabelClass: "latency_critical", LabelObjectivePercentile: "95", LabelObjectiveTarget: "50ms"})
	require.NoError(t, err)
	assert.Equal(t, appspec.ScopeTrace, got.Objective.Scope, "the default scope")
}

func TestBadLabelsAreAllReported(t *testing.T) {
	policy, err := PolicyFromLabels(map[string]string{
		LabelClass: "vip", LabelObjectivePercentile: "many", LabelObjectiveTarget: "50", LabelObjectiveScope: "world",
		LabelCPUMin: "1 core", LabelCPUMax: "", LabelCPUWeight: "0x",
	})
	require.Error(t, err)
	assert.Equal(t, appspec.Policy{Class: appspec.Unmanaged}, policy)
	lines := strings.Split(err.Error(), "\n")
	assert.Len(t, lines, 7)
	assert.Contains(t, err.Error(), `label governor.class="vip": class "vip" is unknown; allowed are latency_critical, best_effort and unmanaged`)
	assert.Contains(t, err.Error(), `label governor.cpu.min="1 core": it is not a number`)

	_, err = PolicyFromLabels(map[string]string{LabelClass: "latency_critical", LabelCPUMin: "NaN"})
	require.Error(t, err)
	assert.Contains(t, err.Error(), "objective: missing")
	assert.Contains(t, err.Error(), "cpu.min: NaN is not allowed")
}

func FuzzPolicyFromLabels(f *testing.F) {
	f.Add("latency_critical", "95", "50ms", "trace", "0.5", "4", "100")
	f.Add("best_effort", "", "", "", "-1", "Inf", "NaN")
	f.Fuzz(func(t *testing.T, class, percentile, target, scope, low, high, weight string) {
		policy, err := PolicyFromLabels(map[string]string{
			LabelClass: class, LabelObjectivePercentile: percentile, LabelObjectiveTarget: target, LabelObjectiveScope: scope,
			LabelCPUMin: low, LabelCPUMax: high, LabelCPUWeight: weight,
		})
		if err != nil {
			if policy != (appspec.Policy{Class: appspec.Unmanaged}) {
				t.Fatalf("unusable labels gave %+v", policy)
			}
			return
		}
		if err := policy.Validate(); err != nil {
			t.Fatalf("%+v: %v", policy, err)
		}
		again, err := PolicyFromLabels(Labels(Identity{}, policy))
		if err != nil || again != policy {
			t.Fatalf("%+v → %+v, %v", policy, again, err)
		}
	})
}
