package trace

import (
	"slices"
	"time"
)

// The names of the rules. S is for what must never happen, L for what must happen in time.
const (
	ruleNoStopUnder = "S1"
	ruleOneAtATime  = "S2"
	ruleStopFirst   = "S3"
	ruleEpoch       = "S5"
	ruleRefusal     = "S6"
	ruleCounts      = "S7"
	ruleNotTooSoon  = "S9"
	rulePath        = "path"
	ruleWanted      = "wanted"
	ruleAnswered    = "L1"
	ruleStops       = "L2"
	ruleHookEnd     = "L3"
	ruleFlapping    = "L6"
)

// A Rule is one promise that a trace is held against.
type Rule struct {
	Name string
	Text string
	Warn bool // breaking it is worth a look, and no fault by itself
}

// Rules returns all rules, in the order of a report.
func Rules() []Rule {
	return []Rule{
		{Name: ruleNoStopUnder, Text: "no stop begins while anybody is connected, holds the target or waits for it, and nobody is let in under one or behind it"},
		{Name: ruleOneAtATime, Text: "one operation and one start or stop hook at a time, each hook in its own operation, and one rouse to a target"},
		{Name: ruleStopFirst, Text: "no start before the stop before it has ended well, or the target was asked; what has failed is not taken for done"},
		{Name: ruleEpoch, Text: "the epoch grows by one at each start, and never shrinks"},
		{Name: ruleRefusal, Text: "a client that is refused is told why"},
		{Name: ruleCounts, Text: "counts are those of the clients, and each client has one beginning and one end"},
		{Name: ruleNotTooSoon, Text: "what was in use is not stopped before its cooldown is over"},
		{Name: rulePath, Text: "states follow one another as the lifecycle allows"},
		{Name: ruleWanted, Text: "nothing is started for nobody"},
		{Name: ruleAnswered, Text: "a client that waits is answered in time"},
		{Name: ruleStops, Text: "what nobody uses is stopped in time, and a stop that failed is tried again"},
		{Name: ruleHookEnd, Text: "no operation ends well while its hook still runs, and the end of a hook is seen"},
		{Name: ruleFlapping, Text: "a target is not started, stopped and started again within one cooldown", Warn: true},
	}
}

func ruleOf(name string) Rule {
	all := Rules()
	if i := slices.IndexFunc(all, func(r Rule) bool { return r.Name == name }); i >= 0 {
		return all[i]
	}
	return Rule{Name: name}
}

// Tolerances. None is for the program: they are for what a trace cannot show exactly.
const (
	// lateBy is how late a timer may be acted on: it may fire up to 1 s late, is then put off once by 1 s (clients may
	// sit in the accept queue after a pause), and pauses of less than 2 s are not told.
	lateBy = 5 * time.Second
	// uncounted is for how long a client may wait by its own word before it is counted, or after.
	uncounted = time.Second
	// disorder is by how much lines may be out of order: two who tell at once may swap, and what is missing is told later.
	disorder = 2 * time.Second
	// unseen is for how long a client may be there and dial before any line tells of it: also one that was let in just
	// before the target was found down.
	unseen = 6 * time.Second
	// patienceExtra is what the program allows a client beyond a stop and a start.
	patienceExtra = time.Minute
	// early is by how much two readings of the clock may seem to contradict each other.
	early = 20 * time.Millisecond
)

// CauseEnding is why a target is stopped before its cooldown is over.
const CauseEnding = "rouse is ending"

// CauseOrdered is another one.
const CauseOrdered = "a person stops it"

// first is the state of a target of which nobody has told yet.
const first = "unknown"

// follows says which states may come after which.
var follows = map[string][]string{
	"unknown":  {"stopped", "starting", "ready", "stopping", "failed"},
	"stopped":  {"unknown", "starting"},
	"starting": {"ready", "stopping", "failed", "unknown"},
	"ready":    {"unknown", "stopping"},
	"stopping": {"stopped", "starting", "failed", "unknown"},
	"failed":   {"starting", "stopped", "unknown", "stopping"},
}

// during is the state that an operation runs in.
var during = map[string]string{"check": "unknown", "start": "starting", "stop": "stopping"}

// Follows says whether one state may come after another.
func Follows(from, to string) bool { return slices.Contains(follows[from], to) }
