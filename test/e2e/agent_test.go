//go:build docker

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheAgentWithNoArguments(t *testing.T) {
	a := startAgent(t, t.TempDir(), nil)

	info, err := os.Stat(a.socket)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "only the owner may start containers")

	bridge := bridgeAddress(t)
	addresses := listeners(t, a.cmd.Process.Pid)
	for _, port := range []string{"udp 127.0.0.1:6831", "udp 127.0.0.1:6832", "udp 127.0.0.1:5775", "tcp 127.0.0.1:4317", "tcp 127.0.0.1:4318", "tcp 127.0.0.1:9411", "tcp 127.0.0.1:14268", "tcp 127.0.0.1:14250",
		"udp " + bridge + ":6831", "tcp " + bridge + ":4317"} {
		assert.Contains(t, addresses, port)
	}
	for _, address := range addresses {
		assert.Regexp(t, `^(tcp|udp) (127\.0\.0\.1|`+regexp.QuoteMeta(bridge)+`):`, address, "nothing listens on a public address")
	}

	assert.Contains(t, a.mustCLI("ps"), "CONTAINER")
	a.stop()
	_, err = os.Stat(a.socket)
	assert.ErrorIs(t, err, os.ErrNotExist, "the socket is gone")
}

func TestWithoutAnEngineTheAgentDoesTheRest(t *testing.T) {
	a := startAgent(t, t.TempDir(), []string{"DOCKER_HOST=unix:///nonexistent/docker.sock"})
	a.eventually("the missing engine is named", startTimeout, func() bool {
		return strings.Contains(a.log.String(), "/nonexistent/docker.sock")
	})
	assert.Contains(t, listeners(t, a.cmd.Process.Pid), "udp 127.0.0.1:6831")
	out, err := a.cli("up", "-f", writeFile(t, "app.yaml", "apps: {a: {class: best_effort, containers: {c: {image: \"x:1\"}}}}"))
	require.Error(t, err)
	assert.Contains(t, out, "/nonexistent/docker.sock")
	a.stop()
}

// The API answers before all pipelines run; a signal then ends the agent in good order too.
func TestASignalDuringTheStartEndsTheAgentInOrder(t *testing.T) {
	a := launch(t, t.TempDir(), nil, nil)
	a.eventually("the socket is there", startTimeout, func() bool { _, err := os.Stat(a.socket); return err == nil })
	a.stop()
	_, err := os.Stat(a.socket)
	assert.ErrorIs(t, err, os.ErrNotExist, "the socket is gone")
}

// uid and gid of Debian's nobody.
const nobody = 65534

func TestWithoutRootTheAgentDoesTheRest(t *testing.T) {
	dir, err := os.MkdirTemp("", "governor-nobody-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chown(dir, nobody, nobody))
	a := launch(t, dir, []string{"GOVERNOR_MODE=enforce"}, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}})
	a.ready()
	a.eventually("the agent says that it may not use Docker", startTimeout, func() bool {
		return strings.Contains(a.log.String(), "/var/run/docker.sock") && strings.Contains(a.log.String(), "permission denied")
	})
	assert.Contains(t, listeners(t, a.cmd.Process.Pid), "tcp 127.0.0.1:4317")
	a.stop()
}

func TestVerbsThatNeedNoAgent(t *testing.T) {
	out, status := run(t, nil, "version")
	assert.Zero(t, status)
	assert.Regexp(t, `^governor \S+ \(collector core v0\.148\.0, go1\.\d+`, out)

	out, status = run(t, nil, "components")
	assert.Zero(t, status)
	for _, name := range []string{"jaeger", "docker_stats", "guid_routing", "cpu_control", "container_lifecycle", "elasticsearch"} {
		assert.Contains(t, out, "name: "+name)
	}

	out, status = run(t, nil, "validate")
	assert.Zero(t, status, out)

	out, status = run(t, nil, "print-config")
	assert.Zero(t, status, out)
	assert.Contains(t, out, "mode: observe")

	_, status = run(t, nil, "no-such-verb")
	assert.NotZero(t, status)
}

func TestAVerbWithoutAnAgent(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "governor.sock")
	out, status := run(t, nil, "ps", "--socket", socket)
	assert.Equal(t, 1, status)
	assert.Contains(t, out, socket)
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func bridgeAddress(t *testing.T) string {
	t.Helper()
	iface, err := net.InterfaceByName("docker0")
	require.NoError(t, err)
	addrs, err := iface.Addrs()
	require.NoError(t, err)
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil {
			return ip.IP.String()
		}
	}
	require.Fail(t, "docker0 has no IPv4 address")
	return ""
}

// listeners are the "tcp|udp ADDRESS:PORT" that a process accepts on, as ss(8) sees them.
func listeners(t *testing.T, pid int) []string {
	t.Helper()
	out, err := exec.Command("ss", "-Hlntup").Output()
	require.NoError(t, err)
	var found []string
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) >= 6 && strings.Contains(line, fmt.Sprintf("pid=%d,", pid)) {
			found = append(found, fields[0]+" "+fields[4])
		}
	}
	return found
}
