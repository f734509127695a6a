package config

import (
	"fmt"
	"strconv"
)

// busy reads who may put off a stop.
func (b *builder) busy(path string, e BusyEntry) Busy {
	busy := Busy{
		Command: b.command(path+".command", e.Command),
		Path:    value(b, b.from(path+".path", Text(e.HTTP)), func(s string) (string, error) { return parsePath(s) }),
		Every:   value(b, b.from(path+".every", Text(e.Every)), everySpan.parse),
		Timeout: value(b, b.from(path+".timeout", Text(e.Timeout)), attemptSpan.parse),
		AtMost:  value(b, b.from(path+".at_most", Text(e.AtMost)), atMostSpan.parse),
	}
	if len(e.Command) > 0 && e.HTTP.given {
		b.report(e.HTTP.at, wrong("both a program and a request say whether the target is busy", "write one of command: and http:"))
	}
	for _, t := range []Duration{e.Every, e.Timeout, e.AtMost} {
		if t.given && len(e.Command) == 0 && !e.HTTP.given {
			b.report(t.at, wrong("nothing says whether the target is busy", "write command: or http: beside it"))
			break
		}
	}
	if !busy.asks() {
		return Busy{}
	}
	return busy
}

// retry reads how failures are tried again.
func (b *builder) retry(path string, e RetryEntry) Retry {
	r := Retry{
		Pause:        value(b, b.from(path+".pause", Text(e.Pause)), pauseSpan.parse),
		LongestPause: value(b, b.from(path+".longest_pause", Text(e.LongestPause)), pauseSpan.parse),
		RefuseAfter:  value(b, b.from(path+".refuse_after", Text(e.RefuseAfter)), countOf("starts", 1000)),
	}
	switch {
	case e.Pause.given && e.LongestPause.given && 0 < r.LongestPause && r.LongestPause < r.Pause:
		b.report(e.LongestPause.at, wrong(formatDuration(r.LongestPause)+" is shorter than the first pause, "+formatDuration(r.Pause), "write at least as long a one"))
	case !e.Pause.given && !e.LongestPause.given && !e.RefuseAfter.given:
		return Retry{}
	case e.LongestPause.given:
		r.Pause = min(r.Pause, r.LongestPause) // which is the default
	default:
		r.LongestPause = max(r.Pause, r.LongestPause)
	}
	return r
}

// crashLoop reads when a target dies too often.
func (b *builder) crashLoop(path string, e CrashLoopEntry) CrashLoop {
	c := CrashLoop{
		Deaths: value(b, b.from(path+".deaths", Text(e.Deaths)), countOf("deaths", 1000)),
		Within: value(b, b.from(path+".within", Text(e.Within)), loopSpan.parse),
		Pause:  value(b, b.from(path+".pause", Text(e.Pause)), loopSpan.parse),
	}
	for _, t := range []Duration{e.Within, e.Pause} {
		if t.given && !e.Deaths.given {
			b.report(t.at, wrong("nothing says how many deaths are too many", "write deaths: beside it, such as deaths: 3"))
			break
		}
	}
	if c.Deaths == 0 {
		return CrashLoop{}
	}
	return c
}

// countOf reads how many there may be of something.
func countOf(what string, most int) func(raw string) (int, error) {
	return func(raw string) (int, error) {
		n, err := strconv.Atoi(raw)
		switch {
		case !isDigits(raw):
			return 0, wrong(show(raw)+" is not a number of "+what, "write a whole number, such as 3")
		case err != nil || n > most:
			return 0, wrong(show(raw)+fmt.Sprintf(" is more than %d", most), "write fewer")
		}
		return n, nil
	}
}
