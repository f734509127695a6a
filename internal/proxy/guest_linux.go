package proxy

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/gate"
	"github.com/rouse-proxy/rouse/internal/loop"
	"github.com/rouse-proxy/rouse/internal/peek"
	"github.com/rouse-proxy/rouse/internal/relay"
	"github.com/rouse-proxy/rouse/internal/target"
)

// A guest is one client on the loops: what handle is to a goroutine. It lives
//
//	admitted → waiting (asked the target) → queued (granted) → dialing → linked → over
//
// with screened before waiting where a gate or a choice of lanes looks at it, and standing before queued where seats are few;
// and one that finds the target ready goes to dialing at once. A dial that nobody answers leads back to waiting (from the
// second on by doubting, a rest), and one that could not be made to resting. It belongs to one loop at a time; between two
// it belongs to the task that takes it over.
type guest struct {
	at      *doorman // of the loop that it is on
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
	plan    *Plan
	lane    *Lane // of the plan; its first one until it is chosen
	from    netip.AddrPort
	to      netip.AddrPort // where it has connected to, if a PROXY header has said it
	arrived time.Duration  // on the loop's clock
	hold    target.Hold
	wait    *wait // only while it is not served quickly
	seat    *gate.Seat
	youth   *youth     // its place in the list of the young
	visitor *promotion // nil: it never was one, or will never be more
	pulse   *pulse     // nil: nobody looks whether it carries anything
	link    relay.Link
}

type stage uint8

const (
	admitted stage = iota
	screened       // looked at, see screening; or a health checker that is answered
	waiting        // asked the target; the answer comes as a task
	leaving        // gone, and the answer to a withdrawn ask is still to come
	standing       // granted, waits for a seat
	queued         // granted, waits for its turn to dial
	dialing
	resting  // the dial could not be made; tried again after a pause
	doubting // the dial was not answered, and not for the first time; the target is asked again after a pause
	linked
	over
)

// wait is what a client needs that is not served at once.
type wait struct {
	timer    loop.Timer // waiting, queued: its patience; dialing: the next attempt; resting, doubting: the pause
	answer   error      // of the target
	older    []attempt  // under way, beside the newest
	dialed   time.Duration
	attempts int                // dials that came to nothing
	trouble  error              // the newest with its backend
	cancel   context.CancelFunc // ends a dial by name; nil: none runs
	turn     bool               // it has one of the release's turns
	screen   *screening         // only while it is screened
	why      error              // it may not wake the target
	count    time.Duration      // after which a visitor may hold the target; 0: it never may
	checker  bool               // screened, and its answer is given
}

type attempt struct {
	fd  int32
	tag int8
}

const mostTries = 4 // attempts at once

// admit takes a fresh connection in, on the quietest loop. A ready target serves it at once. Where turns are kept apart, all
// are with one loop, and none overtakes the answers to those who have waited: these were posted before it took its hold.
func admit(m *doorman, fd int, from netip.AddrPort) {
	plan := m.door.plan.Load()
	if plan.slow {
		m.door.goroutine(fd, plan)
		return
	}
	paced, to := plan.paced, m.door.doormen[0]
	if !paced {
		to = m.door.on(m.loop.Quietest())
	}
	g := &guest{at: to, plan: plan, lane: plan.first(), fd: int32(fd), back: -1, from: from, arrived: m.loop.Clock()}
	if plan.simple {
		g.held = g.lane.Target.TryHold(&g.hold)
	}
	to.loop.Claim(g.weight())
	if to == m && !paced {
		g.guarded(g.Do) // a fault in it is not the door's
		return
	}
	to.loop.Post(g)
}

// Do is for the loop: it takes the guest in, goes on after its timer, or hears the target's answer.
func (g *guest) Do() {
	switch g.state {
	case admitted:
		g.enter()
	case waiting, standing, queued:
		g.refuse(errPatience)
	case screened:
		g.look()
	case dialing:
		g.again()
	case resting:
		g.dial()
	case doubting:
		g.ask()
	}
}

// enter begins: by dialing with a hold, else by asking for one.
func (g *guest) enter() {
	g.token = g.at.loop.Join(g)
	if err := g.at.loop.Watch(int(g.fd), g.token, relay.ClientTag, relay.LinkEvents); err != nil {
		g.refuse(fmt.Errorf("watching the client: %w", err))
		return
	}
	switch {
	case g.at.door.accepting.Err() != nil:
		g.refuse(context.Cause(g.at.door.accepting))
	case !g.plan.simple:
		g.begin()
	case !g.held:
		g.tellWaits("")
		g.ask()
	default:
		g.proceed()
	}
}

// proceed goes on with a hold: to the backend, behind those who wait for a turn to dial.
func (g *guest) proceed() {
	switch {
	case g.lane.Seats != nil && g.seat == nil && !g.sit():
	case g.release().busy():
		g.patient()
		g.line()
	default:
		g.dial()
	}
}

// sit takes a seat, or waits for one.
func (g *guest) sit() bool {
	g.seat = &gate.Seat{}
	if g.lane.Seats.Take(g.seat, func() { g.at.loop.Post((*seated)(g)) }) {
		return true
	}
	g.emit(event.Event{Kind: event.ClientWaits, Cause: "as many clients as may be are served"})
	g.state = standing
	g.at.loop.Arm(&g.patient().timer, g.patience())
	return false
}

// seated is a guest for whom there is a seat.
type seated guest

// Do is for the loop.
func (s *seated) Do() {
	if g := (*guest)(s); g.state == standing {
		g.line()
	}
}

// Contain is for the loop.
func (s *seated) Contain(panicked any) { (*guest)(s).Contain(panicked) }

// release returns where those wait for a turn who are led where this guest is.
func (g *guest) release() *release { return g.at.releaseOf(g.lane) }

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
	g.at.loop.Arm(&w.timer, g.patience())
	if g.held {
		g.held = false
		g.hold.AskAgain(g)
	} else {
		g.lane.Target.Ask(&g.hold, g)
	}
}

// patience is what is left of it.
func (g *guest) patience() time.Duration {
	return g.lane.Patience - (g.at.loop.Clock() - g.arrived)
}

// Cause says who wants the target.
func (g *guest) Cause() string { return "client " + g.from.String() }

// Why says why it may not wake the target.
func (g *guest) Why() error {
	if g.wait == nil {
		return nil
	}
	return g.wait.why
}

// Answered brings the target's answer to the loop.
func (g *guest) Answered(_ *target.Hold, err error) {
	g.wait.answer = err
	g.at.loop.Post((*answered)(g))
}

type answered guest

// Do is for the loop.
func (a *answered) Do() {
	g := (*guest)(a)
	err := g.wait.answer
	g.held = err == nil
	if g.held && g.hold.Rank == target.Meek && g.state != leaving {
		g.hold.Visit(g.evict())
	}
	switch {
	case g.state == leaving:
		g.finish()
	case err != nil:
		g.state = admitted // nothing is asked any more
		g.refuse(err)
	default:
		g.granted()
	}
}

// Contain is for the loop.
func (a *answered) Contain(panicked any) { (*guest)(a).Contain(panicked) }

// granted waits for a seat, where they are few, and for its turn.
func (g *guest) granted() {
	if g.lane.Seats == nil || g.seat != nil || g.sit() {
		g.line()
	}
}

// line waits for its turn to dial.
func (g *guest) line() {
	g.state = queued
	g.at.loop.Arm(&g.wait.timer, g.patience())
	g.release().add(g)
}

// Ready is for the loop.
func (g *guest) Ready(tag int, events loop.Events) {
	switch {
	case tag != relay.ClientTag && !g.tries(int8(tag)): // of an attempt that was given up
	case g.state == linked:
		g.link.Ready(tag, events)
		if g.unheard {
			g.release().hear(g)
		}
	case tag == relay.ClientTag:
		g.seen |= events
		if events&(loop.HangingUp|loop.Hup|loop.Err) != 0 {
			if err := peek.FD(g.fd).Gone(); err != nil {
				g.refuse(err)
			}
		}
		if g.state == screened {
			g.look()
		}
	case g.state != dialing:
	case events&(loop.Err|loop.Hup) != 0:
		g.attemptFailed(int8(tag), nil)
	case events&loop.Out != 0:
		g.answeredBy(int8(tag), events)
	}
}

// elapsed is since it arrived: on the clock of another loop, maybe, which shows an older turn.
func (g *guest) elapsed() time.Duration { return max(g.at.loop.Clock()-g.arrived, 0) }

// tellWaits is for the log only: nothing is decided by it.
func (g *guest) tellWaits(said string) {
	if st := g.lane.Target.Status(); st.State != target.Ready {
		g.emit(event.Event{Kind: event.ClientWaits, Said: said, Cause: "target is " + st.State.String()})
	}
}
