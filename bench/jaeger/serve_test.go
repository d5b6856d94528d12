package main

import (
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTurnOfEachReceiver plays a short turn inside this process, over a real socket.
func TestTurnOfEachReceiver(t *testing.T) {
	packets, err := capturePackets(3)
	require.NoError(t, err)
	for _, name := range names() {
		t.Run(name, func(t *testing.T) {
			input, commands := io.Pipe()
			answers, output := io.Pipe()
			ended := make(chan error, 1)
			go func() { ended <- serve(name, input, output) }()
			lines := json.NewDecoder(answers)
			var hello greeting
			require.NoError(t, lines.Decode(&hello))
			assert.Positive(t, hello.RSSBytes)

			sender, err := newSender(hello.Address, packets)
			require.NoError(t, err)
			var got figures
			ask := func(command string) {
				_, err := fmt.Fprintln(commands, command)
				require.NoError(t, err)
				require.NoError(t, lines.Decode(&got))
			}
			require.NoError(t, sender.send(5)) // not counted
			ask("begin")
			sender.sent = shipment{}
			require.NoError(t, sender.sendFor(newPacer(6000, 3, time.Millisecond), time.Millisecond, 200*time.Millisecond))
			assert.InDelta(t, 400, sender.sent.Packets, 10)
			assert.Equal(t, 3*sender.sent.Packets, sender.sent.Spans)
			ask(fmt.Sprintf("end %d", sender.sent.Spans))
			assert.Equal(t, sender.sent.Spans, got.Spans)
			assert.Positive(t, got.CPUSeconds)
			assert.GreaterOrEqual(t, got.PeakBytes, got.RSSBytes)

			require.NoError(t, sender.conn.Close())
			require.NoError(t, commands.Close())
			require.NoError(t, <-ended)
		})
	}
}

func TestUnknownReceiver(t *testing.T) {
	require.EqualError(t, serve("other", nil, io.Discard), `receiver "other": must be one of [governor contrib]`)
	require.EqualError(t, runServe(nil), `serve takes one receiver's name and perhaps a file for its profile, got []`)
}

func TestUnknownCommands(t *testing.T) {
	var m meter
	for command, message := range map[string]string{
		"stop":  `command "stop": must be begin or end`,
		"end x": `command "end x": strconv.ParseInt: parsing "x": invalid syntax`,
	} {
		_, err := m.obey(command)
		require.EqualError(t, err, message)
	}
}

func TestSettleWaitsForTheLastSpan(t *testing.T) {
	for expected, spent := range map[int64]time.Duration{
		100: 600 * time.Millisecond,             // all come: no more waiting
		101: 600*time.Millisecond + settleQuiet, // one is lost: until it is quiet
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			m := meter{count: func() int64 { return min(100, int64(time.Since(begin)/(6*time.Millisecond))) }}
			got, err := m.settle(expected)
			require.NoError(t, err)
			assert.EqualValues(t, 100, got.spans)
			assert.InDelta(t, spent, time.Since(begin), float64(2*settlePoll))
		})
	}
}
