package jaegerreceiver

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// udpPackets are a good packet of each UDP protocol, of two spans.
func udpPackets(t testing.TB) map[string][]byte {
	return map[string][]byte{
		protocolCompact: message(t, protocolCompact, "shop", 2),
		protocolBinary:  message(t, protocolBinary, "shop", 2),
		protocolZipkin:  zipkinMessage(t, zipkinSpan("shop", 3), zipkinSpan("shop", 4)),
	}
}

// Several senders outrun the smallest receive buffers and a queue that nobody
// empties: every packet sent is in the account all the same.
func TestAFloodThatTheKernelDropsIsAccountedFor(t *testing.T) {
	for protocol, packet := range udpPackets(t) {
		for _, sockets := range []int{1, 3} {
			t.Run(protocol+" "+string(rune('0'+sockets)), func(t *testing.T) {
				refuse, release := block()
				next := &sink{refuse: refuse}
				r := run(t, quick(protocol, func(c *UDPConfig) {
					c.SocketBufferSize, c.Sockets, c.QueueSize = 1, sockets, 50
				}), next)
				const senders, rounds = 8, 100
				var conns [senders]*net.UDPConn
				for i := range conns {
					conns[i] = dial(t, r.at(protocol))
				}
				sent := 0
				for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
					var wait sync.WaitGroup
					for _, conn := range conns {
						wait.Go(func() {
							for range rounds {
								_, _ = conn.Write(packet)
								_, _ = conn.Write(packet[:len(packet)/2])
							}
						})
					}
					wait.Wait()
					sent += 2 * senders * rounds
					if r.dropped(t, reasonKernel) > 0 && r.dropped(t, reasonQueueFull) > 0 {
						break
					}
					time.Sleep(time.Millisecond) // bounded load
				}
				release()
				r.settle(t, sent)
				r.stop(t)
				assert.Positive(t, r.dropped(t, reasonKernel))
				assert.Positive(t, r.dropped(t, reasonQueueFull))
				assert.Equal(t, sent, r.count(t, "packets_accepted")+r.count(t, "packets_dropped"))
				assert.Equal(t, sent, r.count(t, "packets_received")+r.dropped(t, reasonKernel))
				assert.Equal(t, 2*r.count(t, "packets_accepted"), next.spans())
				assert.Equal(t, next.spans(), r.count(t, "spans_accepted"))
			})
		}
	}
}

// What the kernel had taken when the shutdown starts is delivered, whatever still comes.
func TestShutdownUnderLoadDeliversWhatWasSentBefore(t *testing.T) {
	for protocol, packet := range udpPackets(t) {
		t.Run(protocol, func(t *testing.T) {
			next := &sink{}
			cfg := quick(protocol, func(c *UDPConfig) { c.Sockets = 3 })
			r := run(t, cfg, next)
			var sent atomic.Int64
			stop := make(chan struct{})
			var wait sync.WaitGroup
			for range 4 {
				conn := dial(t, r.at(protocol))
				wait.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						if _, err := conn.Write(packet); err == nil {
							sent.Add(1)
						}
						time.Sleep(20 * time.Microsecond) // bounded load
					}
				})
			}
			require.Eventually(t, func() bool { return next.spans() > 500 }, 5*time.Second, time.Millisecond)
			before := int(sent.Load()) // each of these is in a receive buffer, or further
			r.stop(t)
			close(stop)
			wait.Wait()
			assert.GreaterOrEqual(t, r.count(t, "packets_accepted"), before)
			assert.Equal(t, r.count(t, "packets_received"), r.count(t, "packets_accepted"))
			assert.Equal(t, next.spans(), 2*r.count(t, "packets_accepted"))
		})
	}
}
