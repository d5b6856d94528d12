// Command jaeger compares Governor's jaeger receiver with the one of the
// OpenTelemetry Collector contrib repository: the CPU time of a whole process per
// span, what it loses, its memory, and what decoding alone costs.
//
// The program starts itself again for each part: "serve NAME" is a process with
// one receiver, "send" one that replays packets. This room holds the benchmark
// and nothing that the product needs. It asserts nothing about time: it prints.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

// cores is what a receiver and the sender have together.
const cores = 2

type options struct {
	out     string
	turns   int
	seconds float64
	tick    time.Duration
	profile string
	quick   bool
}

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "serve":
			return runServe(args[1:])
		case "send":
			return runSend(args[1:])
		}
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	return compare(o)
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("jaeger", flag.ContinueOnError)
	flags.StringVar(&o.out, "out", "", "file for the figures as JSON; none: they are only printed")
	flags.IntVar(&o.turns, "turns", 3, "turns of each receiver in each case")
	flags.Float64Var(&o.seconds, "seconds", 5, "length of a turn")
	flags.DurationVar(&o.tick, "tick", 500*time.Microsecond, "how often the sender wakes to send what is due; longer makes larger bursts")
	flags.StringVar(&o.profile, "profile", "", "existing folder for CPU profiles of the receivers, which make them slower; none: no profiles")
	flags.BoolVar(&o.quick, "quick", false, "one short turn of each: shows that it works, not how fast it is")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.quick {
		o.turns, o.seconds = 1, 1
	}
	if o.turns < 1 || o.seconds < 0.1 || o.tick < 10*time.Microsecond || flags.NArg() > 0 {
		return o, fmt.Errorf("-turns %d -seconds %g -tick %v %q: at least one turn of 0.1 s, a tick of at least 10µs, and no arguments",
			o.turns, o.seconds, o.tick, flags.Args())
	}
	return o, nil
}

// compare plays all cases and reports them.
func compare(o options) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "governor-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	runtime.LockOSThread() // child processes inherit this thread's cores
	given, err := confine(cores)
	if err != nil {
		return err
	}
	a := arena{program: program, folder: folder, length: time.Duration(o.seconds * float64(time.Second)), tick: o.tick, profile: o.profile}
	packets, err := a.fill()
	if err != nil {
		return err
	}
	got := result{RatioIs: ratioIs, Sender: fmt.Sprintf("jaeger-client-go's packets, sendmmsg every %v", o.tick), Go: runtime.Version(), Cores: given, Turns: o.turns, Seconds: o.seconds}
	if got.Cases, err = a.playAll(o.turns); err != nil {
		return err
	}
	if got.Decode, err = decodeAll(o, packets); err != nil {
		return err
	}
	if o.out != "" {
		if err := got.write(o.out); err != nil {
			return err
		}
	}
	return got.print(os.Stdout)
}

// playAll plays every case; in each the receivers take turns.
func (a arena) playAll(turns int) ([]contest, error) {
	var cases []contest
	for _, rate := range []int{costRate, lossRate} {
		for _, size := range packetSizes() {
			fmt.Fprintf(os.Stderr, "%d spans a packet, %d spans/s …\n", size, rate)
			played := map[string][]turn{}
			for range turns {
				for _, name := range names() {
					t, err := a.play(name, size, rate)
					if err != nil {
						return nil, fmt.Errorf("%d spans a packet at %d spans/s: %w", size, rate, err)
					}
					played[name] = append(played[name], t)
				}
			}
			cases = append(cases, newContest(size, rate, played))
		}
	}
	return cases, nil
}

// decodeAll measures the decoders; they take turns too.
func decodeAll(o options, packets map[int][]packet) (decoding, error) {
	if o.quick {
		testing.Init()
		if err := flag.Set("test.benchtime", "100ms"); err != nil {
			return decoding{}, err
		}
	}
	var cases []decodeCase
	for _, size := range packetSizes() {
		fmt.Fprintf(os.Stderr, "decoding %d spans a packet …\n", size)
		costs := map[string][]decodeCost{}
		for range o.turns {
			for _, name := range names() {
				cost, err := measureDecode(name, packets[size])
				if err != nil {
					return decoding{}, err
				}
				costs[name] = append(costs[name], cost)
			}
		}
		cases = append(cases, newDecodeCase(size, len(packets[size][0].data), costs))
	}
	return newDecoding(cases), nil
}
