// Package dockerstatsreceiver is the docker_stats receiver: it reads the
// figures of every container straight from cgroup files and /proc and turns
// them into metrics.
//
// It is wiring: who the containers are comes from internal/inventory, what they
// did from internal/cgroup. A scrape reads only the files that the enabled
// metrics need. One goroutine, the scrape controller's, owns all state.
package dockerstatsreceiver

//go:generate mdatagen metadata.yaml
