package agentconfig

import (
	"net"
	"os"
	"path/filepath"
)

// dockerBridgeInterface is the default bridge's name, docs.docker.com/engine/network/drivers/bridge.
const dockerBridgeInterface = "docker0"

// dockerBridge is the IPv4 address of the default Docker bridge. The variable
// GOVERNOR_BRIDGE names another interface.
func dockerBridge() (string, bool) {
	name := os.Getenv("GOVERNOR_BRIDGE")
	if name == "" {
		name = dockerBridgeInterface
	}
	iface, err := net.InterfaceByName(name)
	if err != nil {
		return "", false
	}
	addrs, err := iface.Addrs()
	if err != nil {
		return "", false
	}
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil {
			return ip.IP.String(), true
		}
	}
	return "", false
}

// UserDefaults are the places where an agent without root keeps its state and
// its socket: those of the XDG base directory specification. Values that the
// user set stay.
func UserDefaults(lookup func(string) (string, bool), set func(key, value string) error) error {
	home, err := os.UserHomeDir()
	if err != nil {
		home = os.TempDir()
	}
	state := xdg(lookup, "XDG_STATE_HOME", filepath.Join(home, ".local", "state"))
	run := xdg(lookup, "XDG_RUNTIME_DIR", state)
	for key, value := range map[string]string{
		"GOVERNOR_STATE_DIR": filepath.Join(state, "governor"),
		"GOVERNOR_SOCKET":    filepath.Join(run, "governor", "governor.sock"),
	} {
		if v, ok := lookup(key); ok && v != "" {
			continue
		}
		if err := set(key, value); err != nil {
			return err
		}
	}
	return nil
}

func xdg(lookup func(string) (string, bool), key, fallback string) string {
	if v, ok := lookup(key); ok && filepath.IsAbs(v) {
		return v
	}
	return fallback
}
