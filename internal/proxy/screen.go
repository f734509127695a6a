package proxy

import (
	"errors"
	"net/netip"
	"time"

	"github.com/rouse-proxy/rouse/internal/gate"
	"github.com/rouse-proxy/rouse/internal/proxyproto"
	"github.com/rouse-proxy/rouse/internal/shape"
	"github.com/rouse-proxy/rouse/internal/target"
)

// A screening is what comes before a client counts: its PROXY header, the gate, the choice of its lane, and what it takes to wake
// the target. It holds nothing and has asked for nothing until then. It is the same for both engines: they bring the bytes
// that the client has said so far, and are told what to do next.
type screening struct {
	plan    *Plan
	from    netip.AddrPort
	to      netip.AddrPort // where the client has connected to, if a header says it
	header  bool           // one must come first
	arrived bool           // the gate has let it in
	lane    *Lane          // chosen
	since   time.Duration  // when the header had come, after the client
}

// A step is what to do next with a client in a screening. All but one of its fields are zero, but observed.
type step struct {
	take     int           // take so many bytes, a header, and ask again
	wait     time.Duration // ask again after this at the latest, and when the client has said more
	err      error         // refuse it
	checker  *gate.Verdict // answer a health checker
	held     bool          // it holds the target, or visits it: connect it
	count    time.Duration // if it visits: after this it may hold it; 0: it never may
	ask      *target.Wish  // ask the target for it; the cause is the caller's
	observed error         // it would have been refused
	said     string        // the protocol of what it has said, if it is asked for
}

// screen returns the screening of a client; nil if the plan needs none.
func (p *Plan) screen(from netip.AddrPort) *screening {
	if p.Gate == nil && len(p.Lanes) == 0 && p.ProxyFrom == nil && p.Default.Exempt == nil && !p.paused {
		return nil
	}
	return &screening{plan: p, from: from, header: p.ProxyFrom != nil && from.IsValid() && p.ProxyFrom.Contains(from.Addr())}
}

// looks says whether what the client has said matters for the next step.
func (s *screening) looks() bool {
	return s.header || s.lane == nil && len(s.plan.Lanes) > 0 || s.arrived && s.plan.Gate.Asks()
}

// An entry tries to let a client in at the target of a lane, without waiting: as one who holds it, or who visits it.
type entry func(lane *Lane, visits bool) bool

// next takes what the client has said so far, whether that is all, and how long it has been here.
func (s *screening) next(b []byte, all bool, waited time.Duration, enter entry) step {
	if s.header {
		return s.readHeader(b, all, waited)
	}
	var st step
	if !s.arrived {
		s.arrived = true
		v := s.plan.Gate.Arrive(s.from.Addr())
		st.observed = v.Observed
		switch v.Action {
		case gate.Refuse:
			return step{err: v.Why}
		case gate.Checked:
			return step{checker: &v}
		}
	}
	waited -= s.since
	if s.lane == nil {
		lane, more := s.plan.choose(b, all || waited >= contentTime || len(b) >= shape.Most)
		switch {
		case more:
			st.wait = contentTime - waited
			return st
		case lane == nil:
			st.err = errNoLane
			return st
		}
		s.lane = lane
	}
	if kept, st := s.paused(waited); kept {
		return st
	}
	return s.enter(st, b, all, waited, enter)
}

// pauseBeat is how often a client looks that is held while a person works on its target.
const pauseBeat = 250 * time.Millisecond

// paused keeps a client away while a person works on its target.
func (s *screening) paused(waited time.Duration) (bool, step) {
	switch s.lane.Pause.Mode() {
	case gate.PauseRefuse:
		return true, step{err: &gate.Refusal{Gate: gate.Maintenance, Text: "new clients are refused for now"}}
	case gate.PauseHold:
		if waited >= s.lane.Patience {
			return true, step{err: errPatience}
		}
		return true, step{wait: pauseBeat}
	}
	return false, step{}
}

// readHeader reads the PROXY header.
func (s *screening) readHeader(b []byte, all bool, waited time.Duration) step {
	src, size, err := proxyproto.Read(b)
	switch {
	case errors.Is(err, proxyproto.ErrMore) && !all && waited < headerTime:
		return step{wait: headerTime - waited}
	case errors.Is(err, proxyproto.ErrMore):
		return step{err: errHeader}
	case err != nil:
		return step{err: &gate.Refusal{Gate: gate.ProxyHeader, Text: err.Error()}}
	}
	s.header, s.since = false, waited
	if !src.Local {
		s.from, s.to = src.From, src.To
	}
	return step{take: size}
}

// enter has the gate say what the client may cause. Whoever may not wake the target does not keep it awake either; and whoever has only
// to stay for that is served at once.
func (s *screening) enter(st step, b []byte, all bool, waited time.Duration, enter entry) step {
	j := s.plan.Gate.Wake(s.from.Addr(), b, all, waited)
	if j.Wait > 0 && !j.Stay {
		st.wait = j.Wait
		return st
	}
	if st.held = enter(s.lane, j.Why != nil || j.Stay); st.held {
		st.count = j.Wait
		return st
	}
	if j.Wait > 0 {
		st.wait = j.Wait
		return st
	}
	if j.Observed != nil {
		st.observed = j.Observed
	}
	st.ask = &target.Wish{Why: j.Why}
	if hello, err := shape.Guess(b); err == nil {
		st.said = string(hello.Kind)
	}
	switch {
	case j.Why != nil:
		st.ask.Rank = target.Meek
	case s.lane.Exempt != nil && s.lane.Exempt.Contains(s.from.Addr()):
		st.ask.Rank = target.Exempt
	}
	return st
}
