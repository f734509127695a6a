package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/loop"
	"github.com/rouse-proxy/rouse/internal/peek"
	"github.com/rouse-proxy/rouse/internal/relay"
	"github.com/rouse-proxy/rouse/internal/target"
)

// A guest is one client on the loops: what handle is to a goroutine. It lives
//
//	admitted → waiting (asked the target) → queued (granted) → dialing → linked → over
//
// and one that finds the target ready goes to dialing at once. A dial that nobody answers leads back to waiting, and one
// that could not be made to resting. It belongs to one loop at a time; between two it belongs to the task that takes it over.
type guest struct {
	door    *door
	loop    *loop.Loop
	token   loop.Token
	fd      int32 // the client's
	back    int32 // the backend's, of the newest attempt
	tag     int8  // of back
	state   stage
	held    bool // the hold is held
	waited  bool // it was not served at once
	unheard bool // linked, and the release waits for the backend's first byte
	heavy   bool // linked, and bulk
	seen    loop.Events
	from    netip.AddrPort
	arrived time.Duration // on the loop's clock
	hold    target.Hold
	wait    *wait         // only while it is not served quickly
	next    *guest        // in the list of the young
	visit   time.Duration // when it is visited there
	link    relay.Link
}

type stage uint8

const (
	admitted stage = iota
	waiting        // asked the target; the answer comes as a task
	leaving        // gone, and the answer to a withdrawn ask is still to come
	queued         // granted, waits for its turn to dial
	dialing
	resting // the dial could not be made; tried again after a pause
	linked
	over
)

// wait is what a client needs that is not served at once.
type wait struct {
	timer    loop.Timer // waiting: its patience; dialing: the next attempt; resting: the pause
	answer   error      // of the target
	older    []attempt  // under way, beside the newest
	dialed   time.Duration
	attempts int                // dials that came to nothing
	trouble  error              // the newest with its backend
	cancel   context.CancelFunc // ends a dial by name; nil: none runs
	turn     bool               // it has one of the release's turns
}

type attempt struct {
	fd  int32
	tag int8
}

const mostTries = 4 // attempts at once

// admit takes a fresh connection in. A ready target serves it at once, on the quietest loop.
func admit(m *doorman, fd int, from netip.AddrPort) {
	d := m.door
	g := &guest{door: d, fd: int32(fd), back: -1, from: from, arrived: m.loop.Clock()}
	to := m.loop.Quietest()
	if g.held = d.opts.Target.TryHold(&g.hold); !g.held || d.releasing.Load() {
		to, g.waited = d.home, true
	}
	g.loop = to
	to.Claim(g.weight())
	if to == m.loop {
		g.Do()
	} else {
		to.Post(g)
	}
}

// Do is for the loop: it takes the guest in, goes on after its timer, or hears the target's answer.
func (g *guest) Do() {
	switch g.state {
	case admitted:
		g.enter()
	case waiting:
		g.refuse(errPatience)
	case dialing:
		g.again()
	case resting:
		g.dial()
	}
}

// enter begins: by dialing with a hold, else by asking for one.
func (g *guest) enter() {
	g.token = g.loop.Join(g)
	if err := g.loop.Watch(int(g.fd), g.token, relay.ClientTag, relay.LinkEvents); err != nil {
		g.refuse(fmt.Errorf("watching the client: %w", err))
		return
	}
	switch {
	case g.door.accepting.Err() != nil:
		g.refuse(context.Cause(g.door.accepting))
	case !g.held:
		g.tellWaits()
		g.ask()
	case g.waited:
		g.patient()
		g.granted()
	default:
		g.dial()
	}
}

func (g *guest) patient() *wait {
	if g.wait == nil {
		g.wait = &wait{timer: loop.NewTimer(g)}
	}
	g.waited = true
	return g.wait
}

// ask queues for the target: Answered tells what came of it.
func (g *guest) ask() {
	w := g.patient()
	g.state = waiting
	g.loop.Arm(&w.timer, g.patience())
	if g.held {
		g.held = false
		g.hold.AskAgain(g)
	} else {
		g.door.opts.Target.Ask(&g.hold, g)
	}
}

// patience is what is left of it.
func (g *guest) patience() time.Duration { return g.door.opts.Patience - (g.loop.Clock() - g.arrived) }

// Cause says who wants the target.
func (g *guest) Cause() string { return "client " + g.from.String() }

// Answered brings the target's answer to the loop.
func (g *guest) Answered(_ *target.Hold, err error) {
	g.wait.answer = err
	g.loop.Post((*answered)(g))
}

type answered guest

// Do is for the loop.
func (a *answered) Do() {
	g := (*guest)(a)
	err := g.wait.answer
	g.held = err == nil
	switch {
	case g.state == leaving:
		g.finish()
	case err != nil:
		g.state = admitted // nothing is asked any more
		g.refuse(err)
	default:
		g.loop.Disarm(&g.wait.timer)
		g.granted()
	}
}

// Contain is for the loop.
func (a *answered) Contain(panicked any) { (*guest)(a).Contain(panicked) }

// granted waits for its turn.
func (g *guest) granted() {
	g.state = queued
	g.door.release.add(g)
}

// Ready is for the loop.
func (g *guest) Ready(tag int, events loop.Events) {
	switch {
	case g.state == linked:
		g.link.Ready(tag, events)
		if g.unheard {
			g.door.release.hear(g)
		}
	case tag == relay.ClientTag:
		g.seen |= events
		if events&(loop.HangingUp|loop.Hup|loop.Err) != 0 {
			if err := peek.FD(g.fd).Gone(); err != nil {
				g.refuse(err)
			}
		}
	case g.state != dialing:
	case events&(loop.Err|loop.Hup) != 0:
		g.attemptFailed(int8(tag), nil)
	case events&loop.Out != 0:
		g.answeredBy(int8(tag), events)
	}
}

// connected hands the two connections to the relay. Of those who waited some move to quieter loops later.
func (g *guest) connected(events loop.Events) {
	if g.wait != nil {
		g.loop.Disarm(&g.wait.timer)
		g.door.release.connected(g)
	}
	g.join(events)
}

func (g *guest) move(to *loop.Loop) {
	g.loop.Yield(g.weight())
	g.loop = to
	to.Claim(g.weight())
	to.Post((*moved)(g))
}

// weight is what the guest counts for in its loop's load.
func (g *guest) weight() int {
	if g.heavy {
		return 16
	}
	return 1
}

// RelayHeavy moves the guest to a loop for bulk.
func (g *guest) RelayHeavy() bool {
	to := g.door.opts.Loops.Heavy()
	if g.unheard { // the release, which is at home, still looks after it
		return false
	}
	g.loop.Claim(15)
	g.heavy = true
	if to == g.loop {
		return false
	}
	g.link.Leave()
	g.move(to)
	return true
}

// moved is a guest on its way to another loop.
type moved guest

// Do is for the loop.
func (m *moved) Do() {
	g := (*guest)(m)
	g.token = g.loop.Join(g)
	defer g.outstayed()
	for tag, fd := range map[int]int32{relay.ClientTag: g.fd, 1: g.back} {
		if err := g.loop.Watch(int(fd), g.token, tag, relay.LinkEvents); err != nil {
			g.cut(fmt.Errorf("watching a connection: %w", err))
			return
		}
	}
	g.link.Enter(g.loop, g.token)
}

// outstayed cuts a guest that was on its way while all others were.
func (g *guest) outstayed() {
	if cause := context.Cause(g.door.serving); cause != nil && g.state != over {
		g.cut(cause)
	}
}

// Contain is for the loop.
func (m *moved) Contain(panicked any) { (*guest)(m).Contain(panicked) }

// join begins to relay.
func (g *guest) join(events loop.Events) {
	g.state = linked
	waited := g.loop.Clock() - g.arrived
	g.emit(event.Event{Kind: event.ClientServed, Epoch: g.hold.Epoch(), Elapsed: waited})
	if g.waited {
		g.wait = nil
		g.young().add(g)
	}
	g.link.Start(relay.LinkOptions{
		Loop: g.loop, Token: g.token, Owner: g,
		Client:  relay.Socket{FD: int(g.fd), Seen: g.seen, NoDelay: true},
		Backend: relay.Socket{FD: int(g.back), Seen: events},
	})
}

// RelayEnded accounts for the client.
func (g *guest) RelayEnded(res relay.Result, err error) {
	if errors.Is(err, relay.ErrFault) {
		g.door.faulted(err)
	}
	g.emit(event.Event{Kind: event.ClientEnded, Elapsed: res.Ended.Sub(res.Started), Sent: res.Sent, Received: res.Received, Cause: string(res.End)})
	if res.BackendFirst && res.Received == 0 && res.Ended.Sub(res.Started) < tooSoon {
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
	e := event.Event{Kind: event.ClientRefused, Elapsed: g.loop.Clock() - g.arrived, Err: err}
	if errors.Is(err, peek.ErrLeft) || errors.Is(err, peek.ErrReset) {
		e = event.Event{Kind: event.ClientLeft, Elapsed: e.Elapsed, Cause: err.Error()}
	}
	g.emit(e)
	g.loop.Leave(g.token)
	loop.Reset(int(g.fd))
	g.drop()
	asked, dials := g.state == waiting, g.wait != nil && g.wait.cancel != nil
	switch {
	case asked:
		g.state = leaving
		g.loop.Disarm(&g.wait.timer)
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
	g.state = over
	if g.wait != nil {
		g.loop.Disarm(&g.wait.timer)
		g.door.release.passed(g)
	}
	if g.unheard {
		g.door.release.hear(g)
	}
	if g.held {
		g.hold.Release()
	}
	g.loop.Yield(g.weight())
	g.door.opts.Slots.Release()
	g.door.clients.Done()
}

// cut ends a client that outstays the drain.
func (g *guest) cut(cause error) {
	if g.state == linked {
		g.link.Cancel(cause)
		return
	}
	g.refuse(cause)
}

// grownUp comes a beat after the guest has begun to dial, or to be served if it had to wait.
func (g *guest) grownUp() {
	switch {
	case g.state == linked:
		loop.KeepAlive(int(g.back), relay.KeepAlive())
		if to := g.loop.Quietest(); g.waited && to != g.loop && !g.unheard && g.link.Movable() {
			g.link.Leave()
			g.move(to)
		}
	case g.state == dialing && g.wait == nil:
		g.again()
	}
}

// Contain keeps a fault from taking more than its own client down.
func (g *guest) Contain(panicked any) {
	err := fmt.Errorf("%w: %v\n%s", relay.ErrFault, panicked, debug.Stack())
	if g.state == linked {
		g.link.Cancel(err)
		return
	}
	g.door.faulted(err)
	g.refuse(relay.ErrFault)
}

// guarded calls f for a task of many guests: a fault is that of one.
func (g *guest) guarded(f func()) {
	defer func() {
		if p := recover(); p != nil {
			g.Contain(p)
		}
	}()
	f()
}

// tellWaits is for the log only: nothing is decided by it.
func (g *guest) tellWaits() {
	if st := g.door.opts.Target.Status(); st.State != target.Ready {
		g.emit(event.Event{Kind: event.ClientWaits, Cause: "target is " + st.State.String()})
	}
}

func (g *guest) emit(e event.Event) {
	if log := g.door.opts.Events; log.Wants(e.Level()) {
		e.Target, e.Client = g.door.opts.Target.Name(), g.from.String()
		log.Emit(e)
	}
}
