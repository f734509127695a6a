package target

import (
	"fmt"
)

// A world is one target as it really is, beside the machine that steers it: the
// clients, the process, the disk and the hook that a crash left running. Its
// moves are everything that can happen; after each the invariants are checked.
type world struct {
	m       machine
	op      operation // in flight
	held    int       // clients served, as the door counts them
	waiting int       // clients queued
	meek    int       // of those, who may not wake the target
	armed   alarm
	open    bool // the door
	used    bool // somebody has come through it since the machine was last told
	nudge   bool // on its way to the supervisor
	drained bool // the supervisor has taken a nudge, and has not yet read the count
	stale   bool // somebody has been there since the cooldown was armed
	rush    rush // what happens in the middle of the next step

	running bool      // the target itself
	disk    bool      // "may run", as a new rouse would read it
	startin bool      // "being started", likewise
	undoing bool      // "being stopped", likewise
	resumed bool      // op is one that a dead rouse began
	orphan  operation // what a dead rouse left under way
	outside int       // how often somebody else started or stopped it, or rouse crashed
	crashes int
}

// rush is what a client does after the supervisor has read the door for a step, and
// before it has done what the machine says.
type rush uint8

const (
	rushNone rush = iota
	rushIn
	rushOut
)

// limits bound a search.
type limits struct{ clients, outside, crashes int }

// move is one thing that can happen.
type move struct {
	name string
	do   func(*world) error
}

func newWorld(running bool) (world, error) {
	w := world{running: running}
	return w, w.step(input{kind: stepBooted})
}

// step feeds the machine and plays the supervisor, so that a wrong output shows.
func (w *world) step(in input) error {
	before, open := w.op, w.open
	if in.kind != stepCounted {
		w.open = false
	}
	in.held, in.used, w.used, in.unable = w.held, w.used, false, w.meek
	switch {
	case w.rush == rushIn && w.open:
		w.enter()
	case w.rush == rushOut && w.held > 0:
		w.leave()
	}
	out := w.m.step(in)
	if w.open = w.m.open(); open && in.kind == stepCounted && !w.open {
		return fmt.Errorf("a count has shut the door: %+v", *w)
	}
	if out.run == opStop && in.kind == stepExpired && in.used {
		return fmt.Errorf("stopped although somebody has only just been there: %+v", *w)
	}
	if out.grant && out.refuse {
		return fmt.Errorf("both granted and refused")
	}
	if out.run == opStart && !out.resume && w.waiting == w.meek {
		return fmt.Errorf("started for nobody who may wake it")
	}
	if out.turn && (out.grant || out.refuse || w.meek == 0) {
		return fmt.Errorf("turned away, and what else?")
	}
	switch {
	case out.grant:
		w.held, w.waiting, w.meek = w.held+w.waiting, 0, 0 // admitted by the supervisor
	case out.refuse:
		w.waiting, w.meek = 0, 0
	case out.turn:
		w.waiting, w.meek = w.waiting-w.meek, 0
	}
	if out.rearm {
		w.armed, w.stale = out.alarm, w.used && out.alarm == alarmIdle
	}
	if out.run != opNone {
		if before != opNone {
			return fmt.Errorf("%v begun while %v runs", out.run, before)
		}
		if out.run == opStop && w.held+w.waiting > 0 {
			return fmt.Errorf("stop begun with %d held and %d waiting", w.held, w.waiting)
		}
		if out.run == opStart {
			w.disk, w.startin = true, true // the start waits for the disk
		}
		if out.run == opStop {
			w.undoing = true // so does the stop
		}
		if out.resume && in.kind != stepBooted {
			return fmt.Errorf("%v taken up in the middle of a life", out.run)
		}
		w.op, w.resumed = out.run, out.resume
	}
	if w.meek > 0 && w.op != opCheck && w.op != opStart {
		return fmt.Errorf("one who may not wake it waits for nothing: %+v", *w)
	}
	return w.check()
}

// check asserts what must always be true.
func (w *world) check() error {
	m := &w.m
	for _, c := range []struct {
		broken bool
		what   string
	}{
		{w.held < 0 || m.waiting < 0, "negative count"},
		{m.waiting != w.waiting, "count of waiters differs from reality"},
		{!w.open && m.held < w.held, "a hold that the machine does not know of, behind a shut door"},
		{!w.told() && (m.held > 0) != (w.held > 0), "nudges have come, and the machine is still wrong about whether it is held"},
		{w.open != (m.state == Ready && !m.retiring), "door open although not ready, or shut although ready"},
		{w.used && !w.open, "somebody has come through a shut door"},
		{w.stale && w.armed == alarmIdle && !w.told(), "the cooldown does not run from the last use"},
		{w.used && !w.told() && m.held == 0, "somebody has come, and the machine will not hear of it"},
		{m.op != w.op, "operation differs from reality"},
		{m.armed != w.armed, "alarm differs from reality"},
		{(m.state == Starting) != (m.op == opStart), "starting without its operation, or the reverse"},
		{(m.state == Stopping) != (m.op == opStop), "stopping without its operation, or the reverse"},
		{m.op == opCheck && m.state != Unknown, "check outside unknown"},
		{m.op == opStop && w.held+w.waiting > 0 && w.held > 0, "held during a stop"},
		{w.waiting > 0 && w.op == opNone && (m.state != Failed || w.armed != alarmBackoff), "a waiter that nobody will answer"},
		{w.waiting > 0 && m.state == Ready, "a waiter at a ready target"},
		{m.state == Ready && w.held+w.waiting == 0 && !w.told() && w.armed != alarmIdle && !m.retiring, "ready and unheld without a cooldown"},
		{m.state == Ready && !m.mayRun, "ready but believed not to run"},
		{m.state == Stopped && m.mayRun, "stopped but may run"},
		{m.op == opStart && !w.disk, "a start that a crash would forget"},
		{w.running && w.orphan == opNone && w.op == opNone && w.held+w.waiting == 0 && !w.told() && w.armed == alarmOff, "left running with no timer"},
		{m.retiring && w.waiting > 0, "a waiter let in while ending"},
		{w.orphan == opStop && w.held > 0, "served by a target that a dead rouse is stopping"},
		{m.op == opStart && !w.startin, "a start that a crash would not take up"},
		{m.starting != (m.op == opStart), "being started without its operation, or the reverse"},
		{m.op == opStop && !w.undoing, "a stop that a crash would forget"},
	} {
		if c.broken {
			return fmt.Errorf("%s: %+v", c.what, *w)
		}
	}
	return nil
}

// told says that the supervisor is about to count.
func (w *world) told() bool { return w.nudge || w.drained }

// moves lists what can happen now: what clients do by themselves, and what the supervisor
// does, with and without a client who comes or ends in the middle of it.
func (w *world) moves(l limits) []move {
	room := w.open && w.held+w.waiting < l.clients
	moves := w.steps(l)
	for _, mv := range moves {
		if room {
			moves = append(moves, mv.during(rushIn, "comes"))
		}
		if w.held > 0 {
			moves = append(moves, mv.during(rushOut, "ends"))
		}
	}
	if room {
		moves = append(moves, move{"client comes through the door", func(w *world) error { w.enter(); return w.check() }})
	}
	if w.held > 0 {
		moves = append(moves, move{"client ends", func(w *world) error { w.leave(); return w.check() }})
	}
	return moves
}

func (m move) during(r rush, what string) move {
	return move{m.name + ", while a client " + what, func(w *world) error {
		w.rush = r
		err := m.do(w)
		w.rush = rushNone
		return err
	}}
}

// steps lists what the supervisor, the target and fate can do now. A supervisor that
// has been nudged counts before it does anything else.
func (w *world) steps(l limits) []move {
	if w.drained {
		return []move{{"count", (*world).count}}
	}
	var moves []move
	add := func(ok bool, name string, do func(*world) error) {
		if ok {
			moves = append(moves, move{name, do})
		}
	}
	step := func(in input, before func(*world)) func(*world) error {
		return func(w *world) error {
			if before != nil {
				before(w)
			}
			return w.step(in)
		}
	}
	add(w.nudge, "nudge", func(w *world) error { w.nudge, w.drained = false, true; return w.check() })
	add(w.held+w.waiting < l.clients, "client arrives", func(w *world) error {
		w.waiting++
		return w.step(input{kind: stepAcquired})
	})
	add(w.held+w.waiting < l.clients, "client arrives that may not wake it", func(w *world) error {
		w.waiting, w.meek = w.waiting+1, w.meek+1
		return w.step(input{kind: stepAcquired})
	})
	add(w.waiting > w.meek, "the budget is spent", func(w *world) error { w.meek = w.waiting; return nil })
	add(w.waiting > w.meek, "waiter leaves", step(input{kind: stepAbandoned}, func(w *world) { w.waiting-- }))
	add(w.meek > 0, "waiter leaves that may not wake it", step(input{kind: stepAbandoned}, func(w *world) { w.waiting, w.meek = w.waiting-1, w.meek-1 }))
	add(w.held > 0, "dial refused to one who may not wake it", step(input{kind: stepSuspected}, func(w *world) { w.held--; w.waiting, w.meek = w.waiting+1, w.meek+1 }))
	add(w.held > 0, "client ends in doubt", step(input{kind: stepDoubted}, func(w *world) { w.held-- }))
	add(w.held > 0, "dial refused", step(input{kind: stepSuspected}, func(w *world) { w.held--; w.waiting++ }))
	add(w.armed != alarmOff, "timer", step(input{kind: stepExpired}, func(w *world) { w.armed = alarmOff }))
	add(w.disk != w.m.mayRun || w.startin != w.m.starting || w.undoing != w.m.undoing, "disk catches up", func(w *world) error {
		w.disk, w.startin, w.undoing = w.m.mayRun, w.m.starting, w.m.undoing
		return nil
	})
	add(w.orphan == opStart, "orphaned start lands", func(w *world) error { w.running, w.orphan = true, opNone; return nil })
	add(w.orphan == opStop, "orphaned stop lands", func(w *world) error { w.running, w.orphan = false, opNone; return nil })
	add(w.orphan != opNone, "orphan dies", func(w *world) error { w.orphan = opNone; return nil })
	add(w.outside < l.outside, "outsider turns the switch", func(w *world) error { w.outside++; w.running = !w.running; return nil })
	add(!w.m.retiring, "rouse is told to stop it", step(input{kind: stepRetired}, nil))
	add(w.crashes < l.crashes, "kill -9", (*world).crash)
	add(w.crashes < l.crashes, "fault", func(w *world) error { return w.fault() })
	add(w.crashes < l.crashes && w.armed != alarmOff, "timer, and a fault before anything is done", func(w *world) error {
		w.open = false
		w.m.step(input{kind: stepExpired, held: w.held, used: w.used, unable: w.meek})
		return w.fault()
	})
	w.endings(add, step)
	return moves
}

// enter and leave are what a client does without the supervisor.
func (w *world) enter() {
	w.nudge = w.nudge || w.held == 0
	w.held++
	w.used, w.stale = true, w.armed == alarmIdle
}

func (w *world) leave() {
	w.held--
	w.nudge = w.nudge || w.held == 0
}

func (w *world) count() error {
	w.drained = false
	return w.step(input{kind: stepCounted})
}

// endings adds the ways in which the operation in flight can end. A driver waits
// for what a dead rouse left under way, so a start or stop ends after that.
func (w *world) endings(add func(bool, string, func(*world) error), step func(input, func(*world)) func(*world) error) {
	ended := func(running bool) func(*world) {
		return func(w *world) { w.op, w.orphan, w.running = opNone, opNone, running }
	}
	looked := func(w *world) { w.op = opNone }
	switch w.op {
	case opCheck:
		add(w.running, "check: up", step(input{kind: stepChecked, found: foundUp}, looked))
		add(!w.running && w.orphan == opNone, "check: down", step(input{kind: stepChecked, found: foundDown}, looked))
		add(true, "check: silent", step(input{kind: stepChecked, found: foundSilent}, looked))
		add(true, "check: unclear", step(input{kind: stepChecked, found: foundUnclear}, looked))
	case opStart:
		add(w.resumed && w.orphan == opNone, "start: left no trace", step(input{kind: stepStarted, failed: true, untold: true}, looked))
		add(true, "start: ok", step(input{kind: stepStarted}, ended(true)))
		add(true, "start: blind", step(input{kind: stepStarted, failed: true, blind: true}, ended(true)))
		add(true, "start: failed, half runs", step(input{kind: stepStarted, failed: true}, ended(true)))
		add(true, "start: failed", step(input{kind: stepStarted, failed: true}, ended(false)))
	case opStop:
		add(true, "stop: ok", step(input{kind: stepStopped}, ended(false)))
		add(true, "stop: failed", step(input{kind: stepStopped, failed: true}, ended(w.running)))
		add(w.running, "stop: failed, but down", step(input{kind: stepStopped, failed: true}, ended(false)))
	}
}

// crash loses everything but the disk, the target and what was under way. A check
// on a half-started target cannot know that it is down: the record says that it may run.
func (w *world) crash() error {
	if w.op == opStart || w.op == opStop {
		w.orphan = w.op
	}
	next := world{running: w.running, disk: w.disk, startin: w.startin, undoing: w.undoing, orphan: w.orphan, outside: w.outside, crashes: w.crashes + 1}
	next.m.mayRun, next.m.starting, next.m.undoing = w.disk, w.startin, w.undoing
	*w = next
	return w.step(input{kind: stepBooted})
}

// fault loses what is under way and who waits, and hands the rest to a successor.
func (w *world) fault() error {
	if w.op == opStart || w.op == opStop {
		w.orphan = w.op
	}
	w.m = w.m.successor(w.held)
	w.op, w.waiting, w.meek, w.armed, w.drained = opNone, 0, 0, alarmOff, false
	w.crashes++
	return w.step(input{kind: stepBooted})
}

// calm plays on without new clients and without any trouble, and fails unless the
// target soon rests, really down.
func (w world) calm() error {
	for range 40 {
		switch {
		case w.held > 0:
			if w.leave(); w.check() != nil {
				return w.check()
			}
		case w.told():
			w.nudge = false
			if err := w.count(); err != nil {
				return err
			}
		case w.waiting > 0 && w.op == opNone:
			w.waiting--
			w.meek = min(w.meek, w.waiting)
			if err := w.step(input{kind: stepAbandoned}); err != nil {
				return err
			}
		case w.op != opNone:
			if err := w.endWell(); err != nil {
				return err
			}
		case w.orphan != opNone:
			w.running, w.orphan = w.orphan == opStart, opNone
		case !w.running && !w.m.mayRun && w.m.state == Stopped:
			return nil
		case w.armed != alarmOff:
			w.armed = alarmOff
			if err := w.step(input{kind: stepExpired}); err != nil {
				return err
			}
		default:
			return fmt.Errorf("nothing will ever happen: %+v", w)
		}
	}
	return fmt.Errorf("not at rest after 40 steps: %+v", w)
}

func (w *world) endWell() error {
	op := w.op
	w.op = opNone
	if w.orphan != opNone {
		w.running, w.orphan = w.orphan == opStart, opNone
	}
	switch op {
	case opStart:
		w.running = true
		return w.step(input{kind: stepStarted})
	case opStop:
		w.running = false
		return w.step(input{kind: stepStopped})
	}
	found := foundDown
	if w.running {
		found = foundUp
	} else if w.m.mayRun {
		found = foundUnclear // no status hook: silence is no proof
	}
	return w.step(input{kind: stepChecked, found: found})
}

// answered plays on without trouble after one client has come, and fails unless it
// is served or told.
func (w world) answered() error {
	if w.drained {
		if err := w.count(); err != nil {
			return err
		}
	}
	if w.waiting == 0 {
		w.waiting++
		if err := w.step(input{kind: stepAcquired}); err != nil {
			return err
		}
	}
	for range 40 {
		switch {
		case w.waiting == 0:
			return nil
		case w.op != opNone:
			if err := w.endWell(); err != nil {
				return err
			}
		default:
			w.armed = alarmOff
			if err := w.step(input{kind: stepExpired}); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("a client waits for ever: %+v", w)
}

// key is w without what cannot change its future.
func (w world) key() world {
	w.m.epoch = 0
	w.m.starts = min(w.m.starts, patience+1)
	w.m.stops, w.m.asked = min(w.m.stops, 1), 0
	return w
}
