package history

import (
	"context"
	"time"
)

// A Timeline is what some targets did in a span of time.
type Timeline struct {
	Since   time.Time   `json:"since"`
	Until   time.Time   `json:"until"`
	Bin     float64     `json:"bin"` // seconds
	Targets []TargetRow `json:"targets"`
}

// A TargetRow is one target in a timeline. The numbers are of one bin each, from the beginning.
type TargetRow struct {
	Name      string     `json:"name"`
	Intervals []Interval `json:"intervals"`
	Arrivals  []int      `json:"arrivals"`
	Sent      []int64    `json:"sent"`
	Received  []int64    `json:"received"`
}

// binSizes are what a bin of a timeline may be.
var binSizes = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour}

// BinFor is how long a bin is, for a few hundred of them in a span of time.
func BinFor(span time.Duration) time.Duration {
	const most = 400
	for _, size := range binSizes {
		if span/size <= most {
			return size
		}
	}
	return max(span/most, 24*time.Hour).Round(24 * time.Hour)
}

// Timeline returns that of the targets. It begins at a whole bin.
func (r *Reader) Timeline(ctx context.Context, targets []string, since, until time.Time) (Timeline, error) {
	bin := BinFor(until.Sub(since))
	since = since.Truncate(bin)
	t := Timeline{Since: since, Until: until, Bin: bin.Seconds(), Targets: []TargetRow{}}
	for _, name := range targets {
		row := TargetRow{Name: name}
		var err error
		if row.Intervals, err = r.Intervals(ctx, name, since, until); err != nil {
			return t, err
		}
		if row.Arrivals, err = r.Arrivals(ctx, name, since, until, bin); err != nil {
			return t, err
		}
		if row.Sent, row.Received, err = r.Carried(ctx, name, since, until, bin); err != nil {
			return t, err
		}
		if row.Intervals == nil {
			row.Intervals = []Interval{}
		}
		t.Targets = append(t.Targets, row)
	}
	return t, nil
}

// A Week is how much a target was used in each hour of a week, on average.
type Week struct {
	Since    time.Time            `json:"since"`
	Weeks    int                  `json:"weeks"`
	Hours    [7][24]float64       `json:"hours"` // the share of the hour in which somebody was connected, Monday first
	Arrivals [7][24]int           `json:"arrivals"`
	seen     [7][24]time.Duration // of uses, without overlaps
}

// Week returns that of the last weeks before a time, as far as anything is known, in the hours of a place.
func (r *Reader) Week(ctx context.Context, target string, weeks int, until time.Time, place *time.Location) (Week, error) {
	w := Week{Since: until.AddDate(0, 0, -7*weeks), Weeks: weeks}
	first, err := r.First(ctx, target)
	if err != nil {
		return w, err
	}
	if first.After(w.Since) {
		w.Since = first
	}
	uses, err := r.Uses(ctx, target, w.Since, until)
	if err != nil {
		return w, err
	}
	covered := time.Time{}
	for _, u := range uses {
		if u.Since.Before(covered) {
			u.Since = covered
		}
		w.cover(u.Since, u.Until, place)
		if u.Until.After(covered) {
			covered = u.Until
		}
	}
	hours, err := r.Hours(ctx, target, w.Since, until)
	for _, h := range hours {
		d, hour := cellOf(h.At.In(place))
		w.Arrivals[d][hour] += h.Arrivals
	}
	w.share(until, place)
	return w, err
}

// cellOf is where a time belongs in a week.
func cellOf(at time.Time) (day, hour int) { return (int(at.Weekday()) + 6) % 7, at.Hour() }

// cover adds a time of use.
func (w *Week) cover(since, until time.Time, place *time.Location) {
	for since.Before(until) {
		end := nextHour(since.In(place))
		if end.After(until) {
			end = until
		}
		d, hour := cellOf(since.In(place))
		w.seen[d][hour] += end.Sub(since)
		since = end
	}
}

func nextHour(at time.Time) time.Time {
	return at.Add(time.Hour - time.Duration(at.Minute())*time.Minute - time.Duration(at.Second())*time.Second - time.Duration(at.Nanosecond()))
}

// share divides by how often each hour has come.
func (w *Week) share(until time.Time, place *time.Location) {
	var came [7][24]time.Duration
	for at := w.Since; at.Before(until); {
		end := nextHour(at.In(place))
		if end.After(until) {
			end = until
		}
		d, hour := cellOf(at.In(place))
		came[d][hour] += end.Sub(at)
		at = end
	}
	for d := range came {
		for hour, all := range came[d] {
			if all > 0 {
				w.Hours[d][hour] = min(float64(w.seen[d][hour])/float64(all), 1)
			}
		}
	}
}
