// Package stats reduces repeated measurements to what a reader can use: a median with
// its range. Means and deviations are left out on purpose: on a shared machine the
// outliers are the neighbours', and a median of seven forgives three of them.
package stats

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// Summary is the median and range of N values. The zero value says that nothing was measured.
type Summary struct {
	N                int
	Median, Min, Max float64
}

// Of summarises values, in any order; it does not change them.
func Of(values []float64) Summary {
	if len(values) == 0 {
		return Summary{}
	}
	sorted := slices.Sorted(slices.Values(values))
	mid := len(sorted) / 2
	median := sorted[mid]
	if len(sorted)%2 == 0 {
		median = (sorted[mid-1] + sorted[mid]) / 2
	}
	return Summary{N: len(sorted), Median: median, Min: sorted[0], Max: sorted[len(sorted)-1]}
}

// Percentile gives the smallest of the sorted values that p percent of them do not
// exceed (nearest rank); p is 0 to 100. Of no values it is 0.
func Percentile[T int64 | float64](sorted []T, p float64) T {
	if len(sorted) == 0 {
		var none T
		return none
	}
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// Ratio is a divided by b, or NaN where b says nothing.
func Ratio(a, b float64) float64 {
	if b == 0 {
		return math.NaN()
	}
	return a / b
}

// String writes the median and, of more than one value, the range: "1.05 [0.95–1.24]".
func (s Summary) String() string {
	switch s.N {
	case 0:
		return "–"
	case 1:
		return Format(s.Median)
	default:
		return Format(s.Median) + " [" + Format(s.Min) + "–" + Format(s.Max) + "]"
	}
}

// Format writes v with three significant digits, or all digits of its whole part, in
// groups of three: 0.0123, 1.24, 98.0, 12,345.
func Format(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case a == 0:
		return "0"
	case a < 0.0005:
		return strconv.FormatFloat(v, 'g', 2, 64)
	case a < 99.95:
		digits := 2 - int(math.Floor(math.Log10(a)))
		return strconv.FormatFloat(v, 'f', min(max(digits, 0), 4), 64)
	}
	return group(strconv.FormatFloat(v, 'f', 0, 64))
}

// group puts commas between thousands.
func group(digits string) string {
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}
