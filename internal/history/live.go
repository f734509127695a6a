package history

import (
	"cmp"
	"slices"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
)

// A Now is what events have told of a target so far, in this run of rouse.
type Now struct {
	Clients     int    // that are served now, visitors too
	Connections int    // that were served
	Starts      int    // that were begun
	Wake        Fact   // the newest start; zero: there was none
	Waiters     []Fact // the newest clients that had to wait for the target, and what they said
	Stop        Fact   // why it was stopped the last time
	Idle        Fact   // why its stop was put off, or when the cooldown began, the newest
	Refused     []Fact
	Operation   string    // that runs; empty: none
	Since       time.Time // when it began
	Took        []time.Duration
}

const mostWaiters = 32 // that are remembered for each target

const mostTook = 20 // starts that say how long the next one may take

func (s *Store) now(target string) *Now {
	n := s.targets[target]
	if n == nil {
		n = &Now{}
		s.targets[target] = n
	}
	return n
}

// follow keeps what is so now. The lock is held.
func (s *Store) follow(e event.Event) {
	switch e.Kind {
	case event.ClientServed:
		s.served(e)
	case event.ClientCounted:
		for _, c := range s.live[keyOf(e)] {
			c.Visited = false
		}
	case event.ClientEnded:
		s.ended(e)
	case event.ClientWaits:
		n := s.now(e.Target)
		n.Waiters = append(n.Waiters, factOf(e))
		if len(n.Waiters) > 2*mostWaiters {
			n.Waiters = slices.Clone(n.Waiters[mostWaiters:])
		}
	case event.ClientRefused:
		n := s.now(e.Target)
		n.Refused = append(n.Refused, factOf(e))
		if len(n.Refused) > 2*mostRefused {
			n.Refused = slices.Clone(n.Refused[mostRefused:])
		}
	case event.IdleArmed:
		s.now(e.Target).Idle = factOf(e)
	case event.OperationBegun:
		n := s.now(e.Target)
		n.Operation, n.Since = e.Operation, e.Time
		switch e.Operation {
		case "start":
			n.Wake, n.Starts = factOf(e), n.Starts+1
		case "stop":
			n.Stop = factOf(e)
		}
	case event.OperationEnded:
		n := s.now(e.Target)
		n.Operation, n.Since = "", time.Time{}
		if e.Operation == "start" && e.Err == nil {
			n.took(e.Elapsed)
		}
	}
}

func (n *Now) took(d time.Duration) {
	n.Took = append(n.Took, d)
	if len(n.Took) > mostTook {
		n.Took = slices.Delete(n.Took, 0, len(n.Took)-mostTook)
	}
}

// Expected is how long a start may take, by the median of the last ones; 0: nobody knows.
func (n Now) Expected() time.Duration {
	if len(n.Took) == 0 {
		return 0
	}
	took := slices.Sorted(slices.Values(n.Took))
	return took[len(took)/2]
}

func keyOf(e event.Event) liveKey { return liveKey{e.Target, e.Client, e.Route} }

func (s *Store) served(e event.Event) {
	n := s.now(e.Target)
	n.Clients++
	n.Connections++
	if s.lives >= mostLive {
		return
	}
	s.lives++
	s.unwritten++
	s.nudge()
	k := keyOf(e)
	s.live[k] = append(s.live[k], &Connection{
		At: e.Time.Add(-e.Elapsed), Target: e.Target, Route: e.Route, Client: e.Client, Epoch: e.Epoch, Waited: Seconds(e.Elapsed), Visited: e.Visits,
	})
}

func (s *Store) ended(e event.Event) {
	n := s.now(e.Target)
	n.Clients = max(n.Clients-1, 0)
	k := keyOf(e)
	c := &Connection{
		At: e.Time.Add(-e.Elapsed - e.Waited), Target: e.Target, Route: e.Route, Client: e.Client, Epoch: e.Epoch, Waited: Seconds(e.Waited), Visited: e.Visits,
	}
	if all := s.live[k]; len(all) > 0 {
		c = all[0]
		s.lives--
		if !c.written {
			s.unwritten--
		}
		if s.live[k] = all[1:]; len(all) == 1 {
			delete(s.live, k)
		}
	}
	done := *c // whoever writes it may look at the other one
	done.Lasted, done.Sent, done.Received, done.Ended, done.Visited = Seconds(e.Elapsed), e.Sent, e.Received, cmp.Or(e.Cause, "ended"), e.Visits
	if e.Err != nil {
		done.Error = clip(e.Err.Error())
	}
	if done.ID == 0 {
		done.ID = s.nextID(done.At)
	}
	s.put(entry{ended: &done})
}

// Target returns what is so now of a target.
func (s *Store) Target(name string) Now {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := *s.now(name)
	n.Refused = slices.Clone(n.Refused[max(0, len(n.Refused)-mostRefused):])
	n.Took, n.Waiters = slices.Clone(n.Took), slices.Clone(n.Waiters)
	return n
}

// Clients returns who is connected to a target now, the oldest first, and at most so many.
func (s *Store) Clients(target string, most int) []Connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Connection
	for k, list := range s.live {
		if k.target == target {
			for _, c := range list {
				all = append(all, *c)
			}
		}
	}
	slices.SortFunc(all, func(x, y Connection) int { return x.At.Compare(y.At) })
	return all[:min(most, len(all))]
}

// staying returns those who are connected for long enough and not written yet, and marks them.
func (s *Store) staying(now time.Time) []Connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Connection
	for _, list := range s.live {
		for _, c := range list {
			if !c.written && now.Sub(c.At) >= longStay {
				c.written = true
				s.unwritten--
				if c.ID == 0 {
					c.ID = s.nextID(c.At)
				}
				all = append(all, *c)
			}
		}
	}
	return all
}
