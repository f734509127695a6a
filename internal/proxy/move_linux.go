package proxy

import (
	"context"
	"fmt"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/loop"
	"github.com/rouse-proxy/rouse/internal/proxyproto"
	"github.com/rouse-proxy/rouse/internal/relay"
)

// connected hands the two connections to the relay. Of those who waited some move to quieter loops later.
func (g *guest) connected(events loop.Events) {
	if g.wait != nil {
		g.at.loop.Disarm(&g.wait.timer)
		g.release().connected(g)
	}
	if err := g.introduce(); err != nil {
		g.refuse(err)
		return
	}
	g.join(events)
}

// introduce says to the backend whose connection this is, where it wants to know. A fresh socket has room for that.
func (g *guest) introduce() error {
	if g.lane.SendProxy == 0 {
		return nil
	}
	to := g.to
	if !to.IsValid() {
		to = loop.LocalAddr(int(g.fd))
	}
	header := proxyproto.Header(g.lane.SendProxy, g.from, to)
	if n, err := loop.Send(int(g.back), header); err != nil || n < len(header) {
		return fmt.Errorf("sending the PROXY header to %s: %d of %d bytes: %w", g.address(), n, len(header), orReset(err))
	}
	return nil
}

// move lets a guest that has left its loop go to another, which does arrival there. Nothing here may touch it afterwards.
func (g *guest) move(to *loop.Loop, arrival loop.Task) {
	if g.youth != nil && g.state == linked { // nobody will visit it
		loop.KeepAlive(int(g.back), relay.KeepAlive())
	}
	g.age()
	g.dropPulse()
	g.at.loop.Yield(g.weight())
	g.at, g.token = g.at.door.on(to), loop.Token{}
	to.Claim(g.weight())
	to.Post(arrival)
}

// heavyWeight is how many others a bulk transfer counts for in its loop's load.
const heavyWeight = 16

func (g *guest) weight() int {
	if g.heavy {
		return heavyWeight
	}
	return 1
}

// RelayHeavy moves the guest to a loop for bulk.
func (g *guest) RelayHeavy() bool {
	if g.unheard || g.hold.Visits() { // the release here still looks after it; who evicts it looks for it here
		return false
	}
	g.at.loop.Claim(heavyWeight - g.weight())
	g.heavy = true
	to := g.at.door.opts.Loops.Heavy()
	if to == g.at.loop {
		return false
	}
	g.link.Leave()
	g.move(to, (*moved)(g))
	return true
}

// moved is a guest on its way to another loop.
type moved guest

// Do is for the loop. The link enters it before anything can fail: it is ended here then, not where it was.
func (m *moved) Do() {
	g := (*guest)(m)
	g.token, g.tag = g.at.loop.Join(g), 1
	g.link.Enter(g.at.patrol, g.token)
	g.armPulse()
	if cause := context.Cause(g.at.door.serving); cause != nil {
		g.cut(cause) // it was on its way while all others were
		return
	}
	for tag, fd := range []int32{relay.ClientTag: g.fd, 1: g.back} {
		if err := g.at.loop.Watch(int(fd), g.token, tag, relay.LinkEvents); err != nil {
			g.cut(fmt.Errorf("watching a connection: %w", err))
			return
		}
	}
}

// Contain is for the loop.
func (m *moved) Contain(panicked any) { (*guest)(m).Contain(panicked) }

// join begins to relay.
func (g *guest) join(events loop.Events) {
	g.emit(event.Event{Kind: event.ClientServed, Epoch: g.hold.Epoch(), Elapsed: g.elapsed(), Visits: g.hold.Visits()})
	g.promote()
	if g.waited {
		g.wait = nil
		g.at.young.add(g)
	}
	g.state = linked
	if !g.hold.Visits() {
		g.takePulse()
	}
	g.link.Start(relay.LinkOptions{
		Patrol: g.at.patrol, Token: g.token, Owner: g, Meter: g.lane.Meter,
		Client:  relay.Socket{FD: int(g.fd), Seen: g.seen, NoDelay: true},
		Backend: relay.Socket{FD: int(g.back), Seen: events},
	})
}
