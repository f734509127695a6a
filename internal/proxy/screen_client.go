package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/gate"
	"github.com/rouse-proxy/rouse/internal/peek"
	"github.com/rouse-proxy/rouse/internal/proxyproto"
	"github.com/rouse-proxy/rouse/internal/shape"
	"github.com/rouse-proxy/rouse/internal/target"
)

// admission is how a screening has ended.
type admission struct {
	hold    *target.Hold  // that it has found free
	count   time.Duration // if that is a visit: after this it may become a hold; 0: it never may
	wish    target.Wish   // else what is to be asked for
	checker *gate.Verdict
	said    string // the protocol of what it has said, if somebody has looked
}

// admit looks at the client before it counts.
func (c *client) admit(ctx context.Context) (admission, error) {
	s := c.plan.screen(c.from)
	if s == nil {
		return admission{}, nil
	}
	hold, buffer := &target.Hold{}, make([]byte, shape.Most)
	for {
		b, err := c.said(ctx, s, buffer)
		if err != nil {
			return admission{}, err
		}
		st := s.next(b, false, time.Since(c.arrived), func(lane *Lane, visits bool) bool {
			if visits {
				return lane.Target.TryVisit(hold, c.evict)
			}
			return lane.Target.TryHold(hold)
		})
		c.is(s.from)
		c.to = s.to
		if s.lane != nil {
			c.lane = s.lane
		}
		if st.observed != nil {
			c.emit(event.Event{Kind: event.GateObserved, Err: st.observed})
		}
		switch {
		case st.take > 0:
			if _, err := io.ReadFull(c.conn, make([]byte, st.take)); err != nil {
				return admission{}, fmt.Errorf("taking the PROXY header: %w", err)
			}
		case st.wait > 0:
			select {
			case <-time.After(min(st.wait, lookBeat)):
			case <-ctx.Done():
				return admission{}, context.Cause(ctx)
			}
		case st.err != nil:
			return admission{}, st.err
		case st.held:
			return admission{hold: hold, count: st.count}, nil
		case st.ask != nil:
			return admission{wish: *st.ask, said: st.said}, nil
		default:
			return admission{checker: st.checker}, nil
		}
	}
}

// said returns what the client has said so far. One that has gone is told of, though nobody wants to know what it says.
func (c *client) said(ctx context.Context, s *screening, b []byte) ([]byte, error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(time.Millisecond)) // of a connection that is closed the next call tells
	n, err := peek.First(c.conn, b)
	_ = c.conn.SetReadDeadline(time.Time{})
	switch {
	case err == nil || errors.Is(err, os.ErrDeadlineExceeded):
		return b[:n], nil
	case errors.Is(err, io.EOF):
		return nil, peek.ErrLeft
	case errors.Is(err, errors.ErrUnsupported) && !s.looks():
		return nil, ctx.Err()
	case errors.Is(err, errors.ErrUnsupported):
		return nil, fmt.Errorf("this system cannot look at what clients say before they are served: %w", err)
	}
	return nil, peek.ErrReset
}

// acquire holds the target, as the screening allows.
func (c *client) acquire(ctx context.Context, a admission) (*target.Hold, error) {
	if a.hold != nil {
		return a.hold, nil
	}
	if st := c.lane.Target.Status(); st.State != target.Ready && a.wish.Rank != target.Meek { // for the log only: nothing is decided by it
		c.emit(event.Event{Kind: event.ClientWaits, Said: a.said, Cause: "target is " + st.State.String()})
	}
	a.wish.Cause = c.cause
	hold, err := c.lane.Target.AcquireFor(ctx, a.wish)
	if err == nil && a.wish.Rank == target.Meek {
		hold.Visit(c.evict)
	}
	return hold, err
}

// sit waits for a seat, where they are few, and returns what gives it back.
func (c *client) sit(ctx context.Context) (leave func(), err error) {
	seats := c.lane.Seats
	if seats == nil {
		return func() {}, nil
	}
	seat, given := &gate.Seat{}, make(chan struct{})
	leave = func() { seats.Leave(seat) }
	if seats.Take(seat, func() { close(given) }) {
		return leave, nil
	}
	c.emit(event.Event{Kind: event.ClientWaits, Cause: "as many clients as may be are served"})
	select {
	case <-given:
		return leave, nil
	case <-ctx.Done():
		leave()
		return nil, context.Cause(ctx)
	}
}

// introduce says to the backend whose connection this is, where it wants to know.
func (c *client) introduce() error {
	if c.lane.SendProxy == 0 {
		return nil
	}
	to := c.to
	if !to.IsValid() {
		to = addressOf(c.conn.LocalAddr())
	}
	_ = c.backend.SetWriteDeadline(time.Now().Add(dialTimeout)) // the relay clears it
	if _, err := c.backend.Write(proxyproto.Header(c.lane.SendProxy, c.from, to)); err != nil {
		return fmt.Errorf("sending the PROXY header: %w", err)
	}
	return nil
}

// dismiss ends a client that is not served: one that the gate has refused or that has gone, or a health checker.
func (c *client) dismiss(a admission, err error) {
	if err != nil {
		c.refuse(err)
		return
	}
	c.over = true
	c.emit(event.Event{Kind: event.CheckerAnswered, Cause: "target is " + c.lane.Target.Status().State.String()})
	if a.checker.Answer == gate.AnswerClosed {
		reset(c.conn)
		return
	}
	defer c.conn.Close()
	_ = c.conn.SetDeadline(time.Now().Add(checkTime))
	if a.checker.Answer == gate.AnswerHTTP {
		if _, err := peek.First(c.conn, make([]byte, 1)); err != nil {
			return
		}
		_, _ = c.conn.Read(make([]byte, shape.Most))
		_, _ = c.conn.Write(response(c.lane.Target.Status()))
	}
	if half, ok := c.conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_, _ = io.Copy(io.Discard, c.conn)
}
