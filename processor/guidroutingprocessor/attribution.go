package guidroutingprocessor

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/governor-project/governor/internal/inventory"
)

// Resource attributes that are read, beside those that are set.
const (
	attrServiceName       = "service.name"
	attrHostName          = "host.name"
	attrContainerHostname = "container.hostname"
)

// shortIDLength is the length of the IDs that Docker shows and gives as host names.
const shortIDLength = 12

// attributor finds the container of a resource. It is safe for concurrent use.
type attributor struct {
	reader inventory.Reader
	on     [len(allRules)]bool // by position in allRules
	names  atomic.Pointer[hostnames]
}

func newAttributor(reader inventory.Reader, rules []Rule) *attributor {
	a := &attributor{reader: reader}
	for i, rule := range allRules {
		for _, wanted := range rules {
			a.on[i] = a.on[i] || wanted == rule
		}
	}
	return a
}

// unmatched is the position after the last rule.
const unmatched = len(allRules)

// clues are the attributes of one resource that tell whose it is.
type clues struct {
	guid, serviceName, containerID, hostName, containerHostname, peer string
}

func readClues(attrs pcommon.Map) clues {
	var c clues
	for key, value := range attrs.All() {
		switch key {
		case inventory.AttrGUID:
			c.guid = value.Str()
		case attrServiceName:
			c.serviceName = value.Str()
		case inventory.AttrContainerID:
			c.containerID = value.Str()
		case attrHostName:
			c.hostName = value.Str()
		case attrContainerHostname:
			c.containerHostname = value.Str()
		case inventory.AttrPeerAddress:
			c.peer = value.Str()
		}
	}
	return c
}

// find returns the container of a resource and the position of the rule that
// found it, or unmatched. sender is the peer of the connection, for resources
// that do not say themselves where they come from.
func (a *attributor) find(attrs pcommon.Map, sender netip.Addr) (inventory.Container, int) {
	c := readClues(attrs)
	for i := range allRules {
		if !a.on[i] {
			continue
		}
		if container, ok := a.try(i, &c, sender); ok {
			return container, i
		}
	}
	return inventory.Container{}, unmatched
}

func (a *attributor) try(rule int, c *clues, sender netip.Addr) (inventory.Container, bool) {
	switch allRules[rule] {
	case RuleGUID:
		return either(a.byGUID, c.guid, c.serviceName)
	case RuleContainerID:
		return a.byID(c.containerID)
	case RuleHostname:
		return either(a.byHostname, c.hostName, c.containerHostname)
	case RulePeerIP:
		return a.byPeer(c.peer, sender)
	}
	return inventory.Container{}, false
}

func either(find func(string) (inventory.Container, bool), first, second string) (inventory.Container, bool) {
	if container, ok := find(first); ok {
		return container, true
	}
	return find(second)
}

func (a *attributor) byGUID(guid string) (inventory.Container, bool) {
	if guid == "" {
		return inventory.Container{}, false
	}
	return a.reader.ByGUID(guid)
}

func (a *attributor) byID(id string) (inventory.Container, bool) {
	if id == "" {
		return inventory.Container{}, false
	}
	return a.reader.ByID(id)
}

// byHostname knows the host names that users gave, and the short IDs that
// Docker gives to the others. A name that several containers have decides nothing.
func (a *attributor) byHostname(name string) (inventory.Container, bool) {
	if name == "" {
		return inventory.Container{}, false
	}
	if id, ok := a.hostnames()[name]; ok {
		return a.byID(id)
	}
	if len(name) == shortIDLength {
		return a.reader.ByID(name)
	}
	return inventory.Container{}, false
}

func (a *attributor) byPeer(peer string, sender netip.Addr) (inventory.Container, bool) {
	addr := parsePeer(peer)
	if !addr.IsValid() {
		addr = sender
	}
	if !addr.IsValid() {
		return inventory.Container{}, false
	}
	return a.reader.ByAddress(addr.Unmap().WithZone(""))
}

// parsePeer accepts an address, and an address with a port as some senders write it.
func parsePeer(text string) netip.Addr {
	if text == "" {
		return netip.Addr{}
	}
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr
	}
	withPort, _ := netip.ParseAddrPort(text) // the zero value is "unknown"
	return withPort.Addr()
}

// senderOf is the address of the connection that a batch came over.
func senderOf(ctx context.Context) netip.Addr {
	switch addr := client.FromContext(ctx).Addr.(type) {
	case nil:
		return netip.Addr{}
	case *net.TCPAddr:
		return addr.AddrPort().Addr()
	case *net.UDPAddr:
		return addr.AddrPort().Addr()
	case *net.IPAddr:
		ip, _ := netip.AddrFromSlice(addr.IP) // the zero value is "unknown"
		return ip
	default:
		return parsePeer(strings.TrimSpace(addr.String()))
	}
}

// hostnames maps host names to full container IDs, as of one generation of the
// inventory; a name that several containers have maps to "".
type hostnames struct {
	generation uint64
	ids        map[string]string
}

// hostnames returns the map of the inventory's present generation, which it
// makes once. Two callers may both make it: that costs time, not correctness.
func (a *attributor) hostnames() map[string]string {
	generation := a.reader.Generation() // before Containers: what is newer is made again by the next caller
	if known := a.names.Load(); known != nil && known.generation == generation {
		return known.ids
	}
	fresh := &hostnames{generation: generation, ids: map[string]string{}}
	for _, c := range a.reader.Containers() {
		if c.Hostname == "" || c.HostNetwork { // on the host's network it is the host's name
			continue
		}
		if _, taken := fresh.ids[c.Hostname]; taken {
			fresh.ids[c.Hostname] = ""
		} else {
			fresh.ids[c.Hostname] = c.ID
		}
	}
	a.names.Store(fresh)
	return fresh.ids
}
