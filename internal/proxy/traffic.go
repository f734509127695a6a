package proxy

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/relay"
	"github.com/rouse-proxy/rouse/internal/target"
)

// errQuiet is why connections are closed that keep a target awake and carry nothing.
var errQuiet = errors.New("no connection to the target has carried a byte for as long as no-traffic says")

// A Traffic knows when a connection to a target has last carried a byte. It is shared by the lanes to the target. Once none has for
// its limit, and nothing but these connections holds the target, each of them is closed at its next look.
type Traffic struct {
	began time.Time
	limit atomic.Int64 // a time.Duration; 0: none
	last  atomic.Int64 // since began
	links atomic.Int64 // that are looked at
}

// NewTraffic returns one that closes nothing before a limit is set.
func NewTraffic() *Traffic { return &Traffic{began: time.Now()} }

// Limit sets for how long no connection may carry anything. 0 is for ever.
func (t *Traffic) Limit(d time.Duration) { t.limit.Store(int64(d)) }

func (t *Traffic) note() { t.last.Store(int64(time.Since(t.began))) }

// beat is how often a connection is looked at.
func (t *Traffic) beat() time.Duration {
	const longest = 15 * time.Second
	if limit := time.Duration(t.limit.Load()); limit > 0 {
		return min(max(limit/8, 10*time.Millisecond), longest)
	}
	return longest
}

// join counts a connection, which is a sign of life itself.
func (t *Traffic) join() {
	t.links.Add(1)
	t.note()
}

// leave counts it out. Its hold is given back before: else it would seem to be one of somebody else.
func (t *Traffic) leave() { t.links.Add(-1) }

// quiet looks at a connection that has carried so many bytes, and so many at the last look, and says whether to close it.
func (t *Traffic) quiet(bytes, before int64, of Waker) bool {
	limit := t.limit.Load()
	switch {
	case bytes != before:
		t.note()
		return false
	case limit == 0 || int64(time.Since(t.began))-t.last.Load() < limit:
		return false
	}
	st := of.Status()
	return st.State == target.Ready && int64(st.Held) <= t.links.Load()
}

// A stay is a client's on a goroutine of its own, from when it is connected.
type stay struct {
	client *client
	mu     sync.Mutex // guards the fields below, and the hold
	hold   *target.Hold
	over   bool
	joined bool // its traffic is looked at
	timer  *time.Timer
}

// after lets a visitor hold the target after so long.
func (s *stay) after(d time.Duration) {
	if d > 0 && s.hold.Visits() {
		s.timer = time.AfterFunc(d, s.count)
	}
}

func (s *stay) count() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over && s.hold.Count() {
		s.client.emit(event.Event{Kind: event.ClientCounted})
	}
}

// end makes the hold its owner's alone.
func (s *stay) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if s.timer != nil {
		s.timer.Stop()
	}
}

// counts says whether the client keeps the target awake. The first time it does, its traffic is looked at from then on.
func (s *stay) counts(t *Traffic) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.joined && !s.over && !s.hold.Visits() {
		s.joined = true
		t.join()
	}
	return s.joined
}

// forget ends the looking, once the hold is given back.
func (s *stay) forget() {
	if s.joined {
		s.client.lane.Traffic.leave()
	}
}

// relay carries the bytes.
func (s *stay) relay(ctx context.Context) (relay.Result, error) {
	c := s.client
	t := c.lane.Traffic
	if t == nil {
		return relay.Run(ctx, relayed(c.conn), relayed(c.backend), relay.Options{})
	}
	watched, cut := context.WithCancelCause(ctx)
	defer cut(nil)
	var moved atomic.Int64
	s.counts(t)
	go func() {
		for before := int64(0); ; {
			select {
			case <-time.After(t.beat()):
			case <-watched.Done():
				return
			}
			bytes := moved.Load()
			if s.counts(t) && t.quiet(bytes, before, c.lane.Target) {
				cut(errQuiet)
			}
			before = bytes
		}
	}()
	return relay.Run(watched, relayed(c.conn), relayed(c.backend), relay.Options{Moved: &moved})
}
