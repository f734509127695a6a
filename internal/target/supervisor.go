package target

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/failpoint"
	"github.com/rouse-proxy/rouse/internal/probe"
	"github.com/rouse-proxy/rouse/internal/state"
)

// progressBeat is how often a long operation says that it goes on.
const progressBeat = 15 * time.Second

// supervisor is the owner of one target: every field is touched by run's goroutine
// alone, but for the channels.
type supervisor struct {
	*Target
	machine  machine
	record   state.Record
	recorder *recorder
	queue    queue // who waits
	retirers []chan struct{}

	inbox    []request   // taken from the mailbox, and not handled yet
	results  chan result // of the one operation that runs
	detach   context.CancelCauseFunc
	hurry    context.CancelCauseFunc // ends a look early, for a client that has come; nil: none runs
	hurried  bool
	opBegan  time.Time
	timer    *time.Timer
	deadline time.Time // what timer waits for
	late     bool      // the timer was already given a second chance
	progress *time.Ticker

	suspended time.Duration // what Options.Suspended said when deadline was set
	setting   uint64        // grows each time that the timer is set

	verdicts chan verdict
	asking   bool        // whether the target is busy
	putOff   time.Time   // since when the stop waits for a busy target; zero: it does not
	alive    bool        // it was ready, and nothing of ours has ended that
	deaths   []time.Time // the newest ones

	unused  time.Time // since when nobody has used it: the cooldown runs from here
	cause   string    // why the newest operation runs
	err     error     // newest failure; nil after a success
	entered time.Time // when the machine's state was entered
	changed *Options  // settings that wait for the end of the operation; nil: none do
	wg      sync.WaitGroup

	running operation // that runs, whatever the machine believes
	told    State     // that the newest event has told
	again   bool      // it follows one that a fault has ended
}

func newSupervisor(t *Target) *supervisor {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	progress := time.NewTicker(progressBeat)
	progress.Stop()
	return &supervisor{
		Target: t, machine: machine{patience: t.opts.RefuseAfter}, recorder: newRecorder(t.opts), results: make(chan result, 1), verdicts: make(chan verdict, 1),
		timer: timer, progress: progress, unused: time.Now(), entered: time.Now(),
	}
}

func (s *supervisor) run(ctx context.Context) {
	ops, detach := context.WithCancelCause(context.WithoutCancel(ctx))
	s.detach = detach
	cause := because("rouse has started")
	switch {
	case s.again:
		cause = because(ErrFault.Error())
	case s.machine.undoing:
		cause = "the last rouse ended while it was being stopped"
	case s.machine.starting:
		cause = "the last rouse ended while it was being started"
	}
	s.take(ops, input{kind: stepBooted}, cause)
	s.read(ops)
	for {
		s.settle()
		select {
		case <-s.mail.signal:
			s.inbox = s.mail.take()
			s.read(ops)
		case <-s.door.nudge:
			s.take(ops, input{kind: stepCounted}, because("the last client left after a failed start"))
		case res := <-s.results:
			s.finish(ops, res)
		case v := <-s.verdicts:
			s.heed(ops, v)
		case <-s.timer.C:
			s.expire(ops)
		case <-s.progress.C:
			s.emit(event.Event{Kind: event.StillWorking, Operation: s.machine.op.String(),
				Elapsed: time.Since(s.opBegan), Waiting: s.machine.waiting})
		case <-ctx.Done():
			s.end()
			return
		}
	}
}

// read handles what is in the inbox. What follows a fault is left there.
func (s *supervisor) read(ops context.Context) {
	for len(s.inbox) > 0 {
		r := s.inbox[0]
		s.inbox = s.inbox[1:]
		s.handle(ops, r)
	}
}

// change puts the settings in force that wait, if no operation runs: that one has a copy of those with which it began.
func (s *supervisor) change() {
	if s.changed == nil || s.running != opNone {
		return
	}
	s.opts.adopt(s.changed)
	s.changed, s.machine.patience = nil, s.opts.RefuseAfter
	if a := s.machine.armed; a == alarmIdle || a == alarmLook {
		s.arm(a)
	}
}

// finish takes the end of the operation.
func (s *supervisor) finish(ops context.Context, res result) {
	s.running = opNone
	s.change()
	s.progress.Stop()
	if s.hurried {
		res.err = nil // nobody heard the answer out
	}
	s.hurry, s.hurried = nil, false
	if res.err != nil || s.machine.starts+s.machine.stops == 0 {
		s.err = res.err
	}
	if res.address != "" {
		s.record.Address = res.address
	}
	if res.op == opStart && res.err == nil && !res.untold {
		s.record.Moves = res.address != ""
	}
	s.emit(event.Event{Kind: event.OperationEnded, Operation: res.op.String(), Elapsed: time.Since(s.opBegan), Err: res.err})
	if res.op == opCheck && res.err == nil && res.found != foundUp {
		s.died()
	}
	in := input{found: res.found, failed: res.err != nil || res.untold}
	cause := ""
	switch res.op {
	case opCheck:
		in.kind, cause = stepChecked, "found "+res.found.String()
	case opStart:
		in.kind, cause = stepStarted, "it answers"
		in.blind, in.untold = errors.Is(res.err, probe.ErrCannotAsk), res.untold
	case opStop:
		in.kind, cause = stepStopped, "verified down"
	}
	switch {
	case res.untold:
		cause = "the start that was under way has left no trace"
	case res.err != nil && res.op != opCheck:
		cause = res.op.String() + " failed"
	}
	if first := s.queue.first; first != nil {
		first.conn = res.conn
	} else if res.conn != nil {
		_ = res.conn.Close()
	}
	s.take(ops, in, because(cause))
}

// A causer says why something happens, when it is asked. A [Waiter] is one.
type causer interface{ Cause() string }

// because is a cause that is known beforehand.
type because string

func (b because) Cause() string { return string(b) }

// count reads the door for a step. It is shut before, so that the count cannot rise
// behind the machine's back; but stepCounted decides nothing that a client who
// comes at this moment could suffer from, and that client nudges again.
func (s *supervisor) count(in input) input {
	if in.kind == stepCounted {
		in.held, in.used = s.door.look()
	} else {
		in.held, in.used = s.door.shut()
	}
	return in
}

// take steps the machine and does what it says.
func (s *supervisor) take(ops context.Context, in input, why causer) {
	in = s.count(in)
	barred := s.look()
	in.unable = s.unable(barred)
	from, held, mayRun := s.machine.state, s.machine.held, s.machine.mayRun
	out := s.machine.step(in)
	s.outlive(out)
	if s.machine.state != from {
		s.mark(from, "decided")
	}
	if held > 0 || s.machine.held > 0 || in.used || s.machine.mayRun && !mayRun || in.kind == stepStarted && !in.failed {
		s.unused = time.Now()
	}
	if s.machine.state == Ready || in.kind == stepStopped && !in.failed && s.machine.starts == 0 {
		s.err = nil
	}
	if out.run != opNone || s.machine.state != from {
		s.cause = why.Cause()
	}
	switch {
	case out.run == opStart && s.waker(barred) != nil:
		s.cause = s.waker(barred).waiter.Cause() // who waits longest is the reason, whatever came between
	case out.run == opStop && s.machine.retiring:
		s.cause = ErrEnding.Error()
	}
	if s.machine.state != from {
		left := time.Since(s.entered)
		s.entered = time.Now()
		s.told = s.machine.state
		s.emit(event.Event{Kind: event.StateChanged, From: from.String(), To: s.told.String(), Resumed: out.resume,
			Cause: s.cause, Held: s.machine.held, Waiting: s.machine.waiting, Elapsed: left})
		s.rest()
	}
	if out.rearm {
		s.arm(out.alarm)
	}
	if out.grant {
		s.publish() // whoever has been let in sees the state that let it in
		s.grantNow()
		s.lobby.let(s.machine.open()) // those who are let in now may be visitors
		s.admit()
	}
	if out.refuse {
		s.refuse(s.refusal())
	}
	if out.turn {
		s.turnAway(barred)
	}
	s.spend(out, mayRun)
	saved := s.remember(out.run, in.used)
	if out.run == opCheck && from == Stopped {
		ops, s.hurry = context.WithCancelCause(ops)
	}
	if out.run != opNone {
		s.begin(ops, out, saved)
	}
	if s.machine.state != from {
		s.mark(from, "done")
	}
	if s.machine.retiring && s.machine.down() {
		s.retired()
	}
}

// rest tells whoever wants to know that the target is stopped.
func (s *supervisor) rest() {
	if s.machine.state == Stopped && s.opts.Rested != nil {
		defer s.contain("the news that a target is stopped")
		s.opts.Rested()
	}
}

// mark is a point before or after the effects of a change of state.
func (s *supervisor) mark(from State, when string) {
	if failpoint.On {
		failpoint.Pass(from.String() + "-" + s.machine.state.String() + "." + when)
	}
}

// settle lets clients in again, if the steps since the last one allow it, and tells
// how things stand: once for many steps, for it costs more than a step.
func (s *supervisor) settle() {
	open := s.machine.open()
	if open {
		s.grantNow()
		s.door.open()
	}
	s.lobby.let(open)
	s.publish()
}

// grantNow returns what whoever is let in now learns, and publishes it.
func (s *supervisor) grantNow() *grant {
	address, epoch := s.address(), s.machine.epoch
	if last := s.grant.Load(); last != nil && last.address == address && last.epoch == epoch {
		return last
	}
	now := &grant{address, epoch}
	s.grant.Store(now)
	return now
}

// address is where the target is to be dialled now.
func (s *supervisor) address() string {
	if s.record.Address != "" {
		return s.record.Address
	}
	return s.opts.Address
}

// begin runs one operation beside the loop; its end comes back as a result.
func (s *supervisor) begin(ops context.Context, out output, saved <-chan struct{}) {
	op := out.run
	s.opBegan = time.Now()
	s.progress.Reset(progressBeat)
	opts := s.opts // those in force may change before it has ended
	j := job{
		Options: &opts, op: op, resume: out.resume, mayRun: s.machine.mayRun, lost: s.record.Moves && s.record.Address == "",
		call: driver.Op{Epoch: s.machine.epoch, Since: s.record.Since, Reason: s.cause, Address: s.address()},
	}
	if op != opCheck {
		j.saved, j.doubt = saved, s.recorder.doubt
	}
	if op == opStop {
		j.visitors = s.lobby.clear()
	}
	s.emit(event.Event{Kind: event.OperationBegun, Operation: op.String(), Cause: s.cause, Resumed: out.resume,
		Held: s.machine.held, Waiting: s.machine.waiting})
	s.running = op
	s.wg.Go(func() { s.results <- j.operate(ops) })
}

func (s *supervisor) retired() {
	for _, done := range s.retirers {
		close(done)
	}
	s.retirers = nil
}

func (s *supervisor) emit(e event.Event) {
	defer s.contain("an event")
	e.Target, e.Epoch = s.opts.Name, s.machine.epoch
	s.opts.Events.Emit(e)
}

func (s *supervisor) publish() {
	st := Status{
		Target: s.opts.Name, State: s.machine.state, Since: s.entered, Epoch: s.machine.epoch, Address: s.address(),
		Operation: s.machine.op.String(), Waiting: s.machine.waiting, Err: s.err,
	}
	if s.machine.armed == alarmIdle {
		st.StopAt, st.Busy = s.deadline, !s.putOff.IsZero()
	}
	s.status.Store(&st)
}
