package target

import (
	"context"
	"net"
)

// A Waiter is told once how its ask ended. Both methods run on the supervisor's
// goroutine (Answered may also run on the caller's own, before Ask or AskAgain returns,
// when the target has ended): they must be quick and never block. They may call any
// method of a hold or a target that does not block either.
type Waiter interface {
	// Answered says that h is held now, or why it is not.
	Answered(h *Hold, err error)
	// Cause says who wants the target, in rouse's own words. It is asked for only
	// when it is needed, and only until the answer.
	Cause() string
}

// A Reasoner is a [Waiter] that knows why it may not wake the target, if its rank is [Meek].
type Reasoner interface{ Why() error }

// A Hold keeps the target awake until it is released. The zero value is ready to be
// given to [Target.TryHold] or [Target.Ask], and a hold that has been given back or
// refused may be used again, or overwritten.
//
// It has one owner at a time, who calls its methods. Between an ask and its answer it
// belongs to the target: only Withdraw may be called. It must not be copied then.
type Hold struct {
	target     *Target
	grant      *grant
	conn       net.Conn // the connection that proved the target ready; first client only
	waiter     Waiter   // of the newest ask
	prev, next *Hold    // in the queue; the supervisor's
	visit      *visit   // it is served without being counted, see [Target.TryVisit]
	held       bool     // counted, and not yet given back

	// Rank is what the owner may cause by asking; set before the ask.
	Rank Rank
}

// grant is what a holder learns when it is let in. It is never written once published.
type grant struct {
	address string
	epoch   uint64
}

// TryHold takes a hold on a target that is ready, without waiting for anybody. False
// says nothing but that this was not possible now: the caller then asks.
func (t *Target) TryHold(h *Hold) bool {
	if !t.door.enter() {
		return false
	}
	// Loaded after entering: it was published before the door was opened.
	h.target, h.grant, h.waiter, h.held = t, t.grant.Load(), nil, true
	return true
}

// Ask counts the caller as one who wants the target, wakes it if it sleeps, and answers
// through w: with a hold once the target is ready, or with an error. It never blocks.
func (t *Target) Ask(h *Hold, w Waiter) {
	h.target, h.waiter = t, w
	if !t.mail.put(request{step: stepAcquired, hold: h}) {
		w.Answered(h, ErrEnding)
	}
}

// AskAgain is [Hold.Suspect] without the wait: it says that nobody answered at the
// hold's address, and in one step turns the hold into a wait that is answered through w.
func (h *Hold) AskAgain(w Waiter) {
	if h.Visits() {
		h.Rank, h.held = Meek, h.target.door.enter() // whoever doubts has to count; it may not wake the target for that
		h.endVisit()
	}
	if !h.held {
		h.target.Ask(h, w) // it counts for nothing: there is nothing to be turned
		return
	}
	h.giveUp()
	h.waiter = w
	if !h.target.mail.put(request{step: stepSuspected, hold: h}) {
		h.target.door.leave()
		w.Answered(h, ErrEnding)
	}
}

// Withdraw gives a wait up. The answer still comes, exactly once and later: mostly
// [context.Canceled], but one that has crossed the withdrawal stands, and if it is a grant
// then the caller holds the target and must release it.
func (h *Hold) Withdraw() {
	h.target.mail.put(request{step: stepAbandoned, hold: h}) // an ended target has answered, or does
}

// Address returns where the target is to be dialled, HOST:PORT.
func (h *Hold) Address() string { return h.grant.address }

// Refresh takes over what those learn who are let in now. A hold that was kept without a connection, while its client waited for
// its turn, may be of a run that has ended since: the target may have been started again, somewhere else.
func (h *Hold) Refresh() { h.grant = h.target.grant.Load() }

// Epoch returns the number of the run that the hold belongs to.
func (h *Hold) Epoch() uint64 { return h.grant.epoch }

// TakeConn returns the connection that proved the target ready, or nil. The caller
// owns it from then on; a second call returns nil.
func (h *Hold) TakeConn() net.Conn {
	conn := h.conn
	h.conn = nil
	return conn
}

// Release gives the hold back, or ends the visit. Calls after the first do nothing.
func (h *Hold) Release() {
	h.endVisit()
	if h.giveUp() {
		h.target.door.leave()
	}
}

// Doubt gives the hold back and says that its backend accepted and ended at once, as a
// port forwarder does whose target has gone: the target is asked whether it is still there. A visitor's doubt counts for nothing.
func (h *Hold) Doubt() {
	h.endVisit()
	if h.giveUp() && !h.target.mail.put(request{step: stepDoubted}) {
		h.target.door.leave()
	}
}

// giveUp says whether there is a hold to give back. It stays counted until then.
func (h *Hold) giveUp() bool {
	held := h.held
	h.held = false
	h.closeConn()
	return held
}

func (h *Hold) closeConn() {
	if conn := h.TakeConn(); conn != nil {
		_ = conn.Close()
	}
}

// A Wish is what somebody wants of a target who waits in a goroutine of its own.
type Wish struct {
	Cause string // who wants it, in rouse's own words
	Rank  Rank
	Why   error // of Meek: why it may not wake the target
}

// sleeper is the Waiter of a caller that waits in a goroutine of its own.
type sleeper struct {
	hold   Hold
	wish   Wish
	answer chan error // buffered: the supervisor never waits for a caller
}

func (s *sleeper) Answered(_ *Hold, err error) { s.answer <- err }
func (s *sleeper) Cause() string               { return s.wish.Cause }
func (s *sleeper) Why() error                  { return s.wish.Why }

// Acquire counts the caller as one who wants the target, wakes it if it sleeps, and
// waits until it is ready. cause says who wants it, in rouse's own words. When ctx ends first
// the wait is given up; the target is then no longer wanted by this caller.
func (t *Target) Acquire(ctx context.Context, cause string) (*Hold, error) {
	return t.AcquireFor(ctx, Wish{Cause: cause})
}

// AcquireFor is [Target.Acquire] for somebody of a rank.
func (t *Target) AcquireFor(ctx context.Context, wish Wish) (*Hold, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	s := &sleeper{wish: wish}
	s.hold.Rank = wish.Rank
	if t.TryHold(&s.hold) {
		s.hold.waiter = s // Suspect asks it for the cause
		return &s.hold, nil
	}
	select { // a wait can be given up only to somebody who reads
	case <-t.begun:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	s.answer = make(chan error, 1)
	t.Ask(&s.hold, s)
	if err := s.hold.await(ctx, s.answer); err != nil {
		return nil, err
	}
	return &s.hold, nil
}

// Suspect says that nobody answered at the hold's address although the target was
// ready. In one step the hold becomes a wait, so the target cannot be stopped in
// between, and the target is asked again, and woken if need be. On success the hold is good
// again; on error it is gone and Release does nothing.
func (h *Hold) Suspect(ctx context.Context) error {
	s := &sleeper{wish: Wish{Cause: "a client that got no answer"}, answer: make(chan error, 1)}
	if last, ok := h.waiter.(*sleeper); ok {
		s.wish = last.wish
	}
	h.AskAgain(s)
	return h.await(ctx, s.answer)
}

// await waits for the answer, or gives the wait up when ctx ends.
func (h *Hold) await(ctx context.Context, answer <-chan error) error {
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
	}
	h.Withdraw()
	if err := <-answer; err == nil {
		h.Release() // granted in the moment of leaving
	}
	return context.Cause(ctx)
}
