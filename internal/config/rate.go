package config

import (
	"math"
	"strconv"
	"strings"
)

// The bounds of a rate, 0 aside: fewer than one in 100 s would let clients wait that have long given up, and more than a
// million in a second is no limit.
const (
	leastRate = 0.01
	mostRate  = 1_000_000
)

const rateHint = "write how many clients a second, such as 50 or 0.5, or 0 for no limit"

// parseRate reads a number of clients a second: decimal digits, with a point if need be.
func parseRate(raw string) (float64, error) {
	plain := strings.TrimPrefix(raw, "-")
	n, err := strconv.ParseFloat(plain, 64)
	whole, part, point := strings.Cut(plain, ".")
	if !isDigits(whole) || point && !isDigits(part) {
		return 0, wrong(show(raw)+" is not a number", guessRate(raw))
	}
	if err != nil { // more digits than any number has
		n = math.Inf(1)
	}
	if plain != raw {
		n = -n
	}
	return n, checkRate(n, show(raw))
}

// checkRate returns what is wrong with a rate, which the message shows as shown.
func checkRate(n float64, shown string) error {
	switch {
	case math.IsNaN(n):
		return wrong(shown+" is not a number", rateHint)
	case n < 0:
		return wrong(shown+" is negative", rateHint)
	case n > 0 && n < leastRate:
		return wrong(shown+" is less than 0.01", "write at least 0.01, which is one client in 100s, or 0 for no limit")
	case n > mostRate:
		return wrong(shown+" is more than 1000000", "write at most 1000000, or 0 for no limit")
	default:
		return nil
	}
}

// formatRate writes a rate in plain digits.
func formatRate(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// guessRate says how to write what s probably means.
func guessRate(s string) string {
	switch strings.ToLower(s) {
	case "never", "inf", "+inf", "infinite", "infinity", "none", "off", "unlimited", "disabled", "no", "max", "all":
		return "write 0 for no limit"
	}
	if strings.Contains(s, ",") && strings.Trim(s, digits+".,") == "" {
		return "write it without a comma: 1500, 1.5"
	}
	if number := strings.TrimRight(before(s, "/"), " "); number != s && isDigits(number) && perSecond(s[len(number):]) {
		return "write " + number
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil && n >= leastRate && n <= mostRate {
		return "write " + formatRate(n)
	}
	return rateHint
}

// perSecond reports whether s is what people write behind a number that is for each second.
func perSecond(s string) bool {
	unit, found := strings.CutPrefix(strings.TrimSpace(s), "/")
	unit = strings.TrimSpace(unit)
	return found && (unit == "s" || unit == "sec" || unit == "second")
}
