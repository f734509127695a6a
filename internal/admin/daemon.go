package admin

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/rouse-proxy/rouse/internal/history"
	"github.com/rouse-proxy/rouse/internal/savings"
)

// A Daemon is a rouse that runs, as far as a person may ask and steer it.
type Daemon interface {
	Operator
	Keeper
	Observer
}

// An Operator serves the person who runs it.
type Operator interface {
	// Reload reads the config again. The answer is what has changed; an error lists everything that is wrong.
	Reload(cause string) (any, error)
	// For is the same rouse for a person, of whom is told what is asked from now on.
	For(who string) Daemon
}

// A Keeper keeps targets awake for a person.
type Keeper interface {
	// Hold keeps a target, or those of a group, awake until a time.
	Hold(name string, until time.Time, why string) error
	// Release ends such holds, and says how many there were.
	Release(name string) (int, error)
	Switch
}

// A Switch starts and stops targets for a person. None of it waits for the end of that.
type Switch interface {
	// Wake begins to wake a target, or those of a group. Its cooldown runs from when it is ready.
	Wake(name string) error
	// Stop begins to stop a target, or those of a group. The error is a [Conflict] if somebody uses one of them, unless forced: then
	// clients are cut.
	Stop(name string, force bool) error
	// Maintain keeps new clients from a target, or those of a group, until it is ended: mode is off, refuse or hold.
	Maintain(name, mode, why string) error
}

// An Observer tells of targets.
type Observer interface {
	// Status tells what is so now.
	Status() Status
	// Why tells why a target is as it is.
	Why(ctx context.Context, name string) (Why, error)
	Archive
}

// An Archive tells of what was.
type Archive interface {
	// History returns what is kept. It is never nil; its Reader may be.
	History() *history.Store
	// Savings reckons what a target, or all of them for an empty name, cost in a span of time.
	Savings(ctx context.Context, name string, since, until time.Time) (savings.Report, error)
	// Metrics answers scrapers.
	Metrics() http.Handler
}

// A Conflict is why something is not done now.
type Conflict string

// Error says why.
func (c Conflict) Error() string { return string(c) }

// NotFound is told of a name that is not known.
type NotFound string

// Error says which.
func (n NotFound) Error() string { return string(n) }

// A Status is what is so now.
type Status struct {
	Version string    `json:"version"`
	Now     time.Time `json:"now"`
	Started time.Time `json:"started"`
	History bool      `json:"history"`           // there is a file, and it can be read
	Address string    `json:"address,omitempty"` // of the API over TCP, if it is there
	Targets []Target  `json:"targets"`
}

// A Target is what is told of one.
type Target struct {
	Name      string    `json:"name"`
	Groups    []string  `json:"groups,omitempty"`
	State     string    `json:"state"`
	Health    string    `json:"health"` // asleep, waking, up or failing
	Since     time.Time `json:"since,omitzero"`
	Operation string    `json:"operation"` // check, start, stop or none
	Began     time.Time `json:"operation_since,omitzero"`
	Expected  float64   `json:"expected,omitempty"` // seconds that a start usually takes
	Address   string    `json:"address"`
	Listeners []string  `json:"listeners,omitempty"`

	Held     int `json:"held"`
	Waiting  int `json:"waiting"`
	Visitors int `json:"visitors,omitempty"` // who are served, and do not keep it awake
	Clients  int `json:"clients"`            // who are connected

	Cooldown    float64   `json:"cooldown"` // seconds
	StopAt      time.Time `json:"stop_at,omitzero"`
	Busy        bool      `json:"busy,omitempty"`       // so it is not stopped yet, and asked again at StopAt
	Hold        time.Time `json:"hold_until,omitzero"`  // by hand
	Why         string    `json:"hold_why,omitempty"`   // of that
	By          string    `json:"hold_by,omitempty"`    // who has asked for it
	Maintenance string    `json:"maintenance,omitzero"` // refuse or hold; empty: none
	MaintainWhy string    `json:"maintenance_why,omitempty"`
	Leaving     bool      `json:"leaving,omitempty"` // it is no longer configured
	Error       string    `json:"error,omitempty"`

	Connections int   `json:"connections"` // so far
	Starts      int   `json:"starts"`      // so far
	Sent        int64 `json:"sent"`        // bytes from clients, so far
	Received    int64 `json:"received"`    // bytes to clients, so far
	Cost        *Cost `json:"cost,omitempty"`
}

// A Cost is what a target costs.
type Cost struct {
	Currency string  `json:"currency"`
	PerHour  float64 `json:"per_hour"`
}

// The healths of a target: a sleeping one is fine.
const (
	Asleep  = "asleep"
	Waking  = "waking"
	Up      = "up"
	Failing = "failing"
)

// A Why is the causal ledger of a target.
type Why struct {
	Target  string    `json:"target"`
	State   string    `json:"state"`
	Since   time.Time `json:"since,omitzero"`
	Now     []Reason  `json:"now"`     // why it is as it is
	Wake    []Reason  `json:"wake"`    // why it woke the last time
	Stay    []Reason  `json:"stay"`    // why it did not stop, or why it did
	Refused []Reason  `json:"refused"` // whom it refused the last times, and why
	Text    string    `json:"text"`    // all of it, for a person
}

// A Reason is one sentence, and what it is about.
type Reason struct {
	Text   string    `json:"text"`
	At     time.Time `json:"at,omitzero"`
	Until  time.Time `json:"until,omitzero"`
	Client string    `json:"client,omitempty"`
	Route  string    `json:"route,omitempty"`
}

// A Hold is asked for: until a time, or for so many seconds.
type Hold struct {
	Until time.Time `json:"until,omitzero"`
	For   float64   `json:"for,omitempty"`
	Why   string    `json:"why,omitempty"`
}

// A Maintenance is asked for.
type Maintenance struct {
	Mode string `json:"mode"` // refuse or hold
	Why  string `json:"why,omitempty"`
}

// failure is the answer to what has failed.
type failure struct {
	Error string `json:"error"`
}

// Sentence is the reason in one line, with its times and its client.
func (r Reason) Sentence(now time.Time) string {
	text := strings.TrimSuffix(r.Text, ".")
	if r.Client != "" && !strings.Contains(text, r.Client) {
		text = r.Client + ": " + text
	}
	if !r.At.IsZero() {
		text += ", " + Clock(r.At, now) + ", " + now.Sub(r.At).Round(time.Second).String() + " ago"
	}
	if !r.Until.IsZero() {
		text += ", until " + Clock(r.Until, now) + ", in " + max(r.Until.Sub(now), 0).Round(time.Second).String()
	}
	return text + "."
}

// Clock is a time as people of this machine write it: without the date if it is today's.
func Clock(at, now time.Time) string {
	at = at.Local()
	if at.Format(time.DateOnly) == now.Local().Format(time.DateOnly) {
		return at.Format("15:04:05")
	}
	return at.Format("Jan 2, 15:04:05")
}
