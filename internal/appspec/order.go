package appspec

import "slices"

// StartOrder returns the app's containers so that each comes after those it
// depends on, and otherwise by name. The app must have been parsed: its
// dependencies are known and run in no circle.
func StartOrder(app App) []Container {
	byName := make(map[string]Container, len(app.Containers))
	for _, c := range app.Containers {
		byName[c.Name] = c
	}
	var out []Container
	done := map[string]bool{}
	var visit func(c Container)
	visit = func(c Container) {
		if done[c.Name] {
			return
		}
		done[c.Name] = true
		for _, name := range slices.Sorted(slices.Values(c.DependsOn)) {
			visit(byName[name])
		}
		out = append(out, c)
	}
	for _, c := range app.Containers {
		visit(c)
	}
	return out
}

// findCycle returns the names along a circle of dependencies, the first
// repeated at the end, or nil.
func findCycle(app App) []string {
	byName := make(map[string]Container, len(app.Containers))
	for _, c := range app.Containers {
		byName[c.Name] = c
	}
	finished := map[string]bool{}
	var trail []string
	var visit func(name string) []string
	visit = func(name string) []string {
		if i := slices.Index(trail, name); i >= 0 {
			return append(slices.Clone(trail[i:]), name)
		}
		if finished[name] {
			return nil
		}
		trail = append(trail, name)
		for _, next := range byName[name].DependsOn {
			if cycle := visit(next); cycle != nil {
				return cycle
			}
		}
		trail = trail[:len(trail)-1]
		finished[name] = true
		return nil
	}
	for _, c := range app.Containers {
		if cycle := visit(c.Name); cycle != nil {
			return cycle
		}
	}
	return nil
}
