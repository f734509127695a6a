package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/loop"
	"github.com/rouse-proxy/rouse/internal/probe"
	"github.com/rouse-proxy/rouse/internal/relay"
)

// dial connects to the backend: by the connection that proved the target ready, or by its own.
func (g *guest) dial() {
	g.state = dialing
	if g.wait != nil {
		g.at.loop.Disarm(&g.wait.timer)
		g.wait.dialed = g.at.loop.Clock()
	}
	if conn := g.lane.takeConn(&g.hold); conn != nil && g.takeOver(conn) == nil {
		return
	}
	g.hold.Refresh()
	address := g.address()
	to, err := g.lane.Direct(address)
	switch {
	case err != nil:
		g.failed(err)
	case !to.IsValid():
		g.dialByName(address)
	default:
		g.try(to)
	}
}

// address is where the guest is to be connected to.
func (g *guest) address() string { return g.lane.address(&g.hold) }

// takeOver uses a connection that exists. An error says that it could not be had; it is closed then.
func (g *guest) takeOver(conn net.Conn) error {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		_ = conn.Close()
		return fmt.Errorf("a connection of type %T cannot be relayed here", conn)
	}
	fd, err := loop.Steal(tcp)
	if err != nil {
		_ = conn.Close() // closed already, or no descriptor was to be had
		return fmt.Errorf("taking a connection to %s over: %w", g.address(), err)
	}
	g.back, g.tag = int32(fd), 1
	if err := g.at.loop.Watch(fd, g.token, int(g.tag), relay.LinkEvents); err != nil {
		g.refuse(fmt.Errorf("watching the backend: %w", err))
		return nil
	}
	g.connected(0)
	return nil
}

// try starts one more attempt. The ones before go on. When there are too many, the second goes: the first has the whole time
// of a dial, for a target that is far away.
func (g *guest) try(to netip.AddrPort) {
	if g.back >= 0 && !g.keepOlder() {
		g.at.loop.Arm(&g.wait.timer, dialBeat)
		return
	}
	fd, err := loop.ConnectFrom(g.lane.speaker(g.from, to.Addr()), to)
	if errors.Is(err, unix.EAFNOSUPPORT) && g.lane.DialFrom != nil {
		err = probe.ErrOtherFamily
	}
	if err != nil {
		g.attemptFailed(-1, fmt.Errorf("connecting to %v: %w", to, err))
		return
	}
	g.back, g.tag = int32(fd), g.nextTag()
	if err := g.at.loop.Watch(fd, g.token, int(g.tag), relay.LinkEvents); err != nil {
		g.refuse(fmt.Errorf("watching the backend: %w", err))
		return
	}
	if g.wait != nil {
		g.at.loop.Arm(&g.wait.timer, g.release().beat(g))
		return
	}
	g.at.young.add(g)
}

// nextTag returns one that no attempt has which goes on; there are as many as attempts.
func (g *guest) nextTag() int8 {
	tag := g.tag%mostTries + 1
	for g.tries(tag) {
		tag = tag%mostTries + 1
	}
	return tag
}

// keepOlder puts the newest attempt with those before it. It does not when all have kept as many as there are descriptors
// set aside for: then what is under way must do.
func (g *guest) keepOlder() bool {
	w := g.wait
	switch {
	case len(w.older) == mostTries-1:
		loop.Close(int(w.older[1].fd))
		w.older = slices.Delete(w.older, 1, 2)
	case g.at.door.spare.Add(-1) < 0:
		g.at.door.spare.Add(1)
		return false
	}
	w.older = append(w.older, attempt{g.back, g.tag})
	g.back = -1
	return true
}

// again comes after the beat: nobody has answered yet.
func (g *guest) again() {
	g.patient()
	if g.wait.dialed == 0 {
		g.wait.dialed = g.at.loop.Clock() - dialBeat
	}
	g.release().lost(g)
	to, err := g.lane.Direct(g.address())
	switch {
	case g.at.loop.Clock()-g.wait.dialed >= dialTimeout:
		g.drop()
		g.failed(fmt.Errorf("dialing %s: no answer within %v", g.address(), dialTimeout))
	case err != nil:
		g.drop()
		g.failed(err)
	default:
		g.try(to)
	}
}

// dialByName lets a goroutine resolve and dial: the name may stand for many addresses.
func (g *guest) dialByName(address string) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	g.patient().cancel = cancel
	g.at.loop.Disarm(&g.wait.timer)
	n := &named{guest: g}
	go n.dial(ctx, cancel, address)
}

// named is a dial by name, and the task that brings its result.
type named struct {
	guest *guest
	conn  net.Conn
	err   error
	fault string
}

func (n *named) dial(ctx context.Context, cancel context.CancelFunc, address string) {
	defer n.guest.at.loop.Post(n)
	defer cancel()
	defer n.contain()
	n.conn, n.err = n.guest.lane.dial(ctx, address, n.guest.from)
}

func (n *named) contain() {
	if p := recover(); p != nil {
		n.fault = fmt.Sprintf("%v\n%s", p, debug.Stack())
	}
}

// Contain is for the loop.
func (n *named) Contain(panicked any) { n.guest.Contain(panicked) }

// Do is for the loop.
func (n *named) Do() {
	g := n.guest
	g.wait.cancel = nil
	switch {
	case g.state == leaving:
		if n.conn != nil {
			_ = n.conn.Close()
		}
		if n.fault != "" {
			g.at.door.faulted(n.fault)
		}
		g.finish()
	case n.fault != "":
		g.Contain(n.fault)
	case n.err != nil:
		g.failed(n.err)
	default:
		if err := g.takeOver(n.conn); err != nil {
			g.failed(probe.Blame(err))
		}
	}
}

// answeredBy is the success of one attempt; the others are given up.
func (g *guest) answeredBy(tag int8, events loop.Events) {
	if tag != g.tag {
		for i, a := range g.wait.older {
			if a.tag == tag {
				g.wait.older[i], g.back, g.tag = attempt{g.back, g.tag}, a.fd, a.tag
			}
		}
	}
	g.dropOlder()
	if to, _ := g.lane.Direct(g.address()); loop.LocalAddr(int(g.back)) == to {
		loop.Reset(int(g.back)) // what lingers would keep the target from its own port
		g.back = -1
		g.failed(fmt.Errorf("connecting to %s: nobody listens there: %w", g.address(), unix.ECONNREFUSED))
		return
	}
	g.connected(events)
}

// attemptFailed ends the dial: somebody, if not the target, has answered. Silence alone is waited out.
func (g *guest) attemptFailed(tag int8, err error) {
	if err == nil {
		fd := g.back
		for _, a := range g.older() {
			if a.tag == tag {
				fd = a.fd
			}
		}
		err = fmt.Errorf("connecting to %s: %w", g.address(), orReset(loop.SocketError(int(fd))))
	}
	g.drop()
	g.failed(probe.Blame(err))
}

// orReset gives a socket that is dead without an error one.
func orReset(err error) error {
	if err == nil {
		return unix.ECONNRESET
	}
	return err
}

// tries says whether an attempt with that tag is under way, or has become the backend's connection.
func (g *guest) tries(tag int8) bool {
	return g.back >= 0 && tag == g.tag || slices.ContainsFunc(g.older(), func(a attempt) bool { return a.tag == tag })
}

func (g *guest) older() []attempt {
	if g.wait == nil {
		return nil
	}
	return g.wait.older
}

// drop gives up all attempts.
func (g *guest) drop() {
	if g.back >= 0 {
		loop.Close(int(g.back))
		g.back = -1
	}
	g.dropOlder()
}

func (g *guest) dropOlder() {
	for _, a := range g.older() {
		loop.Close(int(a.fd))
		g.at.door.spare.Add(1)
	}
	if g.wait != nil {
		g.wait.older = nil
	}
}

// failed comes after a dial to which nobody answered, or which could not be made: then nothing is known against the
// target, and it is made again after a rest. Else the hold becomes a wait, in one step, and the target is asked again:
// at once the first time.
func (g *guest) failed(err error) {
	w := g.patient()
	g.at.loop.Disarm(&w.timer)
	g.release().passed(g)
	w.attempts++
	if w.trouble == nil || w.trouble.Error() != err.Error() {
		g.emit(event.Event{Kind: event.BackendSuspect, Err: err})
	}
	w.trouble = err
	switch {
	case errors.Is(err, probe.ErrOtherFamily): // for good
		g.refuse(err)
	case g.patience() <= 0:
		g.refuse(fmt.Errorf("%w; the last try: %w", errPatience, err))
	case errors.Is(err, probe.ErrCannotAsk) || !g.lane.blames():
		g.rest(resting)
	case w.attempts > 1: // the target is believed ready again and again, and is not
		g.rest(doubting)
	default:
		g.ask()
	}
}

// rest keeps answers that change from one moment to the next from being asked for in a spin.
func (g *guest) rest(as stage) {
	g.state = as
	g.at.loop.Arm(&g.wait.timer, restBefore(g.wait.attempts))
}
