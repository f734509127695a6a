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
