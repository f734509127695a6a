package proxy

import (
	"errors"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/loop"
	"github.com/rouse-proxy/rouse/internal/peek"
	"github.com/rouse-proxy/rouse/internal/relay"
)

// RelayEnded accounts for the client.
func (g *guest) RelayEnded(res relay.Result, err error) {
	if errors.Is(err, relay.ErrFault) {
		g.at.door.faulted(err)
	}
	e := ended(res, err)
	e.Waited, e.Visits = max(g.elapsed()-e.Elapsed, 0), g.hold.Visits()
	g.emit(e)
	if g.lane.doubts(res) {
		g.hold.Doubt()
	}
	g.fd, g.back = -1, -1
	g.finish()
}

// refuse ends a client that is not served with a reset: a clean end without a byte would look like an empty answer.
func (g *guest) refuse(err error) {
	if g.state == leaving || g.state == over {
		return
	}
	e := event.Event{Kind: event.ClientRefused, Elapsed: g.elapsed(), Err: err}
	if errors.Is(err, peek.ErrLeft) || errors.Is(err, peek.ErrReset) {
		e = event.Event{Kind: event.ClientLeft, Elapsed: e.Elapsed, Cause: err.Error()}
	}
	if !g.checked() { // of a checker nothing more is told
		g.emit(e)
	}
	g.at.loop.Leave(g.token)
	loop.Reset(int(g.fd))
	g.drop()
	asked, dials := g.state == waiting, g.wait != nil && g.wait.cancel != nil
	switch {
	case asked:
		g.state = leaving
		g.at.loop.Disarm(&g.wait.timer)
		g.hold.Withdraw()
	case dials:
		g.state = leaving
		g.wait.cancel()
	default:
		g.finish()
	}
}

// finish gives back what the client took. Nothing is under way for it any more.
func (g *guest) finish() {
	g.unscreen()
	g.state = over
	g.age()
	if g.wait != nil {
		g.at.loop.Disarm(&g.wait.timer)
		g.release().passed(g)
	}
	if g.unheard {
		g.release().hear(g)
	}
	g.unvisit()
	if g.held {
		g.hold.Release()
	}
	if g.pulse != nil {
		g.dropPulse()
		g.lane.Traffic.leave()
	}
	if g.seat != nil {
		g.lane.Seats.Leave(g.seat)
	}
	g.at.loop.Yield(g.weight())
	g.at.door.opts.Slots.Release()
	g.at.door.clients.Done()
}

// cut ends a client that outstays the drain.
func (g *guest) cut(cause error) {
	if g.state == linked {
		g.link.Cancel(cause)
		return
	}
	g.refuse(cause)
}
