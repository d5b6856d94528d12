package dockerstatsreceiver

import (
	"fmt"
	"testing"
	"time"

	"github.com/governor-project/governor/internal/cgroup/cgrouptest"
	"github.com/governor-project/governor/internal/inventory"
)

// BenchmarkScrape reads fixture containers: "control" is what a 100 ms control
// loop needs, "default" what is on by default. ns/container is the figure to watch.
func BenchmarkScrape(b *testing.B) {
	control := []string{
		cpuUsage, "container.cpu.throttling_data.periods", "container.cpu.throttling_data.throttled_periods",
		"container.cpu.throttling_data.throttled_time", "container.cpu.stall.time",
	}
	for name, configure := range map[string]func(*Config){
		"control": func(c *Config) { onlyMetrics(b, c, control...) },
		"default": func(*Config) {},
	} {
		for _, containers := range []int{2, 40, 200} {
			b.Run(fmt.Sprintf("%s/%d", name, containers), func(b *testing.B) {
				f := newFixture(b, cgrouptest.V1, configure)
				var all []inventory.Container
				for i := range containers {
					c := fixtureContainer()
					c.ID, c.PID = fmt.Sprintf("%04x%s", i, cgrouptest.ID[4:]), 100000+i
					copyContainer(b, f.root, c.ID, c.PID)
					all = append(all, c)
				}
				f.store.Replace(all)
				f.mustScrape(b)
				b.ReportAllocs()
				b.ResetTimer()
				for b.Loop() {
					f.clock = f.clock.Add(time.Second)
					if f.mustScrape(b).ResourceMetrics().Len() != containers {
						b.Fatal("a container is missing")
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*containers), "ns/container")
			})
		}
	}
}
