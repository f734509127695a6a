package config

import "strings"

// PlaceFlags returns the problems with the flag at which each value of a Config was given, where they stand at the path of one.
func PlaceFlags(problems Problems) Problems {
	flags := map[string]string{}
	for _, d := range new(Flags).Definitions() {
		if d.path != "" {
			flags[d.path] = "--" + d.Name
		}
	}
	var placed Problems
	for _, p := range problems {
		if flag, ok := nearestPath(flags, p.Where); ok {
			p.Where = flag
		}
		placed = append(placed, p)
	}
	return placed
}

// nearestPath returns what stands at a path, or else at the nearest path above it.
func nearestPath[T any](at map[string]T, path string) (T, bool) {
	for path != "" {
		if found, ok := at[path]; ok {
			return found, true
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	var none T
	return none, false
}
