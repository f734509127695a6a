package probe

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// How many free file descriptors may be needed at once.
const (
	Descriptors     = 16 // by one prober: a dozen attempts in three seconds, and what watches them
	DialDescriptors = 4  // by one [Prober.Dial]
)

// pace says how attempts follow each other.
type pace struct {
	beat    func(elapsed time.Duration) time.Duration // a fresh attempt this long after the last one, whatever became of that
	failed  time.Duration                             // how soon after a failure, where that is sooner
	refused func(elapsed time.Duration) time.Duration // the same after a refusal; nil: that is a failure like others
	limit   func(elapsed time.Duration) time.Duration // how long one attempt may take
	most    int                                       // attempts in flight
	final   func(err error) bool                      // a failure that ends the race; nil: none does
	waited  time.Duration                             // for the target, before this race began
}

// dialBeat is the rhythm of fresh dials while others still hang: a SYN to a booting
// machine is lost, and its retransmissions come ever later (RFC 6298 section 5).
const dialBeat = 250 * time.Millisecond

// dialPace is for plain connects, which cost the target nothing.
var dialPace = pace{
	beat:    func(time.Duration) time.Duration { return dialBeat },
	failed:  dialBeat,
	refused: promptly,
	limit:   func(time.Duration) time.Duration { return 3 * time.Second },
	most:    Descriptors,
}

// askPace is for attempts that ask the application. A port forwarder may keep each one and
// throw them all at a target that has just booted, so they grow rarer with time.
var askPace = pace{
	beat:    func(elapsed time.Duration) time.Duration { return min(max(elapsed/10, dialBeat), 2*time.Second) },
	failed:  100 * time.Millisecond,
	refused: promptly,
	limit:   func(elapsed time.Duration) time.Duration { return max(3*time.Second, elapsed/2) },
	most:    8,
}

// commandPace is for the user's own command: one at a time.
var commandPace = pace{
	beat:   func(time.Duration) time.Duration { return time.Hour },
	failed: 250 * time.Millisecond,
	limit:  func(elapsed time.Duration) time.Duration { return max(10*time.Second, elapsed/2) },
	most:   1,
}

func promptly(time.Duration) time.Duration { return promptPause }

// after is how soon err, met after elapsed, lets the next attempt come.
func (p pace) after(elapsed time.Duration, err error) time.Duration {
	if p.refused != nil && errors.Is(err, syscall.ECONNREFUSED) {
		return p.refused(elapsed)
	}
	return p.failed
}

// outcome is how one attempt ended.
type outcome struct {
	conn net.Conn
	err  error
}

// race starts attempts at their pace until one succeeds or ctx ends. Connections
// of the losers are closed, and no attempt is left behind when it returns.
func race(ctx context.Context, p pace, try func(context.Context) (net.Conn, error)) (net.Conn, error) {
	var attempts sync.WaitGroup
	defer attempts.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	began, flying := time.Now().Add(-p.waited), 0
	outcomes := make(chan outcome)
	next := newBeat()
	defer next.Stop()
	var last error
	for {
		select {
		case <-next.C:
			elapsed := time.Since(began)
			if flying < p.most {
				flying++
				attempts.Go(func() { attempt(ctx, p.limit(elapsed), try, outcomes) })
			}
			next.set(p.beat(elapsed))
		case o := <-outcomes:
			flying--
			if o.err == nil {
				return o.conn, nil
			}
			if last == nil || !cutOff(ctx) {
				last = o.err
			}
			if p.final != nil && p.final(o.err) {
				return nil, o.err
			}
			next.sooner(p.after(time.Since(began), o.err))
		case <-ctx.Done():
			if last != nil {
				return nil, last
			}
			return nil, context.Cause(ctx)
		}
	}
}

// cutOff says whether ctx has ended or is about to: what an attempt says then is
// about its own end, and the answer before it tells more.
func cutOff(ctx context.Context) bool {
	deadline, limited := ctx.Deadline()
	return ctx.Err() != nil || limited && time.Until(deadline) < promptPause
}

// beat is the timer of the next attempt.
type beat struct {
	*time.Timer
	due time.Time
}

func newBeat() *beat { return &beat{time.NewTimer(0), time.Now()} }

func (b *beat) set(d time.Duration) {
	b.due = time.Now().Add(d)
	b.Reset(d)
}

// sooner sets the timer unless it fires earlier anyway: a failure never puts the
// next attempt off.
func (b *beat) sooner(d time.Duration) {
	if time.Now().Add(d).Before(b.due) {
		b.set(d)
	}
}

// attempt runs one try and delivers its outcome, or cleans up when nobody wants it.
func attempt(ctx context.Context, limit time.Duration, try func(context.Context) (net.Conn, error), outcomes chan<- outcome) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := try(limited)
	select {
	case outcomes <- outcome{conn, err}:
	case <-ctx.Done():
		if conn != nil {
			_ = conn.Close()
		}
	}
}
