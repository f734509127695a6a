package proxy

import (
	"time"

	"github.com/rouse-proxy/rouse/internal/loop"
)

// How a crowd is released on a target that has just become ready.
const (
	dialBeat  = 250 * time.Millisecond // a fresh attempt this long after one that nobody answers
	quickBeat = 40 * time.Millisecond  // the same in a release whose connects take a fraction of it
	nearTurns = 64                     // turns out at once; a backlog of 128, the usual one, must never overflow
	farTurns  = 512                    // the same where a connect takes so long that fewer would leave the line idle
	farAway   = 2 * time.Millisecond
	hearing   = 10 * time.Millisecond // a backend that says nothing for so long has accepted all the same, we suppose
	hearLong  = 10 * hearing          // the same once it has answered others: then it is only slow
)

// A release lets those who waited dial: in order of arrival, and not all at once. The kernel completes connections that
// nobody has accepted yet, until the backlog of the listener is full; then it drops what asks, and whoever was dropped
// asks again only a second later. So a turn lasts until the backend has said something, or for a moment. The number of
// turns out at once starts at 1, grows with each connection that is quick, is halved when one is lost, and grows more slowly
// from there (RFC 5681 has the idea). Each loop releases those who wait on it, and has its share of the turns.
type release struct {
	at      *doorman
	lane    *Lane
	line    []*guest // in order; those whose state is not queued have gone
	out     int      // turns taken and not yet over
	window  int      // turns that may be out at once
	calm    int      // up to which the window grows with each quick connection; beyond, with each window of them
	steps   int      // quick connections since it grew, beyond calm
	usual   time.Duration
	talks   bool          // the backend has answered somebody
	shrunk  time.Duration // when, on the loop's clock
	listen  []heard       // who has connected and heard nothing yet, in order
	timer   loop.Timer
	pending bool
}

type heard struct {
	guest *guest
	since time.Duration
}

func newRelease(m *doorman, lane *Lane) *release {
	r := &release{at: m, lane: lane, window: 1, calm: farTurns}
	r.timer = loop.NewTimer(r)
	return r
}

// add puts a guest at the end of the line.
func (r *release) add(g *guest) {
	if len(r.line) == 0 && r.out == 0 {
		r.window, r.calm, r.talks = 1, farTurns, false // each release finds out anew
	}
	r.line = append(r.line, g)
	r.soon()
}

// idle says that nobody waits or dials here.
func (r *release) idle() bool { return len(r.line) == 0 && r.out == 0 && len(r.listen) == 0 }

// busy says whether some wait for their turn: newcomers stand behind them.
func (r *release) busy() bool { return len(r.line) > 0 }

// soon lets the next ones dial in the next turn of the loop, so that those before are served in between.
func (r *release) soon() {
	if !r.pending {
		r.pending = true
		r.at.loop.Again(r)
	}
}

// Do is for the loop.
func (r *release) Do() {
	r.pending = false
	now := r.at.loop.Clock()
	r.suppose(now)
	pause := time.Duration(0)
	for len(r.line) > 0 && r.out < r.window && pause == 0 {
		g := r.line[0]
		if g.state == queued {
			if pause = r.lane.pace.take(now); pause > 0 {
				break
			}
			r.out++
			g.wait.turn = true
			g.guarded(g.dial)
		}
		r.line[0] = nil
		r.line = r.line[1:]
	}
	if len(r.line) == 0 {
		r.line = nil
	}
	r.wake(now, pause)
}

// suppose ends the turns of backends that say nothing.
func (r *release) suppose(now time.Duration) {
	for len(r.listen) > 0 && (!r.listen[0].guest.unheard || now-r.listen[0].since >= r.patience()) {
		if g := r.listen[0].guest; g.unheard {
			g.unheard = false
			r.out--
		}
		r.listen = r.listen[1:]
	}
	if len(r.listen) == 0 {
		r.listen = nil
	}
}

// wake arms the timer for what no event will tell.
func (r *release) wake(now, pause time.Duration) {
	switch {
	case pause > 0:
		r.at.loop.Arm(&r.timer, pause)
	case len(r.listen) > 0:
		r.at.loop.Arm(&r.timer, max(r.listen[0].since+r.patience()-now, time.Millisecond))
	}
}

// connected notes that a guest's dial was answered.
func (r *release) connected(g *guest) {
	if !g.wait.turn {
		return
	}
	g.wait.turn = false
	now := r.at.loop.Clock()
	took := now - g.wait.dialed
	if r.usual == 0 {
		r.usual = took
	}
	r.usual += (took - r.usual) / 8
	r.grow()
	g.unheard = true
	r.listen = append(r.listen, heard{g, now})
	r.soon()
}

func (r *release) grow() {
	most := nearTurns
	if r.usual > farAway {
		most = farTurns
	}
	if r.window >= max(most/len(r.at.door.doormen), 1) {
		return
	}
	if r.steps++; r.window < r.calm || r.steps >= r.window {
		r.window++
		r.steps = 0
	}
}

// hear notes that a guest's backend has said something, or that the guest has gone.
func (r *release) hear(g *guest) {
	if _, received := g.link.Bytes(); received > 0 || g.state == over {
		g.unheard = false
		r.talks = r.talks || received > 0
		r.out--
		r.soon()
	}
}

// patience is how long a turn lasts at most after its connection.
func (r *release) patience() time.Duration {
	if r.talks {
		return hearLong
	}
	return hearing
}

// lost notes that nobody answers an attempt: at most once a beat, since those that were lost together are one loss.
func (r *release) lost(g *guest) {
	if !g.wait.turn {
		return // and it may be on another loop
	}
	if now := r.at.loop.Clock(); now-r.shrunk >= quickBeat {
		r.shrunk, r.steps = now, 0
		r.calm = max(r.window/2, 1)
		r.window = r.calm
	}
}

// passed ends the turn of a guest that did not connect.
func (r *release) passed(g *guest) {
	if !g.wait.turn {
		return
	}
	g.wait.turn = false
	r.out--
	r.soon()
}

// beat is how long to wait for an answer before a fresh attempt.
func (r *release) beat(g *guest) time.Duration {
	if !g.wait.turn || r.usual == 0 {
		return dialBeat
	}
	return min(max(8*r.usual, quickBeat), dialBeat)
}
