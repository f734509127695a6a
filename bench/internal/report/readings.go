package report

import (
	"strconv"
	"strings"
)

// ParseReadings reads the output of `go test -bench`: a name, a count, then pairs of a
// value and its unit. Other lines do not count.
func ParseReadings(text string) []Reading {
	var all []Reading
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		if _, err := strconv.Atoi(fields[1]); err != nil {
			continue
		}
		values := map[string]float64{}
		for i := 2; i+1 < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
				values[fields[i+1]] = v
			}
		}
		all = append(all, Reading{Name: fields[0], Values: values})
	}
	return all
}
