package notify

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/gate"
)

const (
	watchBeat = 10 * time.Minute
	longAwake = 24 * time.Hour // and used by nobody: that is never to stop
)

// hush is for how long nothing more is told of a group and a target after a message.
var hush = map[string]time.Duration{Failures: 6 * time.Hour, Budget: 12 * time.Hour, CrashLoop: time.Hour, NeverStops: longAwake}

// A judge says what is worth a message. Whoever calls it holds its lock.
type judge struct {
	told    map[[2]string]time.Time    // by group and target
	failing map[string]map[string]bool // by target: the operations that have failed
	unsaved map[string]bool            // targets whose state the disk refuses
	causes  map[[2]string]string       // by target and operation: why it was begun
	awake   map[string]*wakeful        // targets that are ready
}

// wakeful is a target that is ready.
type wakeful struct {
	clients int
	unused  time.Time // since when nobody is there
}

func newJudge() judge {
	return judge{
		told: map[[2]string]time.Time{}, failing: map[string]map[string]bool{}, unsaved: map[string]bool{},
		causes: map[[2]string]string{}, awake: map[string]*wakeful{},
	}
}

// hear returns what people are told of an event that somebody wants to know; without a kind: nothing.
func (j *judge) hear(e event.Event, wanted map[string]bool) Message {
	if wanted[NeverStops] {
		j.follow(e)
	}
	m := j.classify(e, wanted)
	if m.Kind == "" || !wanted[m.Kind] || j.hushed(m.Kind, m.Target, e.Time) {
		return Message{}
	}
	m.ID, m.At, m.Count = rand.Text(), e.Time, 1
	m.Cause, m.From, m.To = clean(m.Cause, mostTitle), e.From, e.To
	if e.Err != nil {
		m.Error = clean(e.Err.Error(), mostText)
	}
	m.Title, m.Text = clean(m.Title, mostTitle), clean(m.Text, mostText)
	return m
}

// hushed says whether enough has been told, and notes it otherwise.
func (j *judge) hushed(group, target string, at time.Time) bool {
	quiet, limited := hush[group]
	if !limited {
		return false
	}
	key := [2]string{group, target}
	if last, told := j.told[key]; told && at.Sub(last) < quiet {
		return true
	}
	j.told[key] = at
	return false
}

func (j *judge) classify(e event.Event, wanted map[string]bool) Message {
	switch e.Kind {
	case event.OperationBegun:
		return j.begun(e)
	case event.OperationEnded:
		return j.ended(e)
	case event.StateChanged:
		return j.changed(e)
	case event.StateNotSaved, event.StateSaved:
		return j.saved(e)
	case event.CrashLooping:
		return Message{Kind: CrashLoop, Target: e.Target, Title: e.Target + " dies too often", Text: reason(e.Err)}
	case event.ClientRefused:
		if wanted[Budget] || wanted[Refusals] { // a flood of them costs nothing if nobody wants to know
			return refused(e)
		}
	}
	return Message{}
}

// begun remembers why, for what is told at the end.
func (j *judge) begun(e event.Event) Message {
	if e.Operation != "start" && e.Operation != "stop" {
		return Message{}
	}
	j.causes[[2]string{e.Target, e.Operation}] = e.Cause
	if e.Operation == "start" && !e.Resumed { // a rouse before this one has told of that
		return Message{Kind: Wakes, Target: e.Target, Title: e.Target + " is being woken", Text: because(e.Cause), Cause: e.Cause}
	}
	return Message{}
}

// ended notes what has failed, and a stop that has worked. Of a start the state says that: its end alone may mean that nobody knows.
func (j *judge) ended(e event.Event) Message {
	verb := map[string]string{"start": "started", "stop": "stopped"}[e.Operation]
	switch {
	case verb == "":
		return Message{}
	case e.Err == nil && e.Operation == "stop":
		return j.healed(e.Target, "stop", "it was stopped")
	case e.Err == nil:
		return Message{}
	}
	if j.failing[e.Target] == nil {
		j.failing[e.Target] = map[string]bool{}
	}
	j.failing[e.Target][e.Operation] = true
	m := Message{Kind: Failures, Target: e.Target, Title: fmt.Sprintf("%s could not be %s", e.Target, verb), Text: e.Err.Error()}
	if m.Cause = j.causes[[2]string{e.Target, e.Operation}]; m.Cause != "" {
		m.Text += "\nIt was to be " + verb + " because of: " + m.Cause
	}
	return m
}

// changed tells of stops, and that it has recovered, by whomever it was started or stopped.
func (j *judge) changed(e event.Event) Message {
	switch e.To {
	case "ready":
		return j.healed(e.Target, "start", "it is ready")
	case "stopped":
		if m := j.healed(e.Target, "stop", "it is stopped"); m.Kind != "" || e.From != "stopping" {
			return m
		}
		cause := j.causes[[2]string{e.Target, "stop"}]
		return Message{Kind: Stops, Target: e.Target, Title: e.Target + " is asleep", Text: because(cause), Cause: cause}
	}
	return Message{}
}

// healed tells that nothing fails any more.
func (j *judge) healed(target, operation, how string) Message {
	failing := j.failing[target]
	if !failing[operation] {
		return Message{}
	}
	if delete(failing, operation); len(failing) > 0 {
		return Message{}
	}
	delete(j.failing, target)
	delete(j.told, [2]string{Failures, target})
	return Message{Kind: Recovered, Target: target, Title: target + " works again", Text: "It had failed before; now " + how + "."}
}

// saved tells once of a disk that refuses records, whichever target it strikes.
func (j *judge) saved(e event.Event) Message {
	if e.Kind == event.StateNotSaved {
		j.unsaved[e.Target] = true
		text := "Of " + e.Target + ": " + reason(e.Err) + "\nLook at the disk."
		return Message{Kind: Failures, Title: "rouse cannot save its state", Text: text}
	}
	if !j.unsaved[e.Target] {
		return Message{}
	}
	if delete(j.unsaved, e.Target); len(j.unsaved) > 0 {
		return Message{}
	}
	delete(j.told, [2]string{Failures, ""})
	return Message{Kind: Recovered, Title: "rouse saves its state again", Text: "The disk takes records."}
}

func refused(e event.Event) Message {
	r, ok := errors.AsType[*gate.Refusal](e.Err)
	if ok && r.Gate == gate.Spending {
		return Message{Kind: Budget, Target: e.Target, Title: "the budget of " + e.Target + " is spent", Text: r.Text}
	}
	text := reason(e.Err)
	if e.Client != "" {
		text = e.Client + ": " + text
	}
	return Message{Kind: Refusals, Target: e.Target, Title: "a client of " + e.Target + " was refused", Text: text}
}

// follow counts who uses what is awake.
func (j *judge) follow(e event.Event) {
	w := j.awake[e.Target]
	switch {
	case e.Kind == event.StateChanged && e.To == "ready" && w == nil:
		j.awake[e.Target] = &wakeful{unused: e.Time}
	case e.Kind == event.StateChanged && e.To == "stopped":
		delete(j.awake, e.Target)
		delete(j.told, [2]string{NeverStops, e.Target})
	case w == nil:
	case e.Kind == event.ClientServed:
		w.clients++
	case e.Kind == event.ClientEnded:
		w.clients, w.unused = max(w.clients-1, 0), e.Time
	}
}

// idlers are told of: they are awake, and nobody has used them for a day.
func (j *judge) idlers(now time.Time) []Message {
	var found []Message
	for _, target := range slices.Sorted(maps.Keys(j.awake)) {
		w := j.awake[target]
		if w.clients > 0 || now.Sub(w.unused) < longAwake || j.hushed(NeverStops, target, now) {
			continue
		}
		unused := now.Sub(w.unused).Truncate(time.Minute)
		found = append(found, Message{
			ID: rand.Text(), At: now, Count: 1, Kind: NeverStops, Target: target, Title: target + " does not stop",
			Text: fmt.Sprintf("Nobody has used it for %v, and it is awake.\nrouse why %s tells what keeps it so.", unused, target),
		})
	}
	return found
}

func because(cause string) string {
	if cause == "" {
		return "Nobody knows why."
	}
	return "Because of: " + cause
}

// reason is the text of an error that may be missing.
func reason(err error) string {
	if err == nil {
		return "nobody knows why"
	}
	return err.Error()
}
