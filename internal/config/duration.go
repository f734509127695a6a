package config

import (
	"cmp"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// ParseDuration reads a duration as the user writes it: 90s, 30m, 1h30m, 1.5h, 250ms,
// or a bare whole number, which is seconds. The error shows the value and says what
// would be right.
func ParseDuration(s string) (time.Duration, error) {
	if isWhole(s) {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n > math.MaxInt64/int64(time.Second) || n < math.MinInt64/int64(time.Second) {
			return 0, wrong(show(s)+" is longer than any duration", "a bare number is seconds; write one such as 30m")
		}
		return time.Duration(n) * time.Second, nil
	}
	d, err := time.ParseDuration(s)
	if err == nil {
		return d, nil
	}
	if wellFormed.MatchString(s) {
		return 0, wrong(show(s)+" is longer than any duration", "write one such as 30m")
	}
	return 0, wrong(show(s)+" is not a duration", durationHint(s))
}

// wellFormed matches what [time.ParseDuration] refuses only for its size.
var wellFormed = regexp.MustCompile(`^[-+]?((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+$`)

// isWhole reports whether s is a whole number in decimal digits.
func isWhole(s string) bool {
	digits := strings.TrimLeft(s, "+-")
	return len(s)-len(digits) <= 1 && isDigits(digits)
}

// isDigits reports whether s is a row of decimal digits.
func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// durationHint says how to write what s probably means.
func durationHint(s string) string {
	if strings.Contains(s, ",") && strings.Trim(s, "0123456789.,") == "" {
		return "write it without a comma, and with a unit: 1800s, 1.5h"
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil && strings.Trim(s, "0123456789.") == "" {
		number := strconv.FormatFloat(n, 'f', -1, 64)
		return "give it a unit: " + number + "s, " + number + "m or " + number + "h"
	}
	if d, ok := guessDuration(s); ok {
		return "write " + formatDuration(d)
	}
	if hours, minutes, ok := strings.Cut(s, ":"); ok && isDigits(hours) && isDigits(minutes) && len(s) <= 5 {
		return "write " + hours + "h" + minutes + "m or " + hours + "m" + minutes + "s"
	}
	switch strings.ToLower(s) {
	case "never", "forever", "inf", "infinite", "infinity", "none", "off", "unlimited", "disabled", "no":
		return "there is no endless one; write a long one, such as 24h"
	}
	return "write one such as 90s, 30m or 1h30m"
}

// unitNames are what people write for the units, longest first where one begins with
// another.
var unitNames = strings.NewReplacer(
	"milliseconds", "ms", "millisecond", "ms", "millis", "ms", "msecs", "ms", "msec", "ms",
	"seconds", "s", "second", "s", "secs", "s", "sec", "s",
	"minutes", "m", "minute", "m", "mins", "m", "min", "m",
	"hours", "h", "hour", "h", "hrs", "h", "hr", "h",
	" and ", "", " ", "", ",", ".",
)

// guessDuration reads what is nearly a duration: with names for units, with spaces, in
// capitals, in days or weeks, or as ISO 8601 has it.
func guessDuration(s string) (time.Duration, bool) {
	if len(s) > 40 {
		return 0, false
	}
	plain := unitNames.Replace(strings.ToLower(strings.TrimSpace(s)))
	if iso, ok := strings.CutPrefix(plain, "p"); ok {
		plain = strings.Replace(iso, "t", "", 1)
	}
	if d, err := time.ParseDuration(plain); err == nil {
		return d, d > 0
	}
	for suffix, unit := range map[string]time.Duration{
		"d": day, "day": day, "days": day, "w": 7 * day, "week": 7 * day, "weeks": 7 * day, "y": year, "year": year,
	} {
		number, ok := strings.CutSuffix(plain, suffix)
		if n, err := strconv.ParseFloat(number, 64); ok && err == nil && n > 0 && n <= 1000 {
			return time.Duration(n * float64(unit)), true
		}
	}
	return 0, false
}

// formatDuration writes a duration as a person would: 30m, not 30m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// A span is the durations that a setting may have: above 0 and up to most.
type span struct {
	least    time.Duration // 0 aside
	most     time.Duration
	mostName string // as in "longer than a day"
	example  string // of a good one
	zero     string // what 0 would do, when it is refused; empty: 0 is allowed
	zeroHint string // what to write in its place; empty: the example
}

// The spans of the settings.
var (
	cooldownSpan = span{most: year, mostName: "a year", example: "30m",
		zero:     "would stop the target the moment its last client leaves, even between two requests",
		zeroHint: "write 1s for the shortest sensible cooldown, or a duration such as 30m"}
	startSpan = span{most: day, mostName: "a day", example: "5m",
		zero: "would leave the target no time to start"}
	stopSpan = span{most: day, mostName: "a day", example: "5m",
		zero: "would leave the target no time to stop"}
	drainSpan   = span{most: day, mostName: "a day", example: "30s, or 0 to cut live connections at once"}
	recheckSpan = span{least: time.Second, most: day, mostName: "a day", example: "1m, or 0 to never ask"}
	holdSpan    = span{most: time.Minute, mostName: "a minute", example: "500ms, or 0 to ask for nothing"}
	uptimeSpan  = span{most: 30 * day, mostName: "30 days", example: "10m, or 0"}
	limitSpan   = span{least: time.Second, most: day, mostName: "a day", example: "1m", zero: "is no time"}
	windowSpan  = span{least: time.Minute, most: 30 * day, mostName: "30 days", example: "10h", zero: "is no time"}
	settleSpan  = span{most: time.Minute, mostName: "a minute", example: "50ms, or 0 to count a connection at once"}

	intervalSpan = span{least: 10 * time.Millisecond, most: time.Hour, mostName: "an hour", example: "5s", zero: "is no pause at all"}
	attemptSpan  = span{least: 10 * time.Millisecond, most: 10 * time.Minute, mostName: "10 minutes", example: "5s", zero: "leaves no time for an answer"}
	everySpan    = span{least: time.Second, most: day, mostName: "a day", example: "1m", zero: "would ask without a pause"}
	atMostSpan   = span{least: time.Second, most: 30 * day, mostName: "30 days", example: "4h", zero: "would put nothing off",
		zeroHint: "leave busy: out, or write a duration such as 4h"}
	pauseSpan   = span{least: 10 * time.Millisecond, most: day, mostName: "a day", example: "5s", zero: "would try again without a pause"}
	loopSpan    = span{least: time.Second, most: day, mostName: "a day", example: "10m", zero: "is no time"}
	trafficSpan = span{least: time.Second, most: 30 * day, mostName: "30 days", example: "20m, or 0 to close none"}
)

// check returns what is wrong with d, which the message shows as shown.
func (s span) check(d time.Duration, shown string) error {
	hint := "write a duration such as " + s.example
	switch {
	case d == 0 && s.zero != "":
		return wrong(shown+" "+s.zero, cmp.Or(s.zeroHint, hint))
	case d < 0:
		return wrong(shown+" is negative", hint)
	case d > 0 && d < s.least:
		return wrong(shown+" is shorter than "+formatDuration(s.least), hint)
	case d > s.most:
		return wrong(shown+" is longer than "+s.mostName, "write at most "+formatDuration(s.most))
	default:
		return nil
	}
}

// parse reads a duration that must be in the span.
func (s span) parse(raw string) (time.Duration, error) {
	shown := show(raw)
	if isWhole(raw) {
		shown += " seconds"
	}
	d, err := ParseDuration(raw)
	if err == nil {
		return d, s.check(d, shown)
	}
	// What was nearly written may be too long as well: say that at once.
	if near, ok := guessDuration(raw); ok && near > s.most {
		return 0, s.check(near, shown)
	}
	return 0, err
}
