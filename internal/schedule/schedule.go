// Package schedule knows times that come again and again: windows that begin as a crontab says, in a time zone, and last for a
// while. What a crontab means, over the nights when clocks are set as well, is for github.com/netresearch/go-cron.
package schedule

import (
	"fmt"
	"strings"
	"time"

	cron "github.com/netresearch/go-cron"
)

// A Window begins each time that Cron says, and lasts.
type Window struct {
	Cron string         // minute, hour, day of the month, month, day of the week
	For  time.Duration  // more than 0
	Zone *time.Location // nil: that of this machine
}

var parser = cron.MustNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// Check says what is wrong with a crontab's five fields.
func Check(text string) error {
	_, err := parse(text)
	return err
}

func parse(text string) (cron.ScheduleWithPrev, error) {
	if n := len(strings.Fields(text)); n != 5 || strings.ContainsAny(text, "=@") {
		return nil, fmt.Errorf("it has %d fields, and a crontab has five: minute, hour, day of the month, month, day of the week", n)
	}
	s, err := parser.Parse(text)
	if err != nil {
		return nil, err
	}
	both, ok := s.(cron.ScheduleWithPrev)
	if !ok || both.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, fmt.Errorf("it never comes")
	}
	return both, nil
}

// A Schedule is several windows. It is open while one of them is. The zero value, and nil, never is.
type Schedule struct{ windows []window }

type window struct {
	cron.ScheduleWithPrev
	lasts time.Duration
	zone  *time.Location
}

// New returns the schedule of some windows.
func New(windows []Window) (*Schedule, error) {
	s := &Schedule{}
	for _, w := range windows {
		at, err := parse(w.Cron)
		if err != nil {
			return nil, fmt.Errorf("the window %q: %w", w.Cron, err)
		}
		zone := w.Zone
		if zone == nil {
			zone = time.Local
		}
		s.windows = append(s.windows, window{at, w.For, zone})
	}
	return s, nil
}

// Open says whether a window is open at a time, and until when. The time is in the zone of the window that closes last.
func (s *Schedule) Open(at time.Time) (until time.Time, open bool) {
	if s == nil {
		return time.Time{}, false
	}
	for again := true; again; { // one may be followed by another without a gap
		again = false
		for _, w := range s.windows {
			from := at
			if open {
				from = until
			}
			if end, ok := w.open(from); ok && (!open || end.After(until)) {
				until, open, again = end, true, end.Sub(at) < 366*24*time.Hour
			}
		}
	}
	return until, open
}

// setBy is more than clocks are ever set by: a beginning that does not exist on such a night is only found from before it.
const setBy = 3 * time.Hour

// open looks for a beginning that is not too long ago.
func (w window) open(at time.Time) (until time.Time, open bool) {
	at = at.In(w.zone)
	began := w.Next(at.Add(-w.lasts - setBy))
	for !began.IsZero() && !began.After(at) && at.Sub(began) >= w.lasts {
		began = w.Next(began)
	}
	if began.IsZero() || began.After(at) {
		return time.Time{}, false
	}
	if last := w.Prev(at.Add(time.Second)); last.After(began) && !last.After(at) {
		began = last
	}
	return began.Add(w.lasts), true
}

// Next returns when the next window opens that is not open at a time; the zero time if none ever does.
func (s *Schedule) Next(at time.Time) time.Time {
	var next time.Time
	if s == nil {
		return next
	}
	for _, w := range s.windows {
		if t := w.Next(at.In(w.zone)); !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	return next
}
