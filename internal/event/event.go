// Package event carries facts: what happened, to which target, and why. Whoever
// owns the thing that changed emits the event, and a [Log] hands it to its sinks
// one after the other, in the order of emission per emitter. A sink runs on the
// emitter's goroutine: it must be quick and must never wait for disk or network.
package event

import (
	"log/slog"
	"time"
)

// A Kind names what happened. The names are part of the log's promise.
type Kind string

// What can happen to a target and to a client.
const (
	StateChanged    Kind = "state changed"           // From, To, Cause, Held, Waiting, Resumed
	OperationBegun  Kind = "operation begun"         // Operation, Cause, Held, Waiting, Resumed
	OperationEnded  Kind = "operation ended"         // Operation, Elapsed, Err
	StillWorking    Kind = "still working"           // Operation, Elapsed, Waiting: progress of a long operation
	IdleArmed       Kind = "cooldown begins"         // Delay
	BackoffArmed    Kind = "waiting to try again"    // Delay, Err
	ClientWaits     Kind = "client waits"            // Client, Cause
	ClientLeft      Kind = "client left"             // Client, Elapsed: it went before it was served
	ClientRefused   Kind = "client refused"          // Client, Elapsed, Err
	ClientServed    Kind = "client connected"        // Client, Elapsed (waited), Visits
	ClientCounted   Kind = "client counts"           // Client: it was served as one who does not keep the target awake, and does so from now on
	ClientEnded     Kind = "client ended"            // Client, Waited, Elapsed, Sent, Received, Cause, Visits; Err if a peer fell silent
	GateObserved    Kind = "gate would refuse"       // Client, Err: it is let pass, for the gate only observes
	CheckerAnswered Kind = "health checker answered" // Client, Cause
	BackendSuspect  Kind = "backend did not answer"  // Client, Err
	HookBegun       Kind = "hook begun"              // Operation (the hook's own event), PID
	HookEnded       Kind = "hook ended"              // Operation, PID, Err, Output
	Steered         Kind = "steered"                 // Cause: what a person has asked for
	CrashLooping    Kind = "target dies too often"   // Err, Delay: it is not woken for so long
	CooldownChosen  Kind = "cooldown chosen"         // Delay, Cause: the tuner has chosen it
	StateNotSaved   Kind = "state not saved"         // Err: the disk has refused a record; the log has more
	StateSaved      Kind = "state saved again"       // the first record since that
	RouseBegan      Kind = "rouse began"             // of the program, not of a target
	RouseEnded      Kind = "rouse ended"             // in order
)

// An Event is one fact. Fields that do not apply to its kind are zero.
type Event struct {
	Time   time.Time
	Kind   Kind
	Target string
	Epoch  uint64
	Cause  string // why, in rouse's own words
	Client string // remote address of the client concerned
	Route  string // address of the listener to which it came
	Said   string // the protocol of its first bytes, where somebody has looked at them

	From, To  string // state names
	Operation string // check, start or stop; of a hook also status or probe
	PID       int    // process of the hook
	Resumed   bool   // it is an operation that a dead rouse began
	Visits    bool   // the client is served while the target is awake, and does not keep it so
	Held      int    // holds that were out in the very step that this tells of
	Waiting   int    // clients that wait
	Elapsed   time.Duration
	Waited    time.Duration // from when the client came until it was connected
	Delay     time.Duration // how long until the armed timer fires
	Sent      int64         // bytes from client to backend
	Received  int64         // bytes from backend to client
	Err       error
	Output    string // the end of what a hook has written
}

// A Log hands events to its sinks. The zero value and a nil *Log have none.
type Log struct{ sinks []func(Event) }

// NewLog returns a log with the given sinks.
func NewLog(sinks ...func(Event)) *Log { return &Log{sinks} }

// Emit hands e to every sink; a zero Time becomes now.
func (l *Log) Emit(e Event) {
	if l == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	for _, sink := range l.sinks {
		sink(e)
	}
}

// noticeable is a wait that a client's owner would notice.
const noticeable = 100 * time.Millisecond

// Level says how loud e is in a log: what an owner must know is a warning or an
// error, what happens all day is info, the rest debug.
func (e Event) Level() slog.Level {
	switch e.Kind {
	case OperationEnded:
		return e.operationLevel()
	case StateNotSaved:
		return slog.LevelError
	case BackendSuspect, ClientRefused, CrashLooping:
		return slog.LevelWarn
	case CheckerAnswered, ClientCounted, OperationBegun, HookBegun, HookEnded, RouseBegan, RouseEnded:
		return slog.LevelDebug // the state that it enters is told, or the operation's end
	case ClientServed:
		if e.Elapsed < noticeable {
			return slog.LevelDebug // its end is told anyway
		}
		return slog.LevelInfo
	case StateChanged:
		if e.From == "stopped" && e.To == "unknown" || e.From == "unknown" && e.To == "stopped" {
			return slog.LevelDebug // a look that found nothing
		}
		return slog.LevelInfo
	default:
		return slog.LevelInfo
	}
}

func (e Event) operationLevel() slog.Level {
	switch {
	case e.Err != nil && e.Operation == "check":
		return slog.LevelWarn
	case e.Err != nil:
		return slog.LevelError
	default:
		return slog.LevelDebug // the state that follows is told
	}
}

// Attrs returns the fields of e that say something, for a structured log.
func (e Event) Attrs() []slog.Attr {
	attrs := []slog.Attr{slog.String("target", e.Target)}
	add := func(ok bool, a slog.Attr) {
		if ok {
			attrs = append(attrs, a)
		}
	}
	add(e.Client != "", slog.String("client", e.Client))
	add(e.To != "", slog.String("from", e.From))
	add(e.To != "", slog.String("to", e.To))
	add(e.Operation != "", slog.String("operation", e.Operation))
	add(e.Epoch != 0, slog.Uint64("epoch", e.Epoch))
	add(e.Cause != "", slog.String("cause", e.Cause))
	add(e.PID != 0, slog.Int("pid", e.PID))
	add(e.Resumed, slog.Bool("resumed", true))
	add(e.Visits, slog.Bool("visits", true))
	add(e.Held != 0, slog.Int("held", e.Held))
	add(e.Waiting != 0, slog.Int("waiting", e.Waiting))
	elapsed := "elapsed"
	if e.Kind == StateChanged {
		elapsed = "after" // that long in the state before
	}
	add(e.Elapsed != 0, slog.Duration(elapsed, e.Elapsed.Round(time.Millisecond)))
	add(e.Delay != 0 || e.Kind == IdleArmed, slog.Duration("for", e.Delay.Round(time.Millisecond)))
	add(e.Kind == ClientEnded, slog.Int64("sent", e.Sent))
	add(e.Kind == ClientEnded, slog.Int64("received", e.Received))
	if e.Err != nil {
		attrs = append(attrs, slog.Any("err", e.Err))
	}
	return attrs
}
