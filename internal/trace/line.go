// Package trace writes down what a rouse does, reads that again, and checks that it has
// kept its promises.
//
// A trace is a file of JSON lines, one for each event, appended by one run of rouse after
// the other. [Writer] is the sink that makes it, beside those who emit; [Memory] makes one
// without a file, for tests. [Read] gives the lines back and [Check] judges them by named
// rules. A trace may end anywhere, since a rouse may be killed: it is judged as far as it
// goes, and nothing is held against a run that it had no time to tell.
package trace

import (
	"cmp"
	"strings"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
)

// Format is the number of the form of the lines. A reader refuses one that it does not know.
const Format = 1

// wallBoot begins the name of a boot on systems that do not tell: there t is that of the wall, which may be set back.
const wallBoot = "wall "

// Kinds of lines that are no events of a target: they are about the trace itself.
const (
	kindLost   event.Kind = "trace lost"   // Lost lines are missing from here on
	kindPaused event.Kind = "rouse paused" // for Elapsed, up to now, the process did not run

	kindReloaded event.Kind = "config reloaded" // Settings are in force soon
)

// A Line is one line of a trace. Fields that do not apply to its kind are zero and not written.
type Line struct {
	T    int64      `json:"t"`  // nanoseconds of a clock that all processes of one boot share
	At   time.Time  `json:"at"` // the same moment on the wall
	Kind event.Kind `json:"kind"`
	Run  int        `json:"run"` // process ID of the rouse that wrote it

	Target    string        `json:"target,omitempty"`
	Epoch     uint64        `json:"epoch,omitempty"`
	Cause     string        `json:"cause,omitempty"`
	Client    string        `json:"client,omitempty"`
	From      string        `json:"from,omitempty"`
	To        string        `json:"to,omitempty"`
	Operation string        `json:"operation,omitempty"`
	PID       int           `json:"pid,omitempty"` // of a hook, or of rouse
	Resumed   bool          `json:"resumed,omitempty"`
	Visits    bool          `json:"visits,omitempty"`
	Held      int           `json:"held,omitempty"`
	Waiting   int           `json:"waiting,omitempty"`
	Elapsed   time.Duration `json:"elapsed,omitempty"` // nanoseconds, as all durations here
	Delay     time.Duration `json:"delay,omitempty"`
	Sent      int64         `json:"sent,omitempty"`
	Received  int64         `json:"received,omitempty"`
	Error     string        `json:"error,omitempty"`

	// Of "rouse began".
	Format   int                 `json:"format,omitempty"`
	Version  string              `json:"version,omitempty"`
	Boot     string              `json:"boot,omitempty"` // of the machine; t of two boots cannot be compared
	Settings map[string]Settings `json:"settings,omitempty"`

	Lost int64 `json:"lost,omitempty"` // of "trace lost"

	File     string `json:"-"` // where Read found it
	Number   int    `json:"-"` // in that file, from 1
	Headless int    `json:"-"` // of the first one that can be judged: how many before it cannot, for their run has no beginning
}

// Settings are what the rules need to know of a target.
type Settings struct {
	Cooldown     time.Duration `json:"cooldown"`
	StartTimeout time.Duration `json:"start_timeout"`
	StopTimeout  time.Duration `json:"stop_timeout"`
	LongestIdle  time.Duration `json:"longest_idle,omitempty"` // that a target may be left to itself in one piece, if longer than the cooldown

	shortest time.Duration // cooldown that was in force in this run; 0: there is one only
}

// least is the shortest cooldown that may be in force.
func (s Settings) least() time.Duration { return cmp.Or(s.shortest, s.Cooldown) }

// or returns settings that ask for no more than either.
func (s Settings) or(n Settings) Settings {
	return Settings{
		Cooldown: max(s.Cooldown, n.Cooldown), StartTimeout: max(s.StartTimeout, n.StartTimeout), StopTimeout: max(s.StopTimeout, n.StopTimeout),
		LongestIdle: max(s.LongestIdle, n.LongestIdle), shortest: min(s.least(), n.least()),
	}
}

const longestText = 2 << 10 // bytes of a text in a line: an error may quote the output of a hook

// lineOf is the line of an event.
func lineOf(t int64, run int, e *event.Event) Line {
	l := Line{
		T: t, At: e.Time.Round(0), Kind: e.Kind, Run: run, Target: e.Target, Epoch: e.Epoch, Cause: short(e.Cause), Client: e.Client,
		From: e.From, To: e.To, Operation: e.Operation, PID: e.PID, Resumed: e.Resumed, Visits: e.Visits, Held: e.Held, Waiting: e.Waiting,
		Elapsed: e.Elapsed, Delay: e.Delay, Sent: e.Sent, Received: e.Received,
	}
	if e.Err != nil {
		if l.Error = short(e.Err.Error()); l.Error == "" {
			l.Error = "an error without a text"
		}
	}
	return l
}

// short cuts a text that is too long.
func short(s string) string {
	if len(s) <= longestText {
		return s
	}
	return strings.ToValidUTF8(s[:longestText], "") + "…"
}
