package target

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/probe"
	"github.com/rouse-proxy/rouse/internal/state"
)

const (
	maxDoublings = 7                // of the backoff: 1s grows to 128s
	progressBeat = 15 * time.Second // how often a long operation says that it goes on
	lateTimer    = time.Second      // a timer later than this hints at a paused process
)

// supervisor is the owner of one target: every field is touched by run's goroutine
// alone, but for the channels.
type supervisor struct {
	*Target
	machine  machine
	record   state.Record
	recorder *recorder
	queue    list.List // of *Hold: who waits, in order of arrival
	retirers []chan struct{}

	results  chan result // of the one operation that runs
	detach   context.CancelCauseFunc
	hurry    context.CancelCauseFunc // ends a look early, for a client that has come; nil: none runs
	hurried  bool
	opBegan  time.Time
	timer    *time.Timer
	deadline time.Time // when timer fires
	late     bool      // the timer was already given a second chance
	progress *time.Ticker

	unused  time.Time // since when nobody has used it: the cooldown runs from here
	cause   string    // why the newest operation runs
	err     error     // newest failure; nil after a success
	entered time.Time // when the machine's state was entered
	wg      sync.WaitGroup
}

func newSupervisor(t *Target) *supervisor {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	progress := time.NewTicker(progressBeat)
	progress.Stop()
	return &supervisor{
		Target: t, recorder: newRecorder(t.opts.Store, t.opts.Logger), results: make(chan result, 1),
		timer: timer, progress: progress, unused: time.Now(), entered: time.Now(),
	}
}

func (s *supervisor) run(ctx context.Context) error {
	s.load()
	ops, detach := context.WithCancelCause(context.WithoutCancel(ctx))
	s.detach = detach
	go s.recorder.run() // recorder.stop waits for it, within bounds
	cause := "rouse has started"
	if s.machine.undoing {
		cause = "the last rouse ended while it was being stopped"
	}
	s.take(ops, input{kind: stepBooted}, cause)
	for {
		select {
		case r := <-s.requests:
			s.handle(ops, r)
		case res := <-s.results:
			s.finish(ops, res)
		case <-s.timer.C:
			s.expire(ops)
		case <-s.progress.C:
			s.emit(event.Event{Kind: event.StillWorking, Operation: s.machine.op.String(),
				Elapsed: time.Since(s.opBegan), Waiting: s.machine.waiting})
		case <-ctx.Done():
			return s.end()
		}
	}
}

// load recalls what the last run of rouse knew. Damage is reported and never a
// reason not to start: the record is then pessimistic.
func (s *supervisor) load() {
	record, err := s.opts.Store.Load(s.opts.Name)
	if err != nil {
		s.opts.Logger.Error("state lost, assuming that the target may run", "target", s.opts.Name, "err", err)
	}
	record.Target = s.opts.Name
	s.record = record
	s.machine.mayRun, s.machine.undoing, s.machine.epoch = record.MayRun, record.Stopping, record.Epoch
	if record.MayRun && !record.InUse && err == nil {
		s.unused = latest(record.LastUsed, record.Since) // a crash does not lengthen a cooldown
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// handle takes one request from outside.
func (s *supervisor) handle(ops context.Context, r request) {
	switch r.step {
	case stepAcquired, stepSuspected:
		r.hold.place = s.queue.PushBack(r.hold)
		s.take(ops, input{kind: r.step}, r.hold.cause)
		if s.hurry != nil {
			s.hurry(driver.ErrDetach) // it was believed down: waking it is the better question
			s.hurried = true
		}
	case stepAbandoned:
		if r.hold.place == nil {
			return // it was answered in the meantime
		}
		s.queue.Remove(r.hold.place)
		r.hold.place = nil
		r.hold.answer <- context.Canceled
		s.take(ops, input{kind: stepAbandoned}, "")
	case stepReleased:
		s.take(ops, input{kind: r.step}, "the last client left after a failed start")
	case stepDoubted:
		s.take(ops, input{kind: r.step}, "a backend connection ended at once")
	case stepRetired:
		s.retirers = append(s.retirers, r.done)
		s.take(ops, input{kind: stepRetired}, ErrEnding.Error())
	}
}

// finish takes the end of the operation.
func (s *supervisor) finish(ops context.Context, res result) {
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
	s.emit(event.Event{Kind: event.OperationEnded, Operation: res.op.String(), Elapsed: time.Since(s.opBegan), Err: res.err})
	in := input{found: res.found, failed: res.err != nil}
	cause := ""
	switch res.op {
	case opCheck:
		in.kind, cause = stepChecked, "found "+res.found.String()
	case opStart:
		in.kind, cause = stepStarted, "it answers"
		in.blind = errors.Is(res.err, probe.ErrCannotAsk)
	case opStop:
		in.kind, cause = stepStopped, "verified down"
	}
	if res.err != nil && res.op != opCheck {
		cause = res.op.String() + " failed"
	}
	if s.queue.Len() > 0 {
		s.queue.Front().Value.(*Hold).grant.conn = res.conn
	} else if res.conn != nil {
		_ = res.conn.Close()
	}
	s.take(ops, in, cause)
}

// expire passes the timer's question on. When the process was paused, clients may sit in the
// accept queue that nobody has seen yet, so a late timer is put off once for
// a moment in which they are counted.
func (s *supervisor) expire(ops context.Context) {
	if !s.late && time.Since(s.deadline) > lateTimer {
		s.late = true
		s.timer.Reset(lateTimer)
		return
	}
	cause := "backoff is over"
	switch s.machine.armed {
	case alarmIdle:
		cause = fmt.Sprintf("idle for %v", s.opts.Cooldown)
		if idle := time.Since(s.unused); idle > s.opts.Cooldown+2*lateTimer {
			cause = fmt.Sprintf("idle for %v", idle.Round(time.Second)) // rouse was not there when it was over
		}
	case alarmLook:
		cause = "looking whether somebody started it"
	}
	s.take(ops, input{kind: stepExpired}, cause)
}

// take steps the machine and does what it says.
func (s *supervisor) take(ops context.Context, in input, cause string) {
	from, held, mayRun := s.machine.state, s.machine.held, s.machine.mayRun
	out := s.machine.step(in)
	if held > 0 || s.machine.held > 0 || s.machine.mayRun && !mayRun || in.kind == stepStarted && !in.failed {
		s.unused = time.Now()
	}
	if s.machine.state == Ready || in.kind == stepStopped && !in.failed && s.machine.starts == 0 {
		s.err = nil
	}
	if out.run != opNone || s.machine.state != from {
		s.cause = cause
	}
	switch {
	case out.run == opStart && s.queue.Len() > 0:
		s.cause = s.queue.Front().Value.(*Hold).cause // who waits longest is the reason, whatever came between
	case out.run == opStop && s.machine.retiring:
		s.cause = ErrEnding.Error()
	}
	if s.machine.state != from {
		left := time.Since(s.entered)
		s.entered = time.Now()
		s.emit(event.Event{Kind: event.StateChanged, From: from.String(), To: s.machine.state.String(),
			Cause: s.cause, Waiting: s.machine.waiting, Elapsed: left})
	}
	if out.rearm {
		s.arm(out.alarm)
	}
	if out.grant {
		s.answer(nil)
	}
	if out.refuse {
		s.answer(s.refusal())
	}
	saved := s.remember(out.run)
	if out.run == opCheck && from == Stopped {
		ops, s.hurry = context.WithCancelCause(ops)
	}
	if out.run != opNone {
		s.begin(ops, out.run, saved)
	}
	if s.machine.retiring && s.machine.down() {
		s.retired()
	}
	s.publish()
}

// refusal is what clients are told: the failure that the machine refused them for.
func (s *supervisor) refusal() error {
	if s.machine.retiring {
		return ErrEnding
	}
	return s.err
}

// answer lets everybody in who waits, in order of arrival, or refuses them.
func (s *supervisor) answer(err error) {
	for e := s.queue.Front(); e != nil; e = s.queue.Front() {
		h := s.queue.Remove(e).(*Hold)
		h.place = nil
		if err == nil {
			h.grant.address, h.grant.epoch = s.address(), s.machine.epoch
		} else {
			h.closeConn()
		}
		h.answer <- err
	}
}

// arm sets the one timer for what the machine wants it.
func (s *supervisor) arm(a alarm) {
	s.timer.Stop()
	s.late = false
	var d time.Duration
	switch a {
	case alarmOff:
		s.deadline = time.Time{}
		return
	case alarmIdle:
		d = min(max(time.Until(s.unused.Add(s.opts.Cooldown)), 0), s.opts.Cooldown)
		s.emit(event.Event{Kind: event.IdleArmed, Delay: d})
	case alarmBackoff:
		d = s.backoff()
		s.emit(event.Event{Kind: event.BackoffArmed, Delay: d})
	case alarmLook:
		if d = s.opts.Look; d < 0 {
			return
		}
	}
	s.deadline = time.Now().Add(d)
	s.timer.Reset(d)
}

// backoff doubles with each failure in a row; a tenth of jitter keeps many targets
// that failed together from trying together.
func (s *supervisor) backoff() time.Duration {
	failures := max(s.machine.starts, s.machine.stops, s.machine.asked, 1)
	d := s.opts.Backoff << min(failures-1, maxDoublings)
	return d + rand.N(d/10+1)
}

// address is where the target is to be dialled now.
func (s *supervisor) address() string {
	if s.record.Address != "" {
		return s.record.Address
	}
	return s.opts.Address
}

// remember keeps the record true: what a crash may cost is decided here. The
// channel, not nil before a start or a stop, closes when the record says so on disk.
func (s *supervisor) remember(op operation) <-chan struct{} {
	was := s.record
	s.record.MayRun, s.record.Stopping = s.machine.mayRun, s.machine.undoing
	s.record.InUse = s.machine.held > 0
	if was.InUse != s.record.InUse {
		s.record.LastUsed = time.Now()
	}
	if op == opStart {
		s.record.Epoch, s.record.Since, s.record.Address = s.machine.epoch, time.Now(), ""
	}
	if !s.record.MayRun {
		s.record.Address = ""
	} else if !was.MayRun && op != opStart {
		s.record.Since = time.Now() // found running: somebody else started it
	}
	if s.record == was {
		return nil
	}
	return s.recorder.put(s.record, op == opStart || was.MayRun != s.record.MayRun || was.Stopping != s.record.Stopping)
}

// begin runs one operation beside the loop; its end comes back as a result.
func (s *supervisor) begin(ops context.Context, op operation, saved <-chan struct{}) {
	s.opBegan = time.Now()
	s.progress.Reset(progressBeat)
	j := job{
		Options: &s.opts, op: op, mayRun: s.machine.mayRun,
		call: driver.Op{Epoch: s.machine.epoch, Reason: s.cause, Address: s.address()},
	}
	if op != opCheck {
		j.saved = saved
	}
	s.emit(event.Event{Kind: event.OperationBegun, Operation: op.String(), Cause: s.cause})
	s.wg.Go(func() { s.results <- j.operate(ops) })
}

func (s *supervisor) retired() {
	for _, done := range s.retirers {
		close(done)
	}
	s.retirers = nil
}

func (s *supervisor) emit(e event.Event) {
	e.Target, e.Epoch = s.opts.Name, s.machine.epoch
	s.opts.Events.Emit(e)
}

func (s *supervisor) publish() {
	st := Status{
		Target: s.opts.Name, State: s.machine.state, Since: s.entered, Epoch: s.machine.epoch, Address: s.address(),
		Operation: s.machine.op.String(), Held: s.machine.held, Waiting: s.machine.waiting, Err: s.err,
	}
	if s.machine.armed == alarmIdle {
		st.StopAt = s.deadline
	}
	s.status.Store(&st)
}

// end leaves the target as it is: refuses who waits, lets go of the operation that
// runs, and writes down what is known.
func (s *supervisor) end() error {
	s.timer.Stop()
	s.progress.Stop()
	s.detach(driver.ErrDetach)
	s.answer(ErrEnding)
	if s.machine.op != opNone {
		if res := <-s.results; res.conn != nil {
			_ = res.conn.Close()
		}
	}
	s.recorder.stop()
	s.wg.Wait()
	return nil
}
