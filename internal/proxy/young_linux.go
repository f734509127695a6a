package proxy

import (
	"time"

	"github.com/rouse-proxy/rouse/internal/loop"
	"github.com/rouse-proxy/rouse/internal/relay"
)

const (
	visits    = 50 * time.Millisecond // keeps the visits of very many from being as many
	visitMost = 128                   // at once; the others come a moment later
)

// young are the fresh guests of one loop, in order. Once they are a beat old they are visited: most have ended by then,
// some still dial, the others will stay and get what costs a few system calls.
type young struct {
	first, last *youth
	loop        *loop.Loop
	timer       loop.Timer
}

// A youth is one guest's place in the list. It belongs to the loop also when the guest has gone to another.
type youth struct {
	guest *guest // nil: it has gone
	due   time.Duration
	next  *youth
}

func (y *young) add(g *guest) {
	g.age()
	g.youth = &youth{guest: g, due: g.at.loop.Clock() + dialBeat}
	if y.first == nil {
		y.first = g.youth
		y.loop.Arm(&y.timer, dialBeat)
	} else {
		y.last.next = g.youth
	}
	y.last = g.youth
}

// age takes the guest off the list that it is in.
func (g *guest) age() {
	if g.youth != nil {
		g.youth.guest, g.youth = nil, nil
	}
}

// Do is for the loop.
func (y *young) Do() {
	now := y.loop.Clock()
	for range visitMost {
		first := y.first
		if first == nil {
			return
		}
		if first.due > now {
			y.loop.Arm(&y.timer, max(first.due-now, visits))
			return
		}
		y.first = first.next
		if g := first.guest; g != nil {
			g.age()
			g.guarded(g.grownUp)
		}
	}
	y.loop.Arm(&y.timer, time.Millisecond)
}

// grownUp comes a beat after the guest has begun to dial, or to be served if it had to wait: then it may move to a quieter
// loop.
func (g *guest) grownUp() {
	switch {
	case g.state == linked:
		loop.KeepAlive(int(g.back), relay.KeepAlive())
		if to := g.at.loop.Quietest(); g.waited && to != g.at.loop && !g.unheard && !g.hold.Visits() && g.link.Movable() {
			g.link.Leave()
			g.move(to, (*moved)(g))
		}
	case g.state == dialing && g.wait == nil:
		g.again()
	}
}
