//go:build docker

package guidroutingprocessor

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/governor-project/governor/internal/docker"
	"github.com/governor-project/governor/internal/docker/dockertest"
)

// A container that Governor did not create, with no GUID, on the default
// bridge: the address that its packets come from is enough. The processor runs
// without the extension, with an inventory of its own.
func TestRealContainerIsFoundByItsAddress(t *testing.T) {
	engine := dockertest.Real(t)
	dockertest.CleanUp(t, engine)
	id, err := engine.Create(t.Context(), docker.CreateSpec{
		Image: dockertest.ProbeImage(t, engine), Command: []string{"listen", "9090"}, Labels: dockertest.Labels(t),
	})
	require.NoError(t, err)
	require.NoError(t, engine.Start(t.Context(), id))

	sink := &fickle{}
	p, err := NewFactory().CreateTraces(t.Context(), settings(componenttest.NewTelemetry()), createDefaultConfig(), sink)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context(), componenttest.NewNopHost()))
	defer func() { require.NoError(t, p.Shutdown(context.Background())) }()

	ctx := client.NewContext(t.Context(), client.Info{Addr: addressOf(t, engine, id)})
	attributed := func() map[string]any {
		sink.Reset()
		require.NoError(t, p.ConsumeTraces(ctx, batchWithChild()))
		return sink.AllTraces()[0].ResourceSpans().At(0).Resource().Attributes().AsRaw()
	}
	require.Eventually(t, func() bool { return attributed()["container.id"] == id }, 10*time.Second, 20*time.Millisecond)
	assert.Equal(t, "peer_ip", attributed()["governor.attribution"])
	assert.Equal(t, "unmanaged", attributed()["governor.class"])

	require.NoError(t, engine.Remove(t.Context(), id, true))
	require.Eventually(t, func() bool { return len(attributed()) == 0 }, 10*time.Second, 20*time.Millisecond)
}

func batchWithChild() ptrace.Traces { return child("child", 1, 0, 1) }

// addressOf is the container's end of a real connection to it.
func addressOf(t *testing.T, engine docker.Client, id string) net.Addr {
	t.Helper()
	var peer net.Addr
	require.Eventually(t, func() bool {
		found, err := engine.Inspect(t.Context(), id)
		if err != nil || len(found.Networks) == 0 || len(found.Networks[0].Addresses) == 0 {
			return false
		}
		target := net.JoinHostPort(found.Networks[0].Addresses[0].String(), "9090")
		conn, err := net.DialTimeout("tcp", target, time.Second)
		if err != nil {
			return false
		}
		peer = conn.RemoteAddr()
		return conn.Close() == nil
	}, 20*time.Second, 50*time.Millisecond)
	return peer
}
