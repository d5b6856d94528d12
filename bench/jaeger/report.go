package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/governor-project/governor/bench/internal/stats"
)

const ratioIs = "contrib's cost divided by Governor's, the median over turns: above 1, Governor is that many times cheaper"

// write puts the result into a file, whose folder is made.
func (r result) write(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	out, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(out, '\n'), 0o644)
}

// print writes three tables: processes, their memory, decoders.
func (r result) print(out io.Writer) error {
	fmt.Fprintf(out, "ratio: %s\n%d turns of %g s each, %d cores, %s, %s; median (min–max)\n", ratioIs, r.Turns, r.Seconds, r.Cores, r.Go, r.Sender)
	return errors.Join(r.printCost(out), r.printMemory(out), r.printDecode(out))
}

func newTable(out io.Writer, title string) *tabwriter.Writer {
	fmt.Fprintf(out, "\n%s\n", title)
	return tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
}

func (r result) printCost(out io.Writer) error {
	w := newTable(out, "CPU time of the process per accepted span, and spans lost")
	fmt.Fprintln(w, "ratio\tspans/packet\tspans/s\tgovernor µs\tcontrib µs\tgovernor loss %\tcontrib loss %\tsent/s governor\tsent/s contrib")
	for _, c := range r.Cases {
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\t%s\t%.0f\t%.0f\n",
			numbers(stats.Ratios(c.Governor.Turns, c.Contrib.Turns, costOf), "%.1f"), c.SpansPerPacket, c.Rate,
			cell(c.Governor, costOf, "%.2f"), cell(c.Contrib, costOf, "%.2f"),
			cell(c.Governor, percentLost, "%.3f"), cell(c.Contrib, percentLost, "%.3f"),
			c.Governor.SentPerSecond, c.Contrib.SentPerSecond)
	}
	return w.Flush()
}

func (r result) printMemory(out io.Writer) error {
	w := newTable(out, "Resident memory in MiB")
	fmt.Fprintln(w, "ratio\tspans/packet\tspans/s\tgovernor\tat start\tpeak\tcontrib\tat start\tpeak")
	for _, c := range r.Cases {
		fmt.Fprintf(w, "%.1f\t%d\t%d", c.RSSRatio, c.SpansPerPacket, c.Rate)
		for _, s := range []side{c.Governor, c.Contrib} {
			fmt.Fprintf(w, "\t%s\t%.0f\t%.0f", cell(s, residentMebibytes, "%.0f"), mebibytes(s.StartBytes), mebibytes(s.PeakBytes))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

func (r result) printDecode(out io.Writer) error {
	w := newTable(out, "Decoding alone, per span")
	fmt.Fprintln(w, "ratio\tspans/packet\tgovernor ns\tcontrib ns\tgovernor bytes\tcontrib bytes\tgovernor allocations\tcontrib allocations")
	for _, c := range r.Decode.Cases {
		fmt.Fprintf(w, "%.1f\t%d\t%s\t%s\t%.0f\t%.0f\t%.1f\t%.1f\n", c.Ratio, c.SpansPerPacket,
			numbers(c.spread[nameGovernor], "%.0f"), numbers(c.spread[nameContrib], "%.0f"),
			c.Governor.Bytes, c.Contrib.Bytes, c.Governor.Allocations, c.Contrib.Allocations)
	}
	return w.Flush()
}

func percentLost(t turn) float64 { return 100 * t.Loss }

func residentMebibytes(t turn) float64 { return mebibytes(t.RSSBytes) }

func mebibytes(bytes float64) float64 { return bytes / (1 << 20) }

func cell(s side, figure func(turn) float64, format string) string {
	return numbers(stats.Over(s.Turns, figure), format)
}

func numbers(s stats.Spread, format string) string {
	return fmt.Sprintf(format+" (%s)", s.Median, ends(s, format))
}

func ends(s stats.Spread, format string) string {
	return fmt.Sprintf(format+"–"+format, s.Min, s.Max)
}
