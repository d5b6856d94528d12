package api

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// agent serves the handler on a socket and returns a client to it.
func agent(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	server := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	c := NewClient(socket)
	t.Cleanup(func() {
		c.Close()
		_ = server.Close()
		<-done
	})
	return c
}

func TestClientSendsWhatTheAPIExpects(t *testing.T) {
	var got string
	c := agent(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r.Method + " " + r.URL.EscapedPath() + " " + r.URL.RawQuery + " " + string(body)
		_, _ = io.WriteString(w, "{}")
	})
	ctx := t.Context()
	for _, call := range []struct {
		want string
		do   func() error
	}{
		{"POST /v1/apps file=shop.yaml apps:", func() error { _, err := c.Up(ctx, "shop.yaml", []byte("apps:")); return err }},
		{"POST /v1/apps:plan file=shop.yaml apps:", func() error { _, err := c.Plan(ctx, "shop.yaml", []byte("apps:")); return err }},
		{"GET /v1/apps  ", func() error { _, err := c.Apps(ctx); return err }},
		{"GET /v1/apps/a%2Fb  ", func() error { _, err := c.App(ctx, "a/b"); return err }},
		{"DELETE /v1/apps/shop  ", func() error { _, err := c.Down(ctx, "shop"); return err }},
		{"GET /v1/containers app=shop&state=Ready ", func() error { _, err := c.Containers(ctx, "shop", "Ready"); return err }},
		{"GET /v1/containers  ", func() error { _, err := c.Containers(ctx, "", ""); return err }},
		{"GET /v1/containers/g-1  ", func() error { _, err := c.Container(ctx, "g-1"); return err }},
		{"POST /v1/containers/g-1/stop  ", func() error { _, err := c.Operate(ctx, "stop", "g-1"); return err }},
		{"DELETE /v1/containers/g-1  ", func() error { _, err := c.Remove(ctx, "g-1"); return err }},
		{"GET /v1/heartbeat  ", func() error { _, err := c.Heartbeat(ctx); return err }},
		{"GET /v1/decisions after=7&limit=5 ", func() error { _, err := c.Decisions(ctx, 7, 5); return err }},
		{"GET /v1/latency  ", func() error { _, err := c.Latency(ctx); return err }},
	} {
		require.NoError(t, call.do())
		assert.Equal(t, call.want, got)
	}
	var log bytes.Buffer
	require.NoError(t, c.Logs(ctx, "g-1", true, 10, &log))
	assert.Equal(t, "GET /v1/containers/g-1/logs follow=true&tail=10 ", got)
	assert.Equal(t, "{}", log.String())
}

func TestClientReadsProblems(t *testing.T) {
	c := agent(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/heartbeat" {
			http.Error(w, "proxy says no", http.StatusBadGateway)
			return
		}
		p := NewProblem(http.StatusConflict, "taken: %d", 5)
		p.RolledBack = &RolledBack{Removed: []string{"shop-web"}}
		p.Write(w)
	})
	_, err := c.Apps(t.Context())
	var problem *Problem
	require.ErrorAs(t, err, &problem)
	assert.Equal(t, &Problem{Title: "Conflict", Status: 409, Detail: "taken: 5", RolledBack: &RolledBack{Removed: []string{"shop-web"}}}, problem)
	_, err = c.Heartbeat(t.Context())
	require.ErrorAs(t, err, &problem)
	assert.EqualError(t, err, "502 Bad Gateway: proxy says no")
}

func TestClientSaysThatNoAgentAnswers(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	c := NewClient(socket)
	_, err := c.Apps(t.Context())
	require.ErrorIs(t, err, ErrNoAgent)
	assert.EqualError(t, err, "no agent answers on "+socket+": dial unix "+socket+": connect: no such file or directory")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Apps(ctx)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestClientRefusesAnAnswerThatIsNotJSON(t *testing.T) {
	c := agent(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	_, err := c.Apps(t.Context())
	assert.ErrorContains(t, err, "GET /v1/apps: the agent's answer is not usable")
}

type mounter struct {
	component.StartFunc
	component.ShutdownFunc
}

func (mounter) Mount(string, http.Handler) (func(), error) { return func() {}, nil }

type hostWith map[component.ID]component.Component

func (h hostWith) GetExtensions() map[component.ID]component.Component { return h }

func TestFindMounter(t *testing.T) {
	_, ok := FindMounter(componenttest.NewNopHost())
	assert.False(t, ok)
	_, ok = FindMounter(nil)
	assert.False(t, ok)
	_, ok = FindMounter(hostWith{component.MustNewID("a"): nil, component.MustNewID("b"): mounter{}})
	assert.True(t, ok)
}
