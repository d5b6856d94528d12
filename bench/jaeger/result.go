package main

import "github.com/governor-project/governor/bench/internal/stats"

// side is one receiver's part of a case: the medians of its turns, and the turns.
type side struct {
	turn
	Turns []turn `json:"turns"`
}

// contest is one case: both receivers with the same packets at the same rate.
type contest struct {
	SpansPerPacket int  `json:"spans_per_packet"`
	Rate           int  `json:"rate"` // spans a second that were asked of the sender
	Governor       side `json:"governor"`
	Contrib        side `json:"contrib"`
	// Ratio is contrib's CPU time per span over ours in the turn beside it: the
	// median over turns. RSSRatio is the same for resident memory.
	Ratio    float64 `json:"ratio"`
	RSSRatio float64 `json:"rss_ratio"`
}

func newContest(size, rate int, turns map[string][]turn) contest {
	ours, theirs := turns[nameGovernor], turns[nameContrib]
	return contest{
		SpansPerPacket: size, Rate: rate, Governor: newSide(ours), Contrib: newSide(theirs),
		Ratio:    stats.Ratios(ours, theirs, costOf).Median,
		RSSRatio: stats.Ratios(ours, theirs, residentOf).Median,
	}
}

func newSide(turns []turn) side {
	return side{Turns: turns, turn: turn{
		MicrosecondsPerSpan: stats.Over(turns, costOf).Median,
		Loss:                stats.Over(turns, lossOf).Median,
		RSSBytes:            stats.Over(turns, residentOf).Median,
		StartBytes:          stats.Over(turns, func(t turn) float64 { return t.StartBytes }).Median,
		PeakBytes:           stats.Over(turns, peakOf).Median,
		SentPerSecond:       stats.Over(turns, func(t turn) float64 { return t.SentPerSecond }).Median,
	}}
}

func costOf(t turn) float64     { return t.MicrosecondsPerSpan }
func lossOf(t turn) float64     { return t.Loss }
func residentOf(t turn) float64 { return t.RSSBytes }
func peakOf(t turn) float64     { return t.PeakBytes }

// decodeCase compares the decoders alone for one size of packets.
type decodeCase struct {
	SpansPerPacket int        `json:"spans_per_packet"`
	PacketBytes    int        `json:"packet_bytes"`
	Governor       decodeCost `json:"governor"`
	Contrib        decodeCost `json:"contrib"`
	Ratio          float64    `json:"ratio"` // contrib's time over ours, paired, median
	spread         map[string]stats.Spread
}

func newDecodeCase(size, bytes int, costs map[string][]decodeCost) decodeCase {
	nanoseconds := func(c decodeCost) float64 { return c.Nanoseconds }
	medians := func(name string) decodeCost {
		return decodeCost{
			Nanoseconds: stats.Over(costs[name], nanoseconds).Median,
			Bytes:       stats.Over(costs[name], func(c decodeCost) float64 { return c.Bytes }).Median,
			Allocations: stats.Over(costs[name], func(c decodeCost) float64 { return c.Allocations }).Median,
		}
	}
	return decodeCase{
		SpansPerPacket: size, PacketBytes: bytes, Governor: medians(nameGovernor), Contrib: medians(nameContrib),
		Ratio: stats.Ratios(costs[nameGovernor], costs[nameContrib], nanoseconds).Median,
		spread: map[string]stats.Spread{
			nameGovernor: stats.Over(costs[nameGovernor], nanoseconds),
			nameContrib:  stats.Over(costs[nameContrib], nanoseconds),
		},
	}
}

// decoding is the part of the result about decoders. Ratio is the lowest of the cases.
type decoding struct {
	Ratio float64      `json:"ratio"`
	Cases []decodeCase `json:"cases"`
}

func newDecoding(cases []decodeCase) decoding {
	d := decoding{Cases: cases, Ratio: cases[0].Ratio}
	for _, c := range cases {
		d.Ratio = min(d.Ratio, c.Ratio)
	}
	return d
}

// result is what is written to the file.
type result struct {
	RatioIs string    `json:"ratio_is"`
	Sender  string    `json:"sender"`
	Go      string    `json:"go"`
	Cores   int       `json:"cores"`
	Turns   int       `json:"turns"`
	Seconds float64   `json:"seconds_per_turn"`
	Cases   []contest `json:"cases"`
	Decode  decoding  `json:"decode"`
}
