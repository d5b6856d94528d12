package jaegerreceiver

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func listen(t *testing.T, endpoint string, n, buffer int) []*udpSocket {
	t.Helper()
	sockets, err := listenUDP(context.Background(), endpoint, n, buffer)
	require.NoError(t, err)
	t.Cleanup(func() { _ = closeAll(sockets) })
	require.Len(t, sockets, n)
	return sockets
}

// pending reads everything that waits in a socket.
func pending(t *testing.T, s *udpSocket) (packets int) {
	t.Helper()
	buffer := make([]byte, 100)
	for {
		require.NoError(t, s.conn.SetReadDeadline(time.Now().Add(5*time.Millisecond)))
		if _, err := s.conn.Read(buffer); err != nil {
			return packets
		}
		packets++
	}
}

func TestSendersAreSpreadOverTheSockets(t *testing.T) {
	for _, endpoint := range []string{"127.0.0.1:0", "localhost:0", ":0", "[::1]:0"} {
		t.Run(endpoint, func(t *testing.T) {
			sockets := listen(t, endpoint, 3, 0)
			address := sockets[0].conn.LocalAddr().String()
			_, port, err := net.SplitHostPort(address)
			require.NoError(t, err)
			to := address
			if endpoint == ":0" {
				to = "127.0.0.1:" + port
			}
			for range 90 {
				conn := dial(t, to)
				send(t, conn, []byte("1"), []byte("2"))
			}
			total := 0
			for _, s := range sockets {
				assert.Equal(t, address, s.conn.LocalAddr().String())
				n := pending(t, s)
				assert.Positive(t, n, "every socket has senders")
				assert.Zero(t, n%2, "all packets of a sender are in one socket")
				total += n
			}
			assert.Equal(t, 180, total)
		})
	}
}

// bindShared is another program that wants to share the address.
func bindShared(address string) (net.PacketConn, error) {
	listener := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var inner error
		if err := raw.Control(func(fd uintptr) { inner = share(int(fd)) }); err != nil {
			return err
		}
		return inner
	}}
	return listener.ListenPacket(context.Background(), "udp", address)
}

func TestAnAddressInUseIsRefusedHoweverManySockets(t *testing.T) {
	alone, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer alone.Close()
	sharing, err := bindShared("127.0.0.1:0")
	require.NoError(t, err)
	defer sharing.Close()
	ours := listen(t, "127.0.0.1:0", 2, 0)
	for name, taken := range map[string]string{
		"by a socket that shares with nobody": alone.LocalAddr().String(),
		"by one that would share":             sharing.LocalAddr().String(),
		"by several of this receiver":         ours[0].conn.LocalAddr().String(),
	} {
		for n := 1; n <= 3; n++ {
			sockets, err := listenUDP(context.Background(), taken, n, 0)
			require.EqualError(t, err, "listen udp "+taken+": bind: address already in use", "%s, %d sockets", name, n)
			assert.Empty(t, sockets)
		}
	}
	_, err = net.ListenPacket("udp", ours[0].conn.LocalAddr().String())
	require.ErrorIs(t, err, syscall.EADDRINUSE, "another program does not get in")
	_, err = bindShared(listen(t, "127.0.0.1:0", 1, 0)[0].conn.LocalAddr().String())
	require.ErrorIs(t, err, syscall.EADDRINUSE, "nor one that would share, where there is one socket")
}

// The sum of all sockets' counters is what the kernel dropped, to the packet.
func TestKernelDropsOfAllSocketsAreCounted(t *testing.T) {
	sockets := listen(t, "127.0.0.1:0", 3, 1)
	sent := 0
	for range 60 {
		conn := dial(t, sockets[0].conn.LocalAddr().String())
		for range 40 {
			send(t, conn, []byte("packet"))
			sent++
		}
	}
	got, drops, dropping := 0, 0, 0
	for _, s := range sockets {
		got += pending(t, s)
		n := s.newDrops()
		drops += n
		if n > 0 {
			dropping++
		}
		assert.Zero(t, s.newDrops(), "each is counted once")
	}
	assert.Equal(t, sent, got+drops)
	assert.Greater(t, dropping, 1)
}
