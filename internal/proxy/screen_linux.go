package proxy

import (
	"errors"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/gate"
	"github.com/rouse-proxy/rouse/internal/loop"
	"github.com/rouse-proxy/rouse/internal/peek"
	"github.com/rouse-proxy/rouse/internal/shape"
	"github.com/rouse-proxy/rouse/internal/target"
)

// stageShare is which part of the slots those may have who are screened: the others are for whoever is known to be wanted.
const stageShare = 2

// begin looks at a guest before it counts.
func (g *guest) begin() {
	s := g.plan.screen(g.from)
	if s == nil { // seats alone
		s = &screening{plan: g.plan, from: g.from, arrived: true}
	}
	g.state, g.patient().screen = screened, s
	g.at.enstage(g)
	g.look()
}

// enstage counts one who is screened. When they are too many, the first of them goes, who has had the most time.
func (m *doorman) enstage(g *guest) {
	m.stage = append(m.stage, g)
	if m.door.staged.Add(1) <= int32(max(m.door.opts.Slots.Cap()/stageShare, 1)) {
		return
	}
	for len(m.stage) > 1 {
		first := m.stage[0]
		m.stage[0] = nil
		m.stage = m.stage[1:]
		if first.at == m && first.state == screened {
			first.guarded(func() { first.refuse(errCrowd) })
			return
		}
	}
}

// unscreen ends the screening of a guest. Those in front who have gone are forgotten with it.
func (g *guest) unscreen() {
	if g.state != screened {
		return
	}
	g.state = admitted
	g.at.door.staged.Add(-1)
	m := g.at
	for len(m.stage) > 0 && (m.stage[0] == g || m.stage[0].state != screened) {
		m.stage[0] = nil
		m.stage = m.stage[1:]
	}
	if len(m.stage) == 0 {
		m.stage = nil
	}
}

// look takes the next steps of a guest that is screened, with what it has said so far.
func (g *guest) look() {
	w := g.wait
	if w.checker || w.screen == nil {
		g.checkEnds()
		return
	}
	if g.at.door.accepting.Err() != nil {
		return // whoever ends accepting refuses it
	}
	for g.state == screened {
		b, err := g.said()
		if err != nil {
			g.refuse(err)
			return
		}
		st := w.screen.next(b, g.seen&loop.HangingUp != 0, g.elapsed(), func(lane *Lane, visits bool) bool {
			if visits {
				g.held = lane.Target.TryVisit(&g.hold, g.evict())
			} else {
				g.held = lane.Target.TryHold(&g.hold)
			}
			return g.held
		})
		g.from, g.to = w.screen.from, w.screen.to
		if w.screen.lane != nil {
			g.lane = w.screen.lane
		}
		if g.follow(st) {
			return
		}
	}
}

// said returns what the guest has said so far, in the loop's own buffer.
func (g *guest) said() ([]byte, error) {
	s := g.wait.screen
	if !s.looks() {
		return nil, nil
	}
	b := g.at.loop.Scratch()
	n, err := loop.Peek(int(g.fd), b[:min(shape.Most, len(b))])
	switch {
	case err == unix.EAGAIN:
		return nil, nil
	case err != nil:
		return nil, peek.ErrReset
	case n == 0:
		return nil, peek.ErrLeft
	}
	return b[:n], nil
}

// follow does what a step says. False: there is a next one at once.
func (g *guest) follow(st step) (done bool) {
	if st.observed != nil {
		g.emit(event.Event{Kind: event.GateObserved, Err: st.observed})
	}
	switch {
	case st.take > 0:
		if n, err := loop.Recv(int(g.fd), g.at.loop.Scratch()[:st.take]); err != nil || n != st.take {
			g.refuse(orReset(err))
			return true
		}
		return false
	case st.wait > 0:
		g.at.loop.Arm(&g.wait.timer, max(st.wait, time.Millisecond))
	case st.err != nil:
		g.refuse(st.err)
	case st.checker != nil:
		g.answer(st.checker.Answer)
	case st.held:
		g.passed()
		g.wait.count = st.count
		g.proceed()
	case st.ask != nil:
		g.passed()
		g.hold.Rank, g.wait.why = st.ask.Rank, st.ask.Why
		if st.ask.Rank != target.Meek { // it may be refused at once, and then that is told
			g.tellWaits(st.said)
		}
		g.ask()
	}
	return true
}

// passed leaves the stage.
func (g *guest) passed() {
	g.unscreen()
	g.wait.screen = nil
	g.at.loop.Disarm(&g.wait.timer)
}

// answer gives a health checker what it gets. It never wakes the target and never holds it.
func (g *guest) answer(a gate.Answer) {
	w := g.wait
	w.checker, w.screen = true, nil
	g.emit(event.Event{Kind: event.CheckerAnswered, Cause: "target is " + g.lane.Target.Status().State.String()})
	switch a {
	case gate.AnswerClosed:
		g.refuse(peek.ErrLeft)
	case gate.AnswerAccept:
		_ = loop.Shutdown(int(g.fd)) // what it fails of has ended by itself
		g.at.loop.Arm(&w.timer, checkTime)
	case gate.AnswerHTTP:
		g.at.loop.Arm(&w.timer, checkTime)
		w.trouble = errUnanswered
		g.checkEnds()
	}
}

// errUnanswered says that a health checker waits for its response.
var errUnanswered = errors.New("not answered yet")

// checked says whether the guest is a health checker that has been told of.
func (g *guest) checked() bool { return g.state == screened && g.wait.checker }

// checkEnds goes on with a health checker: it gets its response once it has asked, and goes when it has ended its stream, or when
// its time is over.
func (g *guest) checkEnds() {
	w, b := g.wait, g.at.loop.Scratch()
	n, err := loop.Recv(int(g.fd), b)
	if w.trouble != nil && err == nil && n > 0 {
		w.trouble = nil
		_, _ = loop.Send(int(g.fd), response(g.lane.Target.Status())) // a fresh socket has room for it
		_ = loop.Shutdown(int(g.fd))
		return
	}
	ended := err == nil && n == 0 || err != nil && err != unix.EAGAIN
	if ended || g.elapsed() >= checkTime {
		g.at.loop.Leave(g.token)
		loop.Close(int(g.fd))
		g.finish()
	}
}

// goroutine has a goroutine carry a client that cannot be on the loops.
func (d *door) goroutine(fd int, plan *Plan) {
	file := os.NewFile(uintptr(fd), "client")
	conn, err := net.FileConn(file)
	_ = file.Close()
	if err != nil {
		d.complain("cannot take a client over", "err", err)
		d.opts.Slots.Release()
		d.clients.Done()
		return
	}
	go func() {
		defer d.clients.Done()
		defer d.opts.Slots.Release()
		defer d.contain(conn)
		d.handle(d.accepting, d.serving, conn, plan)
	}()
}
