package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestPacerKeepsTheRate(t *testing.T) {
	for _, c := range []struct {
		rate           int
		spansPerPacket float64
		packets        int // in a second
	}{
		{60_000, 3, 20_000}, {120_000, 3, 40_000}, {60_000, 19, 3157}, {60_000, 160, 375}, {120_000, 160, 750},
	} {
		const tick = 500 * time.Microsecond
		p := newPacer(c.rate, c.spansPerPacket, tick)
		for elapsed := tick; elapsed <= time.Second; elapsed += tick {
			n := p.due(elapsed)
			assert.LessOrEqual(t, float64(n), float64(c.packets)*tick.Seconds()+1, "an even stream")
			p.done(n)
		}
		assert.InDelta(t, c.packets, p.sent, 1, "%d spans/s, %g a packet", c.rate, c.spansPerPacket)
	}
}

func TestPacerCatchesUpWithoutAFlood(t *testing.T) {
	p := newPacer(120_000, 3, time.Millisecond) // 40 packets a tick
	assert.Equal(t, 40, p.due(time.Millisecond))
	assert.Equal(t, 80, p.due(20*time.Millisecond), "late: no more than two ticks' worth at once")
	assert.Zero(t, p.due(0))
	for elapsed := 20 * time.Millisecond; elapsed <= 60*time.Millisecond; elapsed += time.Millisecond {
		p.done(p.due(elapsed))
	}
	assert.Equal(t, 60*40, p.sent, "and then it has caught up")
}

func TestPacerNeverTakesBack(t *testing.T) {
	p := newPacer(1000, 1, time.Millisecond)
	p.done(50)
	assert.Zero(t, p.due(10*time.Millisecond))
}

func TestPacerSendsRarePackets(t *testing.T) {
	p := newPacer(100, 160, time.Millisecond) // less than a packet a second
	assert.Zero(t, p.due(time.Second))
	assert.Equal(t, 1, p.due(2*time.Second))
}
