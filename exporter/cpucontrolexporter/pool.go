package cpucontrolexporter

import (
	"errors"
	"fmt"

	"github.com/governor-project/governor/internal/control"
	"github.com/governor-project/governor/internal/cpuset"
)

// resolve checks the pool against the online CPUs.
func (p PoolConfig) resolve(online cpuset.Set) (control.Pool, error) {
	cpus, reserved, err := p.parse()
	if err != nil {
		return control.Pool{}, err
	}
	if p.CPUs == "" {
		cpus = online
	}
	err = errors.Join(areOnline("pool.cpus", cpus, online), areOnline("pool.reserved_cpus", reserved, online))
	if err == nil && cpus.Difference(reserved).IsEmpty() {
		err = fmt.Errorf("pool.reserved_cpus %q: nothing is left of the pool, %q", reserved, cpus)
	}
	return control.Pool{CPUs: cpus, Reserved: reserved, Online: online}, err
}

func areOnline(key string, cpus, online cpuset.Set) error {
	offline := cpus.Difference(online)
	if offline.IsEmpty() {
		return nil
	}
	first := 0
	for first = range offline.All() {
		break
	}
	return fmt.Errorf("%s %q: CPU %d is offline; online are %s", key, cpus, first, online)
}
