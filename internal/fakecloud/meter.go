package fakecloud

import (
	"context"
	"maps"
	"sync"
	"time"
)

// A Reading is what the meter and the judge say of one machine. Durations are in seconds.
type Reading struct {
	Machine string  `json:"machine"`
	State   State   `json:"state"`
	Address string  `json:"address"`
	Billed  float64 `json:"billed"`
	Needed  float64 `json:"needed"` // the part of Billed that was needed
	Leak    float64 `json:"leak"`   // Billed / Needed, or per nanosecond where none of it was; 0 while nothing is billed

	NeededBy map[string]float64 `json:"needed_by"` // for how long each wanted it, without the allowance
	Wanted   int                `json:"wanted"`    // how many want it now

	Starts   int `json:"starts"` // accepted, and something began
	Stops    int `json:"stops"`
	Refusals int `json:"refusals"`

	Operations      int      `json:"operations"`         // begun by [Cloud.Begin]
	Overlaps        int      `json:"overlaps"`           // of them, a start or stop beside another
	StatusOverlaps  int      `json:"status_overlaps"`    // of them, a status beside a start or stop, or the other way
	UnderClient     int      `json:"stops_under_client"` // stops asked for while a client was connected to its application
	Clients         int      `json:"clients"`            // connected now
	StrangerClients int      `json:"stranger_clients"`   // connections to a stranger at an old address: a probe is one
	StrangerBytes   int64    `json:"stranger_bytes"`     // bytes that a stranger got
	Stranded        bool     `json:"stranded"`           // billed now, and neither needed nor on its way down
	Problems        []string `json:"problems,omitempty"` // of the cloud itself, such as an address in use

	Faults map[Kind]int `json:"faults"` // that have happened
}

// meter counts as time passes. Every change is accounted for before it is made.
type meter struct {
	began, last time.Time
	allowance   time.Duration
	wantedTill  time.Time // end of the newest need, with the allowance
	wanted      int
	billed      bool
	booting     bool
	halting     bool

	billedFor, neededFor time.Duration
	neededBy             map[string]time.Duration

	starts, stops, refusals, underClient int
	operations, overlaps, statusOverlaps int
	strangerClients                      int
	strangerBytes                        int64
	faults                               map[Kind]int
	problems                             []string
}

func newMeter(allowance time.Duration) meter {
	now := time.Now()
	return meter{began: now, last: now, allowance: allowance, wantedTill: now.Add(-time.Second),
		neededBy: map[string]time.Duration{}, faults: map[Kind]int{}}
}

// account adds the time since the last change.
func (t *meter) account() {
	now := time.Now()
	passed, needed := now.Sub(t.last), now.Sub(t.last)
	if t.wanted == 0 && !t.booting && !t.halting {
		needed = min(max(t.wantedTill.Sub(t.last), 0), passed)
	}
	t.last = now
	if t.billed {
		t.billedFor += passed
		t.neededFor += needed
	}
}

func (t *meter) problem(text string) {
	if len(t.problems) < 20 {
		t.problems = append(t.problems, text)
	}
}

// Need says that somebody wants a machine, until done is called.
func (c *Cloud) Need(name, who string) (done func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, err := c.find(name)
	if err != nil {
		return nil, err
	}
	m.meter.account()
	m.meter.wanted++
	began := time.Now()
	return sync.OnceFunc(func() { c.needless(m, who, began) }), nil
}

func (c *Cloud) needless(m *machine, who string, began time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m.meter.account()
	m.meter.wanted--
	m.meter.neededBy[who] += time.Since(began)
	m.meter.wantedTill = time.Now().Add(m.meter.allowance)
}

// Read reads the meter of a machine.
func (c *Cloud) Read(_ context.Context, name string) (Reading, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, err := c.find(name)
	if err != nil {
		return Reading{}, err
	}
	return m.read(), nil
}

func (m *machine) read() Reading {
	t := &m.meter
	t.account()
	r := Reading{
		Machine: m.plan.Name, State: m.state, Address: m.address, Billed: t.billedFor.Seconds(), Needed: t.neededFor.Seconds(),
		NeededBy: map[string]float64{}, Wanted: t.wanted, Starts: t.starts, Stops: t.stops, Refusals: t.refusals,
		Operations: t.operations, Overlaps: t.overlaps, StatusOverlaps: t.statusOverlaps, UnderClient: t.underClient,
		Clients: m.clientsNow(), StrangerClients: t.strangerClients, StrangerBytes: t.strangerBytes,
		Stranded: t.billed && !t.halting && t.wanted == 0 && time.Now().After(t.wantedTill),
		Problems: t.problems, Faults: maps.Clone(t.faults),
	}
	r.Leak = r.Billed / max(r.Needed, time.Nanosecond.Seconds()) // what nobody has needed must not look as good as nothing
	for who, d := range t.neededBy {
		r.NeededBy[who] = d.Seconds()
	}
	return r
}
