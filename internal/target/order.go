package target

import (
	"context"
	"errors"
	"fmt"
)

// ErrEvicted is why a client is cut: a person stops the target, whoever uses it.
var ErrEvicted = errors.New("a person has stopped the target")

// CauseOrdered is why a target is stopped that a person has stopped, before its cooldown was over.
const CauseOrdered = "a person stops it"

// An InUse is why a target is not stopped that a person wants stopped.
type InUse struct{ Held, Waiting int }

// Error says how many are there.
func (u *InUse) Error() string {
	return fmt.Sprintf("it is in use: held by %d, and %d wait for it", u.Held, u.Waiting)
}

// Stop begins to stop the target at once, whatever its cooldown and its veto say, if nobody holds it or waits for it; else the
// error is an [InUse]. Visitors are told to go. It does not wait for the end of the stop. A target that is down is fine.
func (t *Target) Stop(ctx context.Context) error {
	answer := make(chan error, 1)
	if !t.mail.put(request{order: answer}) {
		return fmt.Errorf("stopping target %q: %w", t.opts.Name, ErrEnding)
	}
	select {
	case err := <-answer:
		return err
	case <-t.ended:
		return fmt.Errorf("stopping target %q: %w", t.opts.Name, ErrEnding)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ordered is the answer to one who wants the target stopped.
func (s *supervisor) ordered(ops context.Context) error {
	m := &s.machine
	s.take(ops, input{kind: stepCounted}, because("")) // who has come and gone is no longer news to the next step
	switch {
	case m.down():
		return nil
	case m.op == opStop:
		return nil
	case m.op != opNone:
		return fmt.Errorf("a %v is under way: try again when it has ended", m.op)
	case !m.mayRun || m.held > 0 || m.waiting > 0:
		return &InUse{m.held, m.waiting}
	}
	s.take(ops, input{kind: stepExpired}, because(CauseOrdered))
	if m.op == opStop {
		return nil
	}
	return &InUse{max(m.held, 1), m.waiting} // somebody has come just now
}
