package docker

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// engine serves a few hand-written answers on a socket.
func engine(t *testing.T, timeout time.Duration, h http.HandlerFunc) Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	stopped := make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/_ping") {
			return
		}
		if strings.HasSuffix(r.URL.Path, "/version") {
			_, _ = io.WriteString(w, `{"Version":"20.10.24"}`)
			return
		}
		h(w, r)
	})}
	go func() {
		defer close(stopped)
		_ = server.Serve(listener)
	}()
	c, err := New(Options{Host: "unix://" + socket, CallTimeout: timeout, ChangeTimeout: timeout, TransferTimeout: timeout})
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = c.Close()
		_ = server.Close()
		<-stopped
	})
	return c
}

func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func TestEveryCallEndsWhenTheEngineHangs(t *testing.T) {
	const timeout = 50 * time.Millisecond
	c := engine(t, timeout, hang)
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"list":    func() error { _, err := c.List(ctx); return err },
		"inspect": func() error { _, err := c.Inspect(ctx, "x"); return err },
		"events":  func() error { _, err := c.Events(ctx, time.Time{}); return err },
		"create":  func() error { _, err := c.Create(ctx, CreateSpec{Image: "x"}); return err },
		"start":   func() error { return c.Start(ctx, "x") },
		"stop":    func() error { return c.Stop(ctx, "x", 0) },
		"restart": func() error { return c.Restart(ctx, "x", 0) },
		"kill":    func() error { return c.Kill(ctx, "x", "") },
		"pause":   func() error { return c.Pause(ctx, "x") },
		"unpause": func() error { return c.Unpause(ctx, "x") },
		"remove":  func() error { return c.Remove(ctx, "x", true) },
		"logs":    func() error { return c.Logs(ctx, "x", LogOptions{}, io.Discard, io.Discard) },
		"update":  func() error { return c.UpdateCPU(ctx, "x", CPUUpdate{Shares: 2}) },
		"import":  func() error { return c.ImageImport(ctx, "x:1", strings.NewReader("tar")) },
		"exists":  func() error { _, err := c.ImageExists(ctx, "x"); return err },
		"rmi":     func() error { return c.ImageRemove(ctx, "x", true) },
		"pull":    func() error { return c.ImagePull(ctx, "x", nil) },
		"gateway": func() error { _, err := c.BridgeGateway(ctx); return err },
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			err := call()
			assert.ErrorIs(t, err, ErrTimeout)
			assert.Less(t, time.Since(began), 5*time.Second)
		})
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := c.Wait(ctx, "x")
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.NotErrorIs(t, err, ErrTimeout, "the caller's own time-out")
}

func TestAnEngineThatIsNotThere(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "nobody.sock")
	c, err := New(Options{Host: "unix://" + socket})
	require.NoError(t, err, "the engine may come later")
	defer c.Close()
	_, err = c.Ping(t.Context())
	require.ErrorIs(t, err, ErrUnreachable)
	assert.ErrorContains(t, err, "docker: ping: no Docker engine answers on unix://"+socket)
	_, err = c.Events(t.Context(), time.Time{})
	assert.ErrorIs(t, err, ErrUnreachable)
}

func TestHostIsChecked(t *testing.T) {
	_, err := New(Options{Host: "nonsense"})
	assert.ErrorContains(t, err, `docker: host "nonsense" is not allowed; it is written as unix:///path or tcp://host:port`)
	assert.NoError(t, CheckHost(""))
	assert.NoError(t, CheckHost("tcp://192.0.2.1:2375"))
	t.Setenv("DOCKER_HOST", "also nonsense")
	_, err = New(Options{})
	assert.ErrorContains(t, err, `"also nonsense"`)
}

func TestAFailureInsideATransferIsFound(t *testing.T) {
	c := engine(t, time.Minute, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"status":"Pulling","id":"layer","progressDetail":{"current":5,"total":10}}`+"\n"+`{"errorDetail":{"message":"no space left on device"}}`+"\n")
	})
	var lines []PullProgress
	err := c.ImagePull(t.Context(), "hotrod:1", func(p PullProgress) { lines = append(lines, p) })
	assert.EqualError(t, err, "docker: pull image hotrod:1: no space left on device")
	assert.Equal(t, []PullProgress{{Layer: "layer", Status: "Pulling", Current: 5, Total: 10}}, lines)
}

func TestEventsEndWithTheConnection(t *testing.T) {
	c := engine(t, time.Minute, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "1700000000.000000007", r.URL.Query().Get("since"))
		_, _ = io.WriteString(w, `{"Type":"container","Action":"die","Actor":{"ID":"abc","Attributes":{"name":"web","exitCode":"3"}},"timeNano":5}`+"\n")
		_, _ = io.WriteString(w, `{"Type":"network","Action":"connect","Actor":{"ID":"net","Attributes":{"container":"def"}},"timeNano":6}`+"\n")
	})
	stream, err := c.Events(t.Context(), time.Unix(1_700_000_000, 7))
	require.NoError(t, err)
	defer stream.Close()
	first := <-stream.C()
	assert.Equal(t, Event{Action: "die", ID: "abc", Name: "web", Labels: map[string]string{"name": "web", "exitCode": "3"}, ExitCode: "3", Time: time.Unix(0, 5)}, first)
	second := <-stream.C()
	assert.Equal(t, "def", second.ID, "an event of a network names the container")
	_, open := <-stream.C()
	assert.False(t, open)
	assert.ErrorIs(t, stream.Err(), ErrUnreachable)
	assert.ErrorContains(t, stream.Err(), "the engine closed the connection")
}

func TestRemoveWaitsForARemovalInProgress(t *testing.T) {
	looks := 0
	c := engine(t, time.Minute, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, `{"message":"removal of container x is already in progress"}`)
			return
		}
		if looks++; looks < 3 {
			_, _ = io.WriteString(w, `{}`)
			return
		}
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"message":"No such container: x"}`)
	})
	require.NoError(t, c.Remove(t.Context(), "x", true))
	assert.Equal(t, 3, looks)
}

func TestBridgeGatewayFallsBackToTheSubnet(t *testing.T) {
	for body, want := range map[string]string{
		`{"IPAM":{"Config":[{"Subnet":"172.17.0.0/16","Gateway":"172.17.0.1"}]}}`:                   "172.17.0.1",
		`{"IPAM":{"Config":[{"Subnet":"fd00::/64","Gateway":"fd00::1"},{"Subnet":"10.9.0.0/24"}]}}`: "10.9.0.1",
	} {
		c := engine(t, time.Minute, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
		got, err := c.BridgeGateway(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	c := engine(t, time.Minute, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{}`) })
	_, err := c.BridgeGateway(t.Context())
	assert.ErrorIs(t, err, ErrNotFound)
}

func TestCreateSpecInTheEnginesWords(t *testing.T) {
	options, err := toCreate(CreateSpec{
		Image: "hotrod:1", Env: map[string]string{"B": "2", "A": "1"}, Quota: 1.5, CPUs: "0-1", Shares: 512, Restart: "on-failure:3", Init: true,
		Ports: []Port{{Container: 80}, {Container: 53, Protocol: "udp", Host: 5353, HostIP: netip.MustParseAddr("127.0.0.1")}},
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"A=1", "B=2"}, options.Config.Env)
	assert.EqualValues(t, 150000, options.HostConfig.CPUQuota)
	assert.EqualValues(t, 100000, options.HostConfig.CPUPeriod)
	assert.Zero(t, options.HostConfig.NanoCPUs, "a NanoCPUs limit could not be taken off again")
	assert.Equal(t, container.RestartPolicy{Name: "on-failure", MaximumRetryCount: 3}, options.HostConfig.RestartPolicy)
	assert.Equal(t, "map[53/udp:[{127.0.0.1 5353}] 80/tcp:[{invalid IP }]]", fmt.Sprint(options.HostConfig.PortBindings))

	for _, spec := range []CreateSpec{{Restart: "always:3"}, {Restart: "on-failure:x"}, {Ports: []Port{{}}}} {
		_, err := toCreate(spec)
		assert.Error(t, err)
	}
}

func TestLimitsInEveryForm(t *testing.T) {
	for want, r := range map[float64]container.Resources{
		0:    {CPUQuota: -1},
		0.5:  {CPUQuota: 50000},
		0.25: {CPUQuota: 5000, CPUPeriod: 20000},
		1.5:  {NanoCPUs: 1_500_000_000},
	} {
		assert.InDelta(t, want, fromResources(r).Quota, 1e-9)
	}
	resources := container.Resources{CPUQuota: 30000, CPUPeriod: 100000}
	require.NoError(t, asNanoCPUs(&resources, Limits{NanoCPUs: 1e9}))
	assert.Equal(t, container.Resources{NanoCPUs: 300_000_000}, resources)
	resources = container.Resources{CPUQuota: -1}
	assert.ErrorContains(t, asNanoCPUs(&resources, Limits{NanoCPUs: 1e9}), "not take it off")
}

func TestContainerHelpers(t *testing.T) {
	c := Container{State: StateRunning, Health: HealthStarting, NetworkMode: "host", Env: []string{"A=1", "A=2=3", "B"}}
	assert.False(t, c.Ready())
	c.Health = HealthHealthy
	assert.True(t, c.Ready())
	assert.True(t, c.HostNetwork())
	assert.Equal(t, map[string]string{"A": "2=3", "B": ""}, c.EnvMap())
	assert.Equal(t, "0123456789ab", ShortID("0123456789abcdef"))
	assert.Equal(t, "012", ShortID("012"))
	assert.Equal(t, "own", firstName([]string{"/other/alias", "/own"}))
	assert.True(t, moment("0001-01-01T00:00:00Z").IsZero())
}
