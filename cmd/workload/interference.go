package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/governor-project/governor/internal/experiment/worklog"
)

const roleInterference = "interference"

type interferenceOptions struct {
	threads int
	on, off time.Duration // burst pattern; off 0: no pause
}

func newInterferenceCommand() *cobra.Command {
	var o interferenceOptions
	cmd := &cobra.Command{
		Use:   "interference",
		Short: "Burn all the CPU that there is, on N threads",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runInterference(cmd.Context(), o, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.threads, "threads", 2, "threads that burn CPU")
	f.DurationVar(&o.on, "burst-on", time.Second, "with --burst-off: how long a burst lasts")
	f.DurationVar(&o.off, "burst-off", 0, "pause between bursts; 0: burn without pause")
	return cmd
}

func (o interferenceOptions) validate() error {
	var errs []error
	if o.threads < 1 || o.threads > 1024 {
		errs = append(errs, fmt.Errorf("--threads: %d is not allowed; 1 to 1024", o.threads))
	}
	if o.off < 0 || (o.off > 0 && o.on < time.Millisecond) {
		errs = append(errs, fmt.Errorf("--burst-on %s, --burst-off %s: not allowed; a burst lasts at least 1ms and a pause is not negative", o.on, o.off))
	}
	return errors.Join(errs...)
}

// runInterference burns CPU on all threads until ctx ends.
func runInterference(ctx context.Context, o interferenceOptions, w io.Writer) error {
	if err := o.validate(); err != nil {
		return err
	}
	runtime.GOMAXPROCS(o.threads + 1) // one more, so that a signal is heard while all threads burn
	out := newLogWriter(w)
	if err := out.put(worklog.Start{Type: worklog.KindStart, Role: roleInterference, UnixNS: time.Now().UnixNano()}); err != nil {
		return err
	}
	var threads sync.WaitGroup
	for range o.threads {
		threads.Go(func() { burnUntil(ctx, o) })
	}
	threads.Wait()
	return out.put(worklog.End{Type: worklog.KindEnd, Role: roleInterference, UnixNS: time.Now().UnixNano(), CPUSeconds: processCPU()})
}

// burnRounds is how long a thread spins between two looks at the context:
// well below a millisecond on any machine of this century.
const burnRounds = 20_000

func burnUntil(ctx context.Context, o interferenceOptions) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cycle := time.Now()
	for ctx.Err() == nil {
		spin(burnRounds)
		if o.off == 0 || time.Since(cycle) < o.on {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(o.off):
			cycle = time.Now()
		}
	}
}
