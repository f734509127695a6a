package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rouse-proxy/rouse/internal/loop"
	"github.com/rouse-proxy/rouse/internal/relay"
)

// acceptMost is how many clients one loop accepts at most before it looks after those it has.
const acceptMost = 8

// A door is one listener on the loops. Every loop accepts at it; the quietest gets the client.
type door struct {
	*Listener
	fd        int
	doormen   []*doorman // one on each loop
	accepting context.Context
	serving   context.Context
	clients   sync.WaitGroup
	staged    atomic.Int32 // clients that are screened
	spare     atomic.Int32 // descriptors for attempts beside a client's newest
}

// serveLoops is Serve on the event loops, for a listener that they can take over; false for any other.
func (l *Listener) serveLoops(accepting, serving context.Context, ln net.Listener) (served bool, err error) {
	tcp, ok := ln.(*net.TCPListener)
	if !ok || l.opts.Loops == nil {
		return false, nil
	}
	fd, err := loop.Steal(tcp)
	if err != nil {
		return true, fmt.Errorf("taking over the listener %v: %w", ln.Addr(), err)
	}
	prepare(fd)
	d := newDoor(l, fd)
	l.door.Store(d)
	open, end := context.WithCancelCause(accepting)
	defer end(nil)
	d.accepting, d.serving = open, serving
	if err = d.open(); err != nil {
		err = fmt.Errorf("accepting clients on %v: %w", ln.Addr(), err)
		end(err) // some loops may have let clients in
	}
	select {
	case <-open.Done():
	case <-l.closed:
	}
	d.leave()
	loop.Close(fd)
	defer context.AfterFunc(open, d.shut)()
	if err != nil {
		d.cut(err)
	}
	defer context.AfterFunc(serving, func() { d.cut(context.Cause(serving)) })()
	d.clients.Wait()
	return true, err
}

// prepare sets what every client needs, on one or on the listener: those who come from then on inherit it.
func prepare(fd int) {
	loop.NoDelay(fd)
	loop.KeepAlive(fd, relay.KeepAlive())
}

func newDoor(l *Listener, fd int) *door {
	d := &door{Listener: l, fd: fd}
	d.spare.Store(int32(l.opts.Spare))
	for _, on := range l.opts.Loops.Loops() {
		m := &doorman{door: d, loop: on, batch: 1, early: true, young: young{loop: on}}
		m.timer, m.young.timer = loop.NewTimer(m), loop.NewTimer(&m.young)
		m.patrol = relay.NewPatrol(on, relay.Options{})
		d.doormen = append(d.doormen, m)
	}
	return d
}

// on returns the doorman of a loop.
func (d *door) on(l *loop.Loop) *doorman {
	for _, m := range d.doormen {
		if m.loop == l {
			return m
		}
	}
	return nil // every loop has one
}

// open lets every loop accept, or none.
func (d *door) open() error {
	return d.everywhere(func(m *doorman) error {
		m.token = m.loop.Join(m)
		return m.watch()
	})
}

// leave ends accepting.
func (d *door) leave() {
	_ = d.everywhere(func(m *doorman) error { m.leave(); return nil })
}

// shut refuses who waits.
func (d *door) shut() {
	_ = d.everywhere(func(m *doorman) error {
		m.each(func(g *guest) {
			if g.state != linked {
				g.refuse(context.Cause(d.accepting))
			}
		})
		return nil
	})
}

// cut ends the clients that are still there.
func (d *door) cut(cause error) {
	_ = d.everywhere(func(m *doorman) error {
		m.each(func(g *guest) { g.cut(cause) })
		return nil
	})
}

// everywhere calls f on each loop and waits for all.
func (d *door) everywhere(f func(*doorman) error) error {
	errs := make(chan error, len(d.doormen))
	for _, m := range d.doormen {
		if !m.loop.Post(call(func() { errs <- f(m) })) {
			errs <- errors.New("the event loop has ended")
		}
	}
	var all []error
	for range d.doormen {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// call is a task made of a function.
type call func()

// Do is for the loop.
func (f call) Do() { f() }

// A doorman accepts on one loop, and looks after the door's clients there.
type doorman struct {
	door    *door
	loop    *loop.Loop
	token   loop.Token
	timer   loop.Timer // while it pauses
	pause   time.Duration
	batch   int // how many to accept at once: about as many as come, so that few calls find nobody
	watches bool
	left    bool
	early   bool // who is accepted may have come before the listener was prepared
	young   young
	patrol  *relay.Patrol

	releases []*release // one for each lane that has had a use for it
	stage    []*guest   // who is screened, in order; some have gone
}

// releaseOf returns where those wait for their turn who are led on the lane. Those of lanes that are of no plan any more go when
// nobody waits there.
func (m *doorman) releaseOf(lane *Lane) *release {
	for _, r := range m.releases {
		if r.lane == lane {
			return r
		}
	}
	current := m.door.plan.Load().all()
	m.releases = slices.DeleteFunc(m.releases, func(r *release) bool { return r.idle() && !slices.Contains(current, r.lane) })
	r := newRelease(m, lane)
	m.releases = append(m.releases, r)
	return r
}

// each calls f with every client of the door that is on this loop.
func (m *doorman) each(f func(*guest)) {
	m.loop.Each(func(h loop.Handler) {
		if g, ok := h.(*guest); ok && g.at == m {
			f(g)
		}
	})
}

// watch wakes as few loops as there are clients, and passes busy ones over. Loops that have slept for a while all wake:
// the kernel does not see that their sleep ends.
func (m *doorman) watch() error {
	if m.left || m.watches {
		return nil
	}
	m.watches = true
	return m.loop.Watch(m.door.fd, m.token, 0, loop.In|loop.Exclusive)
}

func (m *doorman) unwatch() {
	if m.watches {
		m.watches = false
		_ = m.loop.Forget(m.door.fd) // it is watched
	}
}

func (m *doorman) leave() {
	m.unwatch()
	m.left = true
	m.loop.Disarm(&m.timer)
	m.loop.Leave(m.token)
}

// Ready accepts. At the limit of clients the door is not watched any more until one has left; the next ones wait in the
// kernel's queue.
func (m *doorman) Ready(int, loop.Events) {
	for accepted := range m.batch {
		if !m.door.opts.Slots.TryAcquire() {
			m.full()
			return
		}
		fd, from, err := loop.Accept(m.door.fd)
		if err != nil {
			m.door.opts.Slots.Release()
			m.batch = max(accepted, 1)
			m.failed(err)
			return
		}
		if m.early {
			prepare(fd)
		}
		m.pause = 0
		m.door.clients.Add(1)
		admit(m, fd, from)
	}
	m.batch = min(2*m.batch, acceptMost)
}

// Contain is for the loop: a fault in accepting costs the client that was accepted.
func (m *doorman) Contain(panicked any) { m.door.faulted(panicked) }

func (m *doorman) full() {
	m.unwatch()
	m.door.complain("at the limit of clients, new ones wait", "limit", m.door.opts.Slots.Cap())
	m.door.opts.Slots.WhenFree(func() { m.loop.Post(m) })
}

// failed pauses after trouble that heals by itself, and never ends the door.
func (m *doorman) failed(err error) {
	switch err {
	case unix.EAGAIN: // nobody is left who came early; or another loop was quicker
		m.early = false
		return
	case unix.ECONNABORTED: // the client has gone already
		return
	}
	m.door.complain("cannot accept clients, will try again", "err", err)
	m.unwatch()
	m.pause = min(max(2*m.pause, firstPause), lastPause)
	m.loop.Arm(&m.timer, m.pause)
}

// Do is for the loop: the pause is over, or a slot is free.
func (m *doorman) Do() {
	if err := m.watch(); err != nil {
		m.watches = false
		m.failed(err)
	}
}
