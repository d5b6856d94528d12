package cgroup

// PIDs is the number of tasks (threads count too) of a group.
type PIDs struct {
	Current uint64
	Limit   uint64 // 0: none
	Have    bool   // whether the group has the pids controller
}

// PIDs reads pids.current and pids.max.
func (s *Stats) PIDs(p *PIDs) error {
	*p = PIDs{}
	var err error
	if p.Have, err = s.number(filePIDs, ctrlPIDs, "pids.current", &p.Current); err != nil || !p.Have {
		return err
	}
	_, err = s.number(filePIDsMax, ctrlPIDs, "pids.max", &p.Limit)
	return err
}
