package main

import "time"

// pacer says how many packets are due. It knows no clock: elapsed time is an
// argument.
type pacer struct {
	perSecond float64 // packets
	burst     int     // the most that are due at once, so that a late sender does not flood
	sent      int
}

// newPacer returns a pacer for a rate of spans, in packets of spansPerPacket,
// that is asked every tick. What was missed while the sender did not run is
// caught up with at no more than twice the rate.
func newPacer(spansPerSecond int, spansPerPacket float64, tick time.Duration) *pacer {
	perSecond := float64(spansPerSecond) / spansPerPacket
	share := perSecond * tick.Seconds()
	return &pacer{perSecond: perSecond, burst: max(1, int(2*share+0.5))}
}

// due returns how many packets to send now, elapsed after the beginning.
func (p *pacer) due(elapsed time.Duration) int {
	behind := int(elapsed.Seconds()*p.perSecond) - p.sent
	return max(0, min(behind, p.burst))
}

// done notes that n packets were sent.
func (p *pacer) done(n int) { p.sent += n }
