package relay

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/rouse-proxy/rouse/internal/loop"
	"github.com/rouse-proxy/rouse/internal/peek"
)

const (
	round        = 5 * time.Second // between two looks at the same link
	patrolMost   = 128             // links at once
	placesAtOnce = 256             // growing by copies would leave five times as much behind
)

// A Patrol finds peers that have vanished from the links of one loop while something was under way to them: the system
// notices by itself those that vanish when nothing is (see [KeepAlive]).
//
// A link is followed from when it sends something until a round finds that all of it was acknowledged. So links that are
// idle cost nothing, not even a timer, and a short one ends before anybody has looked at it.
type Patrol struct {
	loop   *loop.Loop
	opts   Options
	timer  loop.Timer
	places []*[placesAtOnce]*Link
	count  int // of links, at the first places
	left   int // of them, those that this round still has to look at: the first ones

	vanished func(peek.FD) (bool, error) // a test may say so earlier than the kernel
}

// NewPatrol returns one for the links of a loop, which have these options: Stall alone counts.
func NewPatrol(l *loop.Loop, opts Options) *Patrol {
	p := &Patrol{loop: l, opts: opts, vanished: peek.FD.Vanished}
	p.timer = loop.NewTimer(p)
	return p
}

// follow begins to look after a link.
func (p *Patrol) follow(k *Link) {
	if k.place > 0 {
		return
	}
	if p.count == len(p.places)*placesAtOnce {
		p.places = append(p.places, new([placesAtOnce]*Link))
	}
	p.count++
	k.place = int32(p.count)
	*p.at(k.place) = k
	if p.left == 0 && !p.timer.Armed() {
		p.loop.Arm(&p.timer, round)
	}
}

// at is a place, counted from 1.
func (p *Patrol) at(place int32) **Link {
	return &p.places[(place-1)/placesAtOnce][(place-1)%placesAtOnce]
}

// forget ends that. The last one gets the place, which this round may have been at already.
func (p *Patrol) forget(k *Link) {
	if k.place == 0 {
		return
	}
	last := p.at(int32(p.count))
	*p.at(k.place), (*last).place = *last, k.place
	*last, k.place = nil, 0
	p.count--
}

// Do is for the loop: it is time for a round, or for its next part.
func (p *Patrol) Do() {
	if p.left == 0 {
		p.left = p.count
	}
	for range patrolMost {
		if p.left = min(p.left, p.count); p.left == 0 {
			break
		}
		k := *p.at(int32(p.left))
		p.left--
		p.guarded(k)
	}
	switch {
	case p.left > 0:
		p.loop.Again(p)
	case p.count > 0:
		p.loop.Arm(&p.timer, round)
	default:
		p.places = nil
	}
}

// guarded lets a fault be that of one link.
func (p *Patrol) guarded(k *Link) {
	defer func() {
		if fault := recover(); fault != nil {
			k.Contain(fault)
		}
	}()
	p.look(k)
}

// look leaves a link alone to which nothing is under way, and fails one whose peer has gone.
func (p *Patrol) look(k *Link) {
	quiet := true
	for _, s := range []side{theClient, theBackend} {
		g := k.at(s).gauge()
		if n, err := g.Unsent(); n == 0 || err != nil {
			continue
		}
		quiet = false
		if gone, err := p.vanished(g); gone && err == nil {
			k.vanish(s)
			return
		}
	}
	if quiet {
		p.forget(k)
	}
}

// vanish fails a side that does not know it. What it had sent before is read to an end that is not its own.
func (k *Link) vanish(s side) {
	_ = unix.Shutdown(int(k.at(s).fd), unix.SHUT_RD) // whatever is wrong with the socket, reading tells it
	k.fail(s, peek.ErrVanished)
	k.work()
}
