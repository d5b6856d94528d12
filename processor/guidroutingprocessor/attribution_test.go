package guidroutingprocessor

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/governor-project/governor/internal/inventory"
)

type stringAddr string

func (stringAddr) Network() string  { return "test" }
func (a stringAddr) String() string { return string(a) }

func TestRules(t *testing.T) {
	tcp := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 4711} }
	for name, test := range map[string]struct {
		resource map[string]any
		sender   net.Addr
		id       string
		rule     Rule
	}{
		"guid":                           {map[string]any{"governor.guid": "hotrod-42"}, nil, frontID, RuleGUID},
		"guid in service.name":           {map[string]any{"service.name": "hotrod-42"}, nil, frontID, RuleGUID},
		"governor.guid before the name":  {map[string]any{"governor.guid": "hotrod-42", "service.name": "other"}, nil, frontID, RuleGUID},
		"unknown guid, known name":       {map[string]any{"governor.guid": "gone-1", "service.name": "hotrod-42"}, nil, frontID, RuleGUID},
		"full id":                        {map[string]any{"container.id": plainID}, nil, plainID, RuleContainerID},
		"short id":                       {map[string]any{"container.id": plainID[:12]}, nil, plainID, RuleContainerID},
		"too short an id":                {map[string]any{"container.id": plainID[:11]}, nil, "", ""},
		"another id with the same start": {map[string]any{"container.id": plainID[:63] + "0"}, nil, "", ""},
		"short id as host.name":          {map[string]any{"host.name": frontID[:12]}, nil, frontID, RuleHostname},
		"host.name":                      {map[string]any{"host.name": "front.shop"}, nil, frontID, RuleHostname},
		"container.hostname":             {map[string]any{"host.name": "elsewhere", "container.hostname": "front.shop"}, nil, frontID, RuleHostname},
		"short host name of Docker":      {map[string]any{"host.name": plainID[:12]}, nil, plainID, RuleHostname},
		"host name of two containers":    {map[string]any{"host.name": "twin"}, nil, "", ""},
		"host name of the host":          {map[string]any{"host.name": "thehost"}, nil, "", ""},
		"container name is no host name": {map[string]any{"host.name": "plain"}, nil, "", ""},
		"peer attribute":                 {map[string]any{"network.peer.address": "172.17.0.3"}, nil, plainID, RulePeerIP},
		"peer attribute with port":       {map[string]any{"network.peer.address": "172.17.0.3:6831"}, nil, plainID, RulePeerIP},
		"peer attribute, IPv6":           {map[string]any{"network.peer.address": "fd00::2"}, nil, frontID, RulePeerIP},
		"peer attribute, mapped":         {map[string]any{"network.peer.address": "::ffff:172.17.0.3"}, nil, plainID, RulePeerIP},
		"peer before sender":             {map[string]any{"network.peer.address": "172.17.0.3"}, tcp("172.17.0.2"), plainID, RulePeerIP},
		"foreign peer hides the sender":  {map[string]any{"network.peer.address": "10.0.0.1"}, tcp("172.17.0.2"), "", ""},
		"unreadable peer does not":       {map[string]any{"network.peer.address": "front"}, tcp("172.17.0.2"), frontID, RulePeerIP},
		"TCP sender":                     {nil, tcp("172.17.0.3"), plainID, RulePeerIP},
		"TCP sender, IPv6":               {nil, tcp("fd00::2"), frontID, RulePeerIP},
		"UDP sender":                     {nil, &net.UDPAddr{IP: net.IPv4(172, 17, 0, 3), Port: 1}, plainID, RulePeerIP},
		"IP sender":                      {nil, &net.IPAddr{IP: net.IPv4(172, 17, 0, 3)}, plainID, RulePeerIP},
		"sender in text":                 {nil, stringAddr("172.17.0.3:99"), plainID, RulePeerIP},
		"sender on a Unix socket":        {nil, &net.UnixAddr{Name: "@"}, "", ""},
		"sender is the host":             {nil, tcp("172.17.0.1"), "", ""},
		"nothing known":                  {map[string]any{"service.name": "shop"}, nil, "", ""},
		"nothing at all":                 {nil, nil, "", ""},
		"values that are no strings":     {map[string]any{"governor.guid": 7, "container.id": true, "host.name": []any{"x"}}, nil, "", ""},
		"guid before container.id":       {map[string]any{"governor.guid": "hotrod-42", "container.id": plainID}, nil, frontID, RuleGUID},
		"container.id before host.name":  {map[string]any{"container.id": plainID, "host.name": "front.shop"}, nil, plainID, RuleContainerID},
		"host.name before the sender":    {map[string]any{"host.name": "front.shop"}, tcp("172.17.0.3"), frontID, RuleHostname},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAttributor(newHost().Inventory(), allRules[:])
			attrs := pcommon.NewMap()
			require.NoError(t, attrs.FromRaw(test.resource))
			ctx := client.NewContext(context.Background(), client.Info{Addr: test.sender})
			container, rule := a.find(attrs, senderOf(ctx))
			if test.id == "" {
				assert.Equal(t, unmatched, rule)
				return
			}
			require.Less(t, rule, unmatched)
			assert.Equal(t, test.id, container.ID)
			assert.Equal(t, test.rule, allRules[rule])
		})
	}
}

// A resource that every rule would find: with a rule off, the next one finds it.
func TestRulesCanBeSwitchedOff(t *testing.T) {
	attrs := pcommon.NewMap()
	require.NoError(t, attrs.FromRaw(map[string]any{
		"service.name": "hotrod-42", "container.id": frontID, "host.name": "front.shop", "network.peer.address": "172.17.0.2",
	}))
	for first := range len(allRules) + 1 {
		a := newAttributor(newHost().Inventory(), allRules[first:])
		_, rule := a.find(attrs, netip.Addr{})
		assert.Equal(t, first, rule)
	}
	backwards := newAttributor(newHost().Inventory(), []Rule{RulePeerIP, RuleGUID})
	_, rule := backwards.find(attrs, netip.Addr{})
	assert.Equal(t, RuleGUID, allRules[rule], "the order of the list does not matter")
}

func TestAttributionFollowsTheInventory(t *testing.T) {
	h := newHost()
	a := newAttributor(h.Inventory(), allRules[:])
	find := func(hostname string) string {
		attrs := pcommon.NewMap()
		attrs.PutStr("host.name", hostname)
		c, _ := a.find(attrs, netip.Addr{})
		return c.Name
	}
	assert.Empty(t, find("late.shop"))
	h.store.Put(inventory.Container{ID: strings.Repeat("f6", 32), Name: "late", Hostname: "late.shop"})
	assert.Equal(t, "late", find("late.shop"))
	h.store.Remove(strings.Repeat("d4", 32))
	assert.Equal(t, "twin1", find("twin"), "the name is unambiguous now")
	h.store.Remove(frontID)
	assert.Empty(t, find("front.shop"))
}

// Whatever a sender claims to be: no panic, and an answer only for an address.
func FuzzParsePeer(f *testing.F) {
	for _, seed := range []string{"", "172.17.0.2", "172.17.0.2:6831", "fd00::2%eth0", "[fd00::2]:1", "::ffff:1.2.3.4", "host", "1.2.3.4:"} {
		f.Add(seed)
	}
	a := newAttributor(newHost().Inventory(), allRules[:])
	f.Fuzz(func(t *testing.T, text string) {
		attrs := pcommon.NewMap()
		attrs.PutStr(inventory.AttrPeerAddress, text)
		container, rule := a.find(attrs, netip.Addr{})
		if rule == unmatched {
			return
		}
		require.Equal(t, RulePeerIP, allRules[rule])
		addr := parsePeer(text).Unmap().WithZone("")
		require.Contains(t, container.Networks[0].Addresses, addr)
	})
}
