package experiment

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// writeTable prints the result of a scenario for people.
func writeTable(w io.Writer, s Scenario, r Report) {
	fmt.Fprintf(w, "\n%s: %s\nTarget: p95 ≤ %g ms. Pool: CPU %s.\n\n", s.Name, s.Summary, r.TargetMS, s.Pool)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "phase\tseconds\tp50 ms\tp95 ms\tp99 ms\tviolation s\trequests\tservice CPU s\tinterference CPU s\tother CPU s\tpool CPU s\t")
	for _, p := range r.Phases {
		fmt.Fprintf(t, "%s\t%d\t%.1f\t%.1f\t%.1f\t%d\t%d\t%.2f\t%.2f\t%.2f\t%.0f\t\n", p.Name, p.Seconds,
			p.LatencyMS.P50, p.LatencyMS.P95, p.LatencyMS.P99, p.ViolationSeconds, p.Requests,
			p.ServiceCPUSeconds, p.InterferenceCPUSeconds, p.OtherCPUSeconds, p.PoolCPUSeconds)
	}
	_ = t.Flush() // the writer below reports nothing that could be mended here
	if _, ok := r.phase(Governed); ok {
		fmt.Fprintf(w, "\nThe agent wrote %d limits.\n", r.Writes)
	}
	fmt.Fprintln(w)
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range r.Checks {
		fmt.Fprintf(t, "  %s\t%s\t%s\t(wanted %s)\n", mark(c.OK), c.Name, c.Value, c.Wanted)
	}
	_ = t.Flush()
	for _, n := range r.Notes {
		fmt.Fprintln(w, "  "+n)
	}
}

func mark(ok bool) string {
	if ok {
		return "pass"
	}
	return "FALLS SHORT"
}

// Met reports whether all reports reach all figures.
func Met(reports []Report) bool {
	for _, r := range reports {
		for _, c := range r.Checks {
			if !c.OK {
				return false
			}
		}
	}
	return true
}
