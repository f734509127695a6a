package target

import (
	"cmp"
	"fmt"
)

// State is where a target stands in its life.
type State uint8

// The states, as the table in ARCHITECTURE.md has them.
const (
	Unknown  State = iota // nobody has asked yet, or what we knew is in doubt
	Stopped               // verified down, or never started
	Starting              // the start operation runs: start action, then probe
	Ready                 // it answers
	Stopping              // the stop operation runs: stop action, then verification
	Failed                // the start failed; the next try waits for the backoff
)

var stateNames = [...]string{"unknown", "stopped", "starting", "ready", "stopping", "failed"}

// String returns the state's name as logs and the command line print it.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// patience is the number of failed starts in a row up to which a new client is
// queued through the backoff, if nothing else is said; beyond it the wait is too long and it is refused.
const patience = 3

// operation is what runs on the target now: at most one at a time.
type operation uint8

const (
	opNone operation = iota
	opCheck
	opStart
	opStop
)

var operationNames = [...]string{"none", "check", "start", "stop"}

func (o operation) String() string { return operationNames[o] }

// alarm names what the one timer of a target is armed for.
type alarm uint8

const (
	alarmOff     alarm = iota
	alarmIdle          // cooldown: ask whether to stop
	alarmBackoff       // a start or stop failed: ask whether to try again
	alarmLook          // believed down: ask whether somebody else started it
)

// stepKind is what happened, as far as the machine cares.
type stepKind uint8

const (
	stepBooted    stepKind = iota // rouse has just started
	stepAcquired                  // a client wants the target
	stepAbandoned                 // a waiting client has gone
	stepCounted                   // the first hold was taken or the last one given back: only the count is new
	stepDoubted                   // a hold was given back (and is not in the count), and its backend was not what it should be
	stepSuspected                 // a holder found nobody at the address: its hold (not in the count) becomes a wait
	stepChecked                   // the check ended, see finding
	stepStarted                   // the start ended, see failed
	stepStopped                   // the stop ended, see failed
	stepExpired                   // the armed timer fired
	stepRetired                   // rouse ends and the target shall be stopped
	stepChanged                   // its settings are others; nothing of this is the machine's
)

// finding is what a check saw.
type finding uint8

const (
	foundUp      finding = iota // it answers
	foundDown                   // nothing suggests that it runs
	foundSilent                 // its driver says that it runs, but it does not answer
	foundUnclear                // it does not answer, and nobody can tell whether it runs
)

// input is one step's input.
type input struct {
	kind   stepKind
	found  finding // of stepChecked
	failed bool    // of stepStarted and stepStopped
	blind  bool    // of stepStarted: it failed because we could not see, not because of the target
	untold bool    // of stepStarted: a dead rouse began it, and it has left no trace of how it went
	held   int     // holds that are out; while the door is shut it can only fall
	used   bool    // a hold was taken since the last step, and may have been given back
	unable int     // of those who wait, with the one who has come: who may not wake the target now
}

// output says what the supervisor has to do after a step.
type output struct {
	run    operation // begin this operation
	resume bool      // it is one that a dead rouse began: take it up, do not begin it again
	grant  bool      // answer every waiting client with a hold
	refuse bool      // answer every waiting client with the last error
	turn   bool      // answer those who wait and may not wake the target: nothing is under way that could make it ready
	alarm  alarm     // what the timer is for from now on
	rearm  bool      // the timer must be set anew: alarm has changed
}

// A machine decides one target's life. It is pure: no clock, no input or output,
// no goroutine. The supervisor owns it, feeds it steps and does what it says.
type machine struct {
	state    State
	op       operation
	armed    alarm
	held     int    // holds that were out when the step began, and those that it granted
	waiting  int    // clients that want one
	unable   int    // of those, who may not wake the target
	epoch    uint64 // number of the newest run
	starts   int    // failed starts in a row
	stops    int    // failed stops in a row
	asked    int    // checks in a row that nobody could answer
	mayRun   bool   // no stop has been verified since it may have begun to run
	starting bool   // a start was begun and has not ended, as far as we know
	undoing  bool   // a stop was begun and has not ended well: the target may go down at any moment
	retiring bool   // to be stopped for good; nobody is let in any more
	patience int    // in the place of the usual one, if not 0; none below 0
}

// step takes one input and returns what to do about it.
func (m *machine) step(in input) output {
	m.held, m.unable = in.held, in.unable
	out := m.apply(in)
	switch {
	case out.grant:
		m.held, m.waiting, m.unable = m.held+m.waiting, 0, 0
	case out.refuse:
		m.waiting, m.unable = 0, 0
	case m.unable > 0 && m.op != opCheck && m.op != opStart:
		out.turn, m.waiting, m.unable = true, m.waiting-m.unable, 0
	}
	if out.run == opNone && m.retiring {
		out.run = m.retire()
	}
	out.alarm = m.wantAlarm()
	out.rearm = out.alarm != m.armed || in.used && out.alarm == alarmIdle // the cooldown runs from the last use
	m.armed = out.alarm
	return out
}

func (m *machine) apply(in input) output {
	switch in.kind {
	case stepBooted:
		return m.booted()
	case stepAcquired:
		m.waiting++
		return m.want()
	case stepAbandoned:
		m.waiting--
		return output{}
	case stepCounted:
		return m.released()
	case stepDoubted:
		if m.state == Ready {
			return m.begin(opCheck)
		}
		return m.released()
	case stepSuspected:
		m.waiting++
		if m.state == Ready {
			m.state = Unknown
		}
		return m.want()
	case stepChecked:
		return m.checked(in.found)
	case stepStarted:
		return m.started(in)
	case stepStopped:
		return m.stopped(in.failed)
	case stepExpired:
		m.armed = alarmOff
		if in.used {
			return output{} // asked too early
		}
		return m.expired()
	case stepRetired:
		m.retiring, m.stops = true, 0 // whatever failed before, it is tried once more at once
		return output{refuse: m.waiting > 0}
	}
	return output{}
}

// booted takes up what the last rouse was doing.
func (m *machine) booted() output {
	switch {
	case m.undoing:
		m.begin(opStop) // it may answer still, but not for long: nobody is let in
	case m.starting:
		m.op, m.state, m.mayRun = opStart, Starting, true // the same run of the target: its epoch stays
	default:
		return m.begin(opCheck)
	}
	return output{run: m.op, resume: true}
}

// want answers a client that has just been counted as waiting.
func (m *machine) want() output {
	switch {
	case m.retiring:
		return output{refuse: true}
	case m.state == Ready:
		return output{grant: true}
	case m.op != opNone:
		return output{} // whatever runs now answers it when it ends
	case m.state == Unknown:
		return m.begin(opCheck)
	case m.state == Stopped:
		return m.wakeIfAble()
	case m.hopeless():
		return output{refuse: true}
	default:
		return output{} // failed: the backoff is short, the next try serves it
	}
}

// released cleans up after a failed start that could not be stopped while
// somebody still held the target.
func (m *machine) released() output {
	if m.state == Failed && m.mayRun && m.unwanted() {
		return m.begin(opStop)
	}
	return output{}
}

func (m *machine) checked(found finding) output {
	m.op = opNone
	m.asked++
	if found != foundUnclear {
		m.asked = 0
	}
	switch found {
	case foundUp:
		return m.ready()
	case foundDown:
		m.mayRun, m.undoing, m.stops = false, false, 0
		if m.wakers() > 0 {
			return m.wake()
		}
		m.state = Stopped
	case foundSilent, foundUnclear:
		m.mayRun = m.mayRun || found == foundSilent
		if m.wakers() > 0 {
			return m.wake()
		}
		m.state = Unknown
	}
	return output{}
}

func (m *machine) started(in input) output {
	m.op, m.starting = opNone, false
	switch {
	case in.untold:
		return m.begin(opCheck) // it may never have been begun, and nobody may want it any more
	case !in.failed:
		return m.ready()
	case in.blind:
		m.state = Unknown // it may serve well: what nobody could see is not stopped for it
		return output{refuse: true}
	}
	m.starts++
	m.state = Failed
	if m.held > 0 {
		return output{refuse: true}
	}
	out := m.begin(opStop) // it may half run
	out.refuse = true
	return out
}

func (m *machine) stopped(failed bool) output {
	m.op = opNone
	if failed {
		m.stops++
		m.state = Unknown
		if m.waiting > 0 {
			return m.begin(opCheck) // it may still serve them
		}
		return output{}
	}
	m.mayRun, m.undoing, m.stops = false, false, 0
	switch {
	case m.starts > 0:
		return m.fail()
	case m.wakers() > 0:
		return m.begin(opStart)
	}
	m.state = Stopped
	return output{}
}

// expired answers the timer's question. The timer never decides.
func (m *machine) expired() output {
	switch {
	case m.op != opNone:
		return output{}
	case m.state == Failed && m.wakers() > 0:
		return m.begin(opStart)
	case m.state == Failed && m.held > 0:
		return m.begin(opCheck)
	case m.held > 0 || m.waiting > 0:
		return output{}
	case m.mayRun:
		return m.begin(opStop)
	case m.state == Failed:
		m.state = Stopped
		return output{}
	default:
		return m.begin(opCheck)
	}
}

// retire stops the target as soon as nobody holds it. A stop that failed is
// tried again by the timer.
func (m *machine) retire() operation {
	if m.op != opNone || !m.unwanted() || m.stops > 0 {
		return opNone
	}
	if m.mayRun {
		return m.begin(opStop).run
	}
	m.state = Stopped
	return opNone
}

// begin starts an operation and enters the state that belongs to it.
func (m *machine) begin(op operation) output {
	m.op = op
	switch op {
	case opCheck:
		m.state = Unknown
	case opStart:
		m.state, m.mayRun, m.starting, m.undoing = Starting, true, true, false
		m.epoch++
	case opStop:
		m.state, m.starting, m.undoing = Stopping, false, true
	}
	return output{run: op}
}

func (m *machine) ready() output {
	m.state, m.mayRun, m.undoing = Ready, true, false
	m.starts, m.stops, m.asked = 0, 0, 0
	return output{grant: m.waiting > 0}
}

// wakers is how many wait who may wake the target.
func (m *machine) wakers() int { return m.waiting - m.unable }

// wakeIfAble starts a target that sleeps, if somebody waits who may wake it.
func (m *machine) wakeIfAble() output {
	if m.wakers() > 0 {
		return m.begin(opStart)
	}
	return output{}
}

// wake starts the target for those who wait, unless starts have been failing.
func (m *machine) wake() output {
	if m.starts > 0 {
		return m.fail()
	}
	return m.begin(opStart)
}

func (m *machine) fail() output {
	m.state = Failed
	return output{refuse: m.waiting > 0 && m.hopeless()}
}

// hopeless says that starts have failed too often to let a new client wait for the next one.
func (m *machine) hopeless() bool {
	return m.starts > max(cmp.Or(m.patience, patience), 0)
}

func (m *machine) unwanted() bool { return m.held == 0 && m.waiting == 0 }

// open says whether clients may come and go without a step. Then only stepCounted may
// come while they do, and it leaves this as it is.
func (m *machine) open() bool { return m.state == Ready && !m.retiring }

// down says that the target is known not to run and nothing is under way.
func (m *machine) down() bool { return m.op == opNone && !m.mayRun && m.state != Unknown }
