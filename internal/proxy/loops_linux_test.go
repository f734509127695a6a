package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/loop"
)

// TestLoopsShareTheLoad: a hundred clients that stay.
func TestLoopsShareTheLoad(t *testing.T) {
	v := settle(t, &server{boot: bootTime}, rules{loops: 2})
	clients := []*net.TCPConn{v.awake()}
	for range 99 {
		clients = append(clients, v.awake())
	}
	a, b := v.group.Loops()[0].Load(), v.group.Loops()[1].Load()
	if a+b != 100 || max(a, b)-min(a, b) > 20 {
		t.Errorf("the loops carry %d and %d of 100", a, b)
	}
	for i, c := range clients {
		v.served(c, fmt.Sprint("client ", i))
	}
}

// TestLoopHandsOverFromABusyOne: whichever loop accepts, the other one carries.
func TestLoopHandsOverFromABusyOne(t *testing.T) {
	for busy := range 2 {
		v := settle(t, &server{boot: bootTime}, rules{loops: 2})
		stays := v.awake()
		loops := v.group.Loops()
		before := loops[1-busy].Load()
		loops[busy].Claim(1000)
		var clients []*net.TCPConn
		for range 50 {
			clients = append(clients, v.awake())
		}
		if n := loops[1-busy].Load() - before; n != 50 {
			t.Errorf("%d of 50 were handed to loop %d", n, 1-busy)
		}
		for i, c := range clients {
			v.served(c, fmt.Sprint("client ", i))
		}
		v.served(stays, "not concerned")
		loops[busy].Yield(1000)
		v.leave()
	}
}

// TestLoopsReleaseTheirOwn: clients that found a dead target, on all loops.
func TestLoopsReleaseTheirOwn(t *testing.T) {
	v := settle(t, &server{boot: bootTime}, rules{loops: 3})
	for run := range int32(5) {
		v.served(v.client(), "wakes it")
		v.die()
		v.group.Loops()[0].Claim(100)
		var clients sync.WaitGroup
		for i := range 60 {
			clients.Go(func() { v.served(v.client(), fmt.Sprint("client ", i)) })
		}
		clients.Wait()
		v.group.Loops()[0].Yield(100)
		v.ran(run+2, 0)
	}
}

// guests calls f with every client, on its loop.
func (v *village) guests(f func(*guest)) {
	for _, l := range v.group.Loops() {
		done := make(chan struct{})
		l.Post(call(func() {
			defer close(done)
			l.Each(func(h loop.Handler) {
				if g, ok := h.(*guest); ok {
					f(g)
				}
			})
		}))
		<-done
	}
}

// TestLoopStaleAttemptDoesNotHarmTheLink: what is told of one attempt in the turn in which another was answered.
func TestLoopStaleAttemptDoesNotHarmTheLink(t *testing.T) {
	v := settle(t, &server{boot: bootTime}, rules{})
	c := v.awake()
	text := strings.Repeat("much that nobody reads yet ", 1<<20)
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c, text)
		sent <- errors.Join(err, c.CloseWrite())
	}()
	last := int64(-1)
	until(t, "nothing moves any more", func() bool {
		before := last
		v.guests(func(g *guest) { _, last = g.link.Bytes() })
		time.Sleep(20 * time.Millisecond)
		return last > 0 && last == before
	})
	v.guests(func(g *guest) {
		for tag := 1; tag <= mostTries; tag++ {
			if int8(tag) != g.tag {
				g.Ready(tag, loop.Err|loop.Hup|loop.In|loop.Out)
			}
		}
	})
	got, err := io.ReadAll(c)
	if string(got) != text || err != nil {
		t.Errorf("got %d of %d bytes, %v", len(got), len(text), err)
	}
	if err := <-sent; err != nil {
		t.Errorf("sending: %v", err)
	}
	_ = c.Close()
}

// moving brings a client to the moment in which it belongs to no loop: it has left the first for the second, which is
// busy until the test lets it go on. meanwhile is done on the second before it takes the client in.
func moving(t *testing.T, meanwhile func(v *village, to *loop.Loop, fd int)) (v *village, c *net.TCPConn) {
	t.Helper()
	v = settle(t, &server{boot: bootTime}, rules{loops: 2})
	c = v.awake() // it has waited, so it moves when it has grown up
	var from *loop.Loop
	fd := 0
	v.guests(func(g *guest) { from, fd = g.at.loop, int(g.fd) })
	to := v.group.Loops()[0]
	if to == from {
		to = v.group.Loops()[1]
	}
	goOn := make(chan struct{})
	to.Post(call(func() {
		<-goOn
		meanwhile(v, to, fd)
	}))
	from.Claim(1000)
	until(t, "it is on its way", func() bool { return to.Load() == 1 })
	from.Yield(1000)
	close(goOn)
	return v, c
}

func TestLoopClientMovesWhenItHasGrownUp(t *testing.T) {
	v, c := moving(t, func(*village, *loop.Loop, int) {})
	v.served(c, "moved")
}

// TestLoopClientOnItsWayIsCutToo: serving ends while it belongs to no loop.
func TestLoopClientOnItsWayIsCutToo(t *testing.T) {
	v, c := moving(t, func(v *village, _ *loop.Loop, _ int) { v.cut(errors.New("drained")) })
	wantReset(t, c)
	v.counts(0, 0)
	v.alone()
}

// TestLoopClientThatCannotMoveIsCut: its new loop cannot watch it.
func TestLoopClientThatCannotMoveIsCut(t *testing.T) {
	v, c := moving(t, func(_ *village, to *loop.Loop, fd int) {
		if err := to.Watch(fd, loop.Token{}, 0, loop.In); err != nil { // a second time, it will fail
			t.Error(err)
		}
	})
	wantReset(t, c)
	v.counts(0, 0)
	v.alone()
}

// alone checks that no client has a place in any loop.
func (v *village) alone() {
	v.t.Helper()
	v.guests(func(g *guest) { v.t.Errorf("%v has a place in a loop", g.from) })
}

// TestLoopsBulkMovesWithItsBytes: a loop for bulk takes the stream over in the middle of it.
func TestLoopsBulkMovesWithItsBytes(t *testing.T) {
	v := settle(t, &server{boot: bootTime}, rules{loops: 3})
	var clients sync.WaitGroup
	for i := range 4 {
		clients.Go(func() {
			c := v.client()
			defer c.Close()
			text := strings.Repeat(fmt.Sprintf("client %d says the same again and again, ", i), 800_000)
			sent := make(chan error, 1)
			go func() {
				_, err := io.WriteString(c, text)
				sent <- errors.Join(err, c.CloseWrite())
			}()
			got, err := io.ReadAll(c)
			if err := errors.Join(err, <-sent); err != nil || string(got) != text {
				t.Errorf("client %d got %d of %d bytes, %v", i, len(got), len(text), err)
			}
		})
	}
	clients.Wait()
}
