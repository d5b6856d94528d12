package containerlifecycleextension

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/governor-project/governor/internal/api"
	"github.com/governor-project/governor/internal/docker/dockertest"
)

func TestAnAppFromUpToDown(t *testing.T) {
	a := started(t)
	ctx := t.Context()
	plan, err := a.Plan(ctx, "shop.yaml", []byte(shop))
	require.NoError(t, err)
	require.Len(t, plan.Steps, 2)
	assert.Equal(t, api.Step{Action: "create", App: "shop", Container: "redis", Name: "shop-redis", Image: "redis:7"}, plan.Steps[0])

	result, err := a.Up(ctx, "shop.yaml", []byte(shop))
	require.NoError(t, err)
	assert.Equal(t, 2, result.Created)
	up := result.Apps["shop"]
	assert.Equal(t, "Ready", up.State)
	assert.Equal(t, "latency_critical", up.Class)
	assert.Equal(t, "p95 ≤ 50ms (trace)", up.Objective)
	require.Len(t, up.Containers, 2)
	web := up.Containers[1]
	assert.Equal(t, "shop-web", web.Name)
	assert.Regexp(t, `^hotrod-[0-9a-f]{12}$`, web.GUID)
	require.Len(t, web.Ports, 1)
	assert.Equal(t, fmt.Sprintf("http://127.0.0.1:%d", web.Ports[0].Host), web.Ports[0].URL)

	again, err := a.Up(ctx, "shop.yaml", []byte(shop))
	require.NoError(t, err)
	assert.Equal(t, 0, again.Created)
	assert.Equal(t, 2, again.Kept)

	listed, err := a.Containers(ctx, "shop", "")
	require.NoError(t, err)
	assert.Equal(t, up.Containers, listed.Containers)
	apps, err := a.Apps(ctx)
	require.NoError(t, err)
	assert.Equal(t, []api.App{up}, apps.Apps)

	stopped, err := a.Operate(ctx, "stop", web.GUID)
	require.NoError(t, err)
	assert.Equal(t, "Stopped", stopped.State)
	_, err = a.Operate(ctx, "stop", web.GUID)
	assert.Equal(t, http.StatusConflict, status(t, err))
	assert.ErrorContains(t, err, "stop is not allowed in the state Stopped; it is allowed in Pending, Ready")
	only, err := a.Containers(ctx, "", "stopped")
	require.NoError(t, err)
	assert.Len(t, only.Containers, 1)
	for _, op := range []string{"start", "restart"} {
		c, err := a.Operate(ctx, op, web.GUID)
		require.NoError(t, err)
		assert.Equal(t, "Ready", c.State)
	}

	beat, err := a.Heartbeat(ctx)
	require.NoError(t, err)
	assert.Equal(t, "1.2.3", beat.Version)
	assert.Len(t, beat.AgentID, 32)
	assert.Equal(t, api.Inventory{Synced: true, Containers: 2}, beat.Inventory)
	assert.Equal(t, "20.10.24", beat.Engine.Version)
	require.Len(t, beat.Apps, 1)
	assert.Equal(t, "Ready", beat.Apps[0].Containers[web.GUID])

	gone, err := a.Remove(ctx, web.GUID)
	require.NoError(t, err)
	assert.Equal(t, "Terminated", gone.State)
	one, err := a.Container(ctx, web.GUID)
	require.NoError(t, err, "it is remembered")
	assert.Equal(t, "Terminated", one.State)

	down, err := a.Down(ctx, "shop")
	require.NoError(t, err)
	assert.Len(t, down.Removed, 1)
	apps, err = a.Apps(ctx)
	require.NoError(t, err)
	assert.Empty(t, apps.Apps)
	left, err := a.engine.List(ctx)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestEveryFailureHasItsStatus(t *testing.T) {
	a := started(t)
	ctx := t.Context()
	_, err := a.App(ctx, "nobody")
	assert.Equal(t, 404, status(t, err))
	_, err = a.Down(ctx, "nobody")
	assert.Equal(t, 404, status(t, err))
	_, err = a.Container(ctx, "nobody-1")
	assert.Equal(t, 404, status(t, err))
	_, err = a.Operate(ctx, "start", "nobody-1")
	assert.Equal(t, 404, status(t, err))
	_, err = a.Operate(ctx, "fly", "nobody-1")
	assert.Equal(t, 404, status(t, err))
	assert.Equal(t, 404, status(t, a.Logs(ctx, "nobody-1", false, 0, io.Discard)))
	_, err = a.Containers(ctx, "", "fine")
	assert.Equal(t, 400, status(t, err))
	_, err = a.Decisions(ctx, 0, 1)
	assert.Equal(t, 404, status(t, err), "nobody has put it on the API")

	_, err = a.Up(ctx, "dir/shop.yaml", []byte("apps:\n  shop: {klass: x, containers: {web: {image: hotrod:1, env: {SUPB_GUID: x}}}}\n"))
	assert.Equal(t, 422, status(t, err))
	assert.EqualError(t, err, "shop.yaml:2: apps.shop.containers.web.env.SUPB_GUID: Governor sets this variable itself\n"+
		"shop.yaml:2: apps.shop.klass: the key is unknown; allowed are auto_delete, class, containers, cpu, objective, tags")
	_, err = a.Plan(ctx, "", []byte("a: b"))
	assert.ErrorContains(t, err, "app file:1: a: the key is unknown")
	_, err = a.Up(ctx, "big.yaml", make([]byte, 2<<20))
	assert.Equal(t, 413, status(t, err))

	_, err = a.Up(ctx, "", []byte("apps: {shop: {containers: {web: {image: missing, pull: never}}}}"))
	assert.Equal(t, 422, status(t, err))
	_, err = a.Up(ctx, "", []byte(shop))
	require.NoError(t, err)
	_, err = a.Up(ctx, "", []byte(strings.Replace(shop, "hotrod:1", "hotrod:2", 1)))
	assert.Equal(t, 409, status(t, err))
	assert.ErrorContains(t, err, "container shop-web of app shop is there and differs from the file")
}

func TestABatchThatFailsSaysWhatWasRolledBack(t *testing.T) {
	a := started(t)
	a.engine.Behave("hotrod:1", dockertest.Behaviour{StartError: errors.New("port is already allocated")})
	_, err := a.Up(t.Context(), "", []byte(shop))
	var problem *api.Problem
	require.ErrorAs(t, err, &problem)
	assert.Equal(t, 500, problem.Status)
	assert.Equal(t, &api.RolledBack{Removed: []string{"shop-web", "shop-redis"}}, problem.RolledBack)
	assert.ErrorContains(t, err, "port is already allocated; rolled back: 2 containers removed")
	left, err := a.engine.List(t.Context())
	require.NoError(t, err)
	assert.Empty(t, left)
	listed, err := a.Containers(t.Context(), "", "")
	require.NoError(t, err)
	assert.Empty(t, listed.Containers)
}

func TestRequestsThatTheAPIDoesNotHave(t *testing.T) {
	a := started(t)
	raw := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", a.cfg.Socket)
	}}}
	for _, c := range []struct {
		method, target, header string
		status                 int
		detail                 string
	}{
		{"GET", "/", "", 404, "there is no /"},
		{"GET", "/v1/nothing", "", 404, "there is no /v1/nothing"},
		{"PATCH", "/v1/apps", "", 405, "PATCH is not allowed on /v1/apps; allowed: GET, HEAD, POST"},
		{"GET", "/v1/apps?page=2", "", 400, `the query parameter "page" is unknown; none is allowed`},
		{"GET", "/v1/containers?app=a&app=b", "", 400, `the query parameter "app" is given 2 times`},
		{"GET", "/v1/containers?app=%zz", "", 400, "the query is not usable"},
		{"GET", "/v1/containers/x/logs?follow=perhaps", "", 400, `follow: "perhaps" is not allowed`},
		{"GET", "/v1/containers/x/logs?tail=-1", "", 400, `tail: "-1" is not allowed`},
		{"POST", "/v1/apps", "image/png", 415, `the content type "image/png" is not allowed`},
		{"GET", "/v1/apps/..%2f..%2fetc", "", 404, "app ../../etc: not found"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, "http://governor"+c.target, nil)
		require.NoError(t, err)
		if c.header != "" {
			request.Header.Set("Content-Type", c.header)
		}
		response, err := raw.Do(request)
		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.Equal(t, c.status, response.StatusCode, c.target)
		assert.Equal(t, api.ProblemType, response.Header.Get("Content-Type"), c.target)
		assert.Contains(t, strings.ReplaceAll(string(body), `\"`, `"`), c.detail)
	}
}
