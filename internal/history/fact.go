package history

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
)

// Seconds is a duration that is a number of seconds in JSON.
type Seconds time.Duration

// MarshalJSON writes seconds, to the microsecond.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return json.Marshal(float64(time.Duration(s).Microseconds()) / 1e6)
}

// UnmarshalJSON reads seconds.
func (s *Seconds) UnmarshalJSON(b []byte) error {
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	*s = Seconds(f * float64(time.Second))
	return nil
}

// A Fact is one thing that happened, other than a connection. Its ID grows from fact to fact, over restarts too.
type Fact struct {
	ID        int64      `json:"id"`
	At        time.Time  `json:"at"`
	Kind      event.Kind `json:"kind"`
	Target    string     `json:"target,omitempty"`
	Epoch     uint64     `json:"epoch,omitempty"`
	Cause     string     `json:"cause,omitempty"`
	Client    string     `json:"client,omitempty"`
	Route     string     `json:"route,omitempty"`
	Said      string     `json:"said,omitempty"`
	Operation string     `json:"operation,omitempty"`
	From      string     `json:"from,omitempty"`
	To        string     `json:"to,omitempty"`
	Held      int        `json:"held,omitempty"`
	Waiting   int        `json:"waiting,omitempty"`
	Elapsed   Seconds    `json:"elapsed,omitempty"`
	For       Seconds    `json:"for,omitempty"`
	Error     string     `json:"error,omitempty"`
	Output    string     `json:"output,omitempty"`
	Times     int        `json:"times,omitempty"` // how many facts like this it stands for, if more than one
	Text      string     `json:"text"`            // one line for a person
}

// mostText bounds each text of a fact: hooks and clients have a say in them.
const mostText = 2000

// factOf turns an event into a fact.
func factOf(e event.Event) Fact {
	f := Fact{
		At: e.Time, Kind: e.Kind, Target: e.Target, Epoch: e.Epoch, Cause: clip(e.Cause), Client: e.Client, Route: e.Route, Said: e.Said,
		Operation: e.Operation, From: e.From, To: e.To, Held: e.Held, Waiting: e.Waiting, Elapsed: Seconds(e.Elapsed), For: Seconds(e.Delay),
		Output: clip(e.Output),
	}
	if e.Err != nil {
		f.Error = clip(e.Err.Error())
	}
	f.Text = sentence(f)
	return f
}

func clip(s string) string {
	if len(s) <= mostText {
		return s
	}
	return strings.ToValidUTF8(s[:mostText], "") + " …"
}

// sentence is a fact in one line.
func sentence(f Fact) string {
	took := time.Duration(f.Elapsed).Round(100 * time.Millisecond)
	because := ""
	if f.Cause != "" {
		because = ": " + f.Cause
	}
	if f.Error != "" {
		because += ": " + f.Error
	}
	text := string(f.Kind) + because
	switch f.Kind {
	case event.StateChanged:
		text = fmt.Sprintf("%s → %s%s", f.From, f.To, because)
	case event.OperationBegun:
		text = f.Operation + " begins" + because
	case event.OperationEnded:
		text = fmt.Sprintf("%s done in %v", f.Operation, took)
		if f.Error != "" {
			text = fmt.Sprintf("%s failed after %v%s", f.Operation, took, because)
		}
	case event.HookEnded:
		text = fmt.Sprintf("%s hook ended%s", f.Operation, because)
	case event.ClientRefused:
		text = "client refused: " + f.Client + because
	case event.ClientLeft:
		text = fmt.Sprintf("client left after waiting %v: %s", took, f.Client)
	case event.GateObserved, event.BackendSuspect:
		text = fmt.Sprintf("%s: %s%s", f.Kind, f.Client, because)
	case event.CooldownChosen:
		text = fmt.Sprintf("cooldown is now %v%s", time.Duration(f.For), because)
	case event.BackoffArmed:
		text = fmt.Sprintf("next attempt in %v", time.Duration(f.For).Round(100*time.Millisecond))
	}
	if f.Times > 1 {
		text += fmt.Sprintf(" (and %d more like it)", f.Times-1)
	}
	return text
}

// kept says whether an event becomes a fact. What is told all day, and what stands in the connections, does not.
func kept(e event.Event) bool {
	switch e.Kind {
	case event.StateChanged:
		return !look(e.From, e.To)
	case event.OperationBegun:
		return e.Operation == "start"
	case event.OperationEnded:
		return e.Operation != "check" || e.Err != nil
	case event.HookEnded:
		return e.Operation == "start" || e.Operation == "stop"
	case event.ClientRefused, event.ClientLeft, event.GateObserved, event.BackendSuspect, event.BackoffArmed, event.StateNotSaved,
		event.StateSaved, event.RouseBegan, event.RouseEnded, event.Steered, event.CooldownChosen, event.CrashLooping:
		return true
	}
	return false
}

// look says whether a change of state is a look at a sleeping target that may find nothing.
func look(from, to string) bool {
	return from == "stopped" && to == "unknown" || from == "unknown" && to == "stopped"
}

// crowded says whether many events of a kind may come at once, since clients cause them.
func crowded(k event.Kind) bool {
	switch k {
	case event.ClientRefused, event.ClientLeft, event.GateObserved, event.BackendSuspect:
		return true
	}
	return false
}

// A Connection is one client that was served.
type Connection struct {
	ID       int64     `json:"id"`
	At       time.Time `json:"at"` // when it came
	Target   string    `json:"target"`
	Route    string    `json:"route"`
	Client   string    `json:"client"`
	Epoch    uint64    `json:"epoch,omitempty"`
	Waited   Seconds   `json:"waited"`
	Lasted   Seconds   `json:"lasted"`
	Sent     int64     `json:"sent"`
	Received int64     `json:"received"`
	Ended    string    `json:"ended"` // empty: it goes on
	Error    string    `json:"error,omitempty"`
	Visited  bool      `json:"visited,omitempty"` // it did not keep the target awake

	written bool // as one that goes on
}
