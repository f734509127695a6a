// Package savings reckons what a target has cost, in money and in energy, and what it would have cost had it never been stopped. It
// is told what was observed, and supposes nothing about the rest.
package savings

import (
	"math"
	"slices"
	"time"
)

// An Interval is a time that the target spent in one state, by its name.
type Interval struct {
	State        string
	Since, Until time.Time
}

// Prices are what a target costs and draws. Zero fields are not known.
type Prices struct {
	PerHour, StoppedPerHour, PerStart float64 // money
	WaitingPerHour                    float64
	Currency                          string
	Watts, StoppedWatts               float64
}

// money says whether anything is known of what it costs.
func (p Prices) money() bool { return p.PerHour > 0 || p.PerStart > 0 }

// Waits are what clients waited.
type Waits struct {
	Count          int
	Total, Longest time.Duration
	Starts, Failed int
	StartsOn       []time.Time // when each start was begun
	TypicalStart   time.Duration
	ClientsInAll   int
	RefusedClients int
}

// A Record is what was observed of one target.
type Record struct {
	Target    string
	Intervals []Interval // in order, not overlapping
	Waits     Waits
	Prices    Prices
}

// A Summary is what that comes to. Seconds, money and kilowatt-hours. Fields of money are nil for a target without prices, those of energy
// for one without watts.
type Summary struct {
	Name        string  `json:"name"`
	Currency    string  `json:"currency,omitempty"`
	Observed    float64 `json:"observed"`
	Awake       float64 `json:"awake"`
	Asleep      float64 `json:"asleep"`
	Clients     int     `json:"clients"`
	Refused     int     `json:"refused"`
	Starts      int     `json:"starts"` // that were begun
	Failed      int     `json:"failed_starts"`
	StartTime   float64 `json:"typical_start"`
	Waits       int     `json:"waits"`
	Waited      float64 `json:"waited"`
	LongestWait float64 `json:"longest_wait"`

	Cost         *float64 `json:"cost,omitempty"`
	AlwaysOnCost *float64 `json:"always_on_cost,omitempty"`
	Saved        *float64 `json:"saved,omitempty"`
	WaitingCost  *float64 `json:"waiting_cost,omitempty"` // what the waiting of people was worth, if that is known
	Energy       *float64 `json:"energy,omitempty"`
	AlwaysOn     *float64 `json:"always_on_energy,omitempty"`
	EnergySaved  *float64 `json:"energy_saved,omitempty"`

	Days []Day `json:"per_day"`
}

// A Day is what a calendar day comes to.
type Day struct {
	Day      string   `json:"day"` // 2026-11-26
	Observed float64  `json:"observed"`
	Awake    float64  `json:"awake"`
	Starts   int      `json:"starts"`
	Cost     *float64 `json:"cost,omitempty"`
	Saved    *float64 `json:"saved,omitempty"`
	Energy   *float64 `json:"energy,omitempty"`
}

// Awake says whether a target in a state counts as awake: it runs, or somebody pays for it as if it did.
func Awake(state string) bool { return state != "stopped" && state != "failed" }

// Reckon sums a record up. Days are those of a place.
func Reckon(r Record, place *time.Location) Summary {
	s := Summary{
		Name: r.Target, Clients: r.Waits.ClientsInAll, Refused: r.Waits.RefusedClients, Starts: r.Waits.Starts, Failed: r.Waits.Failed,
		StartTime: r.Waits.TypicalStart.Seconds(), Waits: r.Waits.Count, Waited: r.Waits.Total.Seconds(), LongestWait: r.Waits.Longest.Seconds(),
		Days: []Day{},
	}
	days := map[string]*Day{}
	var order []string
	day := func(at time.Time) *Day {
		key := at.In(place).Format(time.DateOnly)
		if days[key] == nil {
			days[key] = &Day{Day: key}
			order = append(order, key)
		}
		return days[key]
	}
	for _, i := range r.Intervals {
		for since := i.Since; since.Before(i.Until); {
			until := midnight(since, place)
			if until.After(i.Until) {
				until = i.Until
			}
			d, length := day(since), until.Sub(since).Seconds()
			d.Observed += length
			if Awake(i.State) {
				d.Awake += length
			}
			since = until
		}
	}
	for _, at := range r.Waits.StartsOn {
		day(at).Starts++
	}
	slices.Sort(order)
	for _, key := range order {
		d := days[key]
		d.price(r.Prices)
		s.Observed += d.Observed
		s.Awake += d.Awake
		s.Days = append(s.Days, *d)
	}
	s.Asleep = s.Observed - s.Awake
	s.price(r.Prices)
	return s
}

// midnight is the one after a time. Days have 23 or 25 hours when clocks are set.
func midnight(at time.Time, place *time.Location) time.Time {
	y, m, d := at.In(place).Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, place)
}

// spent is what so many seconds and starts cost, and what they would have cost always on.
func (p Prices) spent(observed, awake float64, starts int) (cost, always float64) {
	cost = awake/3600*p.PerHour + (observed-awake)/3600*p.StoppedPerHour + float64(starts)*p.PerStart
	return cost, observed / 3600 * p.PerHour
}

// drawn is the same in kilowatt-hours.
func (p Prices) drawn(observed, awake float64) (energy, always float64) {
	energy = (awake*p.Watts + (observed-awake)*p.StoppedWatts) / 3600 / 1000
	return energy, observed * p.Watts / 3600 / 1000
}

func (d *Day) price(p Prices) {
	if p.money() {
		cost, always := p.spent(d.Observed, d.Awake, d.Starts)
		d.Cost, d.Saved = rounded(cost), rounded(always-cost)
	}
	if p.Watts > 0 {
		energy, _ := p.drawn(d.Observed, d.Awake)
		d.Energy = rounded(energy)
	}
}

func (s *Summary) price(p Prices) {
	if p.money() {
		cost, always := p.spent(s.Observed, s.Awake, s.Starts)
		s.Currency, s.Cost, s.AlwaysOnCost, s.Saved = p.Currency, rounded(cost), rounded(always), rounded(always-cost)
	}
	if p.WaitingPerHour > 0 {
		s.Currency, s.WaitingCost = p.Currency, rounded(s.Waited/3600*p.WaitingPerHour)
	}
	if p.Watts > 0 {
		energy, always := p.drawn(s.Observed, s.Awake)
		s.Energy, s.AlwaysOn, s.EnergySaved = rounded(energy), rounded(always), rounded(always-energy)
	}
}

// rounded keeps six digits behind the point: more is noise of the arithmetic.
func rounded(f float64) *float64 {
	f = math.Round(f*1e6) / 1e6
	return &f
}

// A Total is the sum of all targets with one currency.
type Total struct {
	Currency     string  `json:"currency"`
	Cost         float64 `json:"cost"`
	AlwaysOnCost float64 `json:"always_on_cost"`
	Saved        float64 `json:"saved"`
}

// A Report is of several targets.
type Report struct {
	Since       time.Time `json:"since"`
	Until       time.Time `json:"until"`
	Targets     []Summary `json:"targets"`
	Totals      []Total   `json:"totals"` // by currency
	EnergySaved *float64  `json:"energy_saved,omitempty"`
}

// Sum makes the report of summaries.
func Sum(since, until time.Time, all []Summary) Report {
	r := Report{Since: since, Until: until, Targets: all, Totals: []Total{}}
	for _, s := range all {
		if s.EnergySaved != nil {
			before := 0.0
			if r.EnergySaved != nil {
				before = *r.EnergySaved
			}
			r.EnergySaved = rounded(before + *s.EnergySaved)
		}
		if s.Cost == nil {
			continue
		}
		i := slices.IndexFunc(r.Totals, func(t Total) bool { return t.Currency == s.Currency })
		if i < 0 {
			i = len(r.Totals)
			r.Totals = append(r.Totals, Total{Currency: s.Currency})
		}
		t := &r.Totals[i]
		t.Cost, t.AlwaysOnCost, t.Saved = *rounded(t.Cost + *s.Cost), *rounded(t.AlwaysOnCost + *s.AlwaysOnCost), *rounded(t.Saved + *s.Saved)
	}
	return r
}
