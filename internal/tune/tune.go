// Package tune says which cooldown would have been best for the recorded use of one target: it replays the record against others, and weighs
// what the target costs awake against cold starts and the waiting of people.
package tune

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// A Use is a time in which somebody was connected, from the beginning of the record.
type Use struct{ From, Until time.Duration }

// A Record is what is known of the use of a target.
type Record struct {
	Uses    []Use // in any order; they may overlap
	Horizon time.Duration
}

// A Price says what is weighed, in one currency.
type Price struct {
	PerHour   float64       // what an hour awake costs more than one asleep
	PerStart  float64       // what a start costs
	Waiting   float64       // what an hour of a person's waiting is worth
	StartTime time.Duration // how long a start takes
	StopTime  time.Duration // how long a stop takes
}

// coldStart is what one costs altogether: itself, the time of starting and stopping, and who waits for it.
func (p Price) coldStart() float64 {
	return p.PerStart + p.Waiting*p.StartTime.Hours() + p.PerHour*(p.StartTime+p.StopTime).Hours()
}

// BreakEven is the cooldown that costs as much as the cold start which it may save. Whoever knows nothing of the future never pays more than
// twice the least with it (ski rental: Karlin, Manasse, Rudolph and Sleator, Competitive snoopy caching, 1988).
func (p Price) BreakEven() time.Duration {
	hours := p.coldStart() / p.PerHour
	if p.PerHour <= 0 || hours > longest.Hours() {
		return longest
	}
	return time.Duration(hours * float64(time.Hour))
}

const longest = 366 * 24 * time.Hour

// Bounds are those of the cooldown.
type Bounds struct{ Least, Most time.Duration }

func (b Bounds) clamp(d time.Duration) time.Duration { return min(max(d, b.Least), b.Most) }

// An Outcome is what a cooldown would have come to.
type Outcome struct {
	Cooldown   time.Duration
	Awake      time.Duration
	ColdStarts int
	Waited     time.Duration // by all who waited
	Cost       float64       // money, with waiting at its price
}

// sorted returns the record with its uses in order.
func (r Record) sorted() Record {
	r.Uses = slices.Clone(r.Uses)
	slices.SortFunc(r.Uses, func(x, y Use) int { return cmp.Or(cmp.Compare(x.From, y.From), cmp.Compare(x.Until, y.Until)) })
	return r
}

// Replay says what a cooldown would have come to.
func Replay(r Record, cooldown time.Duration, p Price) Outcome {
	return replay(r.sorted(), cooldown, p)
}

// replay is that for a record in order. A client that waits stays as long as it did, and so leaves later.
func replay(r Record, cooldown time.Duration, p Price) Outcome {
	o := Outcome{Cooldown: cooldown}
	var since, ready, busy time.Duration // of the run: when it began, when it is ready, when its last client leaves
	up := false
	down := func() time.Duration { return max(busy, ready) + cooldown + p.StopTime }
	for _, u := range r.Uses {
		if u.From >= r.Horizon {
			break
		}
		if stop := max(busy, ready) + cooldown; up && u.From >= stop {
			end := down()
			o.Awake += min(end, r.Horizon) - since
			since, up = max(end, u.From), true // a stop that has begun is waited for
			ready, busy = since+p.StartTime, 0
			o.ColdStarts++
		} else if !up {
			since, up = u.From, true
			ready, busy = since+p.StartTime, 0
			o.ColdStarts++
		}
		begins := max(u.From, ready)
		o.Waited += begins - u.From
		busy = max(busy, begins+max(u.Until-u.From, 0))
	}
	if up {
		o.Awake += max(min(down(), r.Horizon)-since, 0)
	}
	o.Cost = p.PerHour*o.Awake.Hours() + p.PerStart*float64(o.ColdStarts) + p.Waiting*o.Waited.Hours()
	return o
}

// A Choice is a cooldown, and why it is that.
type Choice struct {
	Outcome
	BreakEven Outcome   // what the cooldown of the ski rental would have come to
	Curve     []Outcome // by cooldown, for a plot
	Thin      bool      // too little is known: it is the break-even
	Reason    string    // one sentence
}

const (
	leastGaps    = 10                 // pauses between uses: fewer are chance
	leastHorizon = 3 * 24 * time.Hour // shorter ones have seen no weekend, and no other day
	mostTried    = 300                // cooldowns of each kind
	plateau      = 1.01               // what costs so little more is as good
)

// Choose says which cooldown to take for what is to come, from what was.
func Choose(r Record, p Price, b Bounds) Choice {
	r = r.sorted()
	even := b.clamp(p.BreakEven())
	c := Choice{BreakEven: replay(r, even, p)}
	tried := candidates(r, p, b)
	for _, d := range tried {
		c.Curve = append(c.Curve, replay(r, d, p))
	}
	gaps := len(gapsOf(r))
	switch {
	case p.PerHour <= 0:
		c.Outcome, c.Reason = replay(r, b.Most, p), "an hour awake costs nothing more, so the longest cooldown is best"
	case gaps < leastGaps || r.Horizon < leastHorizon:
		c.Thin, c.Outcome = true, c.BreakEven
		c.Reason = fmt.Sprintf("too little is known (%d pauses in %v), so it is the break-even: the time that costs as much as one cold start", gaps, short(r.Horizon))
	default:
		c.Outcome = replay(r, middle(c.Curve), p)
		c.Reason = fmt.Sprintf("of %d cooldowns, replayed against %v of use, those around it cost least", len(tried), short(r.Horizon))
	}
	return c
}

// Best is the best of all in hindsight.
func Best(r Record, p Price, b Bounds) Outcome {
	r = r.sorted()
	var best Outcome
	for i, d := range candidates(r, p, b) {
		if o := replay(r, d, p); i == 0 || o.Cost < best.Cost {
			best = o
		}
	}
	return best
}

// middle is that of the cooldowns around the cheapest which cost hardly more: the very cheapest fits the chances of the record.
func middle(curve []Outcome) time.Duration {
	at := 0
	for i := range curve {
		if curve[i].Cost < curve[at].Cost {
			at = i
		}
	}
	first, last, most := at, at, curve[at].Cost*plateau
	for first > 0 && curve[first-1].Cost <= most {
		first--
	}
	for last < len(curve)-1 && curve[last+1].Cost <= most {
		last++
	}
	low, high := max(curve[first].Cooldown, time.Second), max(curve[last].Cooldown, time.Second)
	return time.Duration(math.Sqrt(float64(low) * float64(high)))
}

// gapsOf returns the pauses in which nobody was there.
func gapsOf(r Record) (gaps []time.Duration) {
	var until time.Duration
	for i, u := range r.Uses {
		if i > 0 && u.From > until {
			gaps = append(gaps, u.From-until)
		}
		until = max(until, u.Until)
	}
	return gaps
}

// round are cooldowns that people would write.
var round = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 4 * time.Hour}

// candidates are the cooldowns worth trying, in order. Between two pauses of the record a longer cooldown only costs more, so the best is as
// long as one of them, or the shortest; behind a cold start the pause is shorter by the waiting.
func candidates(r Record, p Price, b Bounds) []time.Duration {
	tried := []time.Duration{b.Least, b.Most, b.clamp(p.BreakEven())}
	gaps := gapsOf(r)
	slices.Sort(gaps)
	step := max(len(gaps)/mostTried, 1)
	for i := 0; i < len(gaps); i += step {
		for _, d := range []time.Duration{gaps[i] + time.Millisecond, gaps[i] - p.StartTime + time.Millisecond} {
			if d > b.Least && d < b.Most {
				tried = append(tried, d)
			}
		}
	}
	const grid = 60 // so that a plot has points everywhere
	low, high := math.Log(float64(max(b.Least, time.Second))), math.Log(float64(b.Most))
	for i := range grid {
		tried = append(tried, b.clamp(time.Duration(math.Exp(low+(high-low)*float64(i)/(grid-1)))))
	}
	for _, d := range round {
		tried = append(tried, b.clamp(d))
	}
	slices.Sort(tried)
	return slices.Compact(tried)
}

// short is a duration with one unit or two.
func short(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d >= time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return d.Round(time.Second).String()
}
