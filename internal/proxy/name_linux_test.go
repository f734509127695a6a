package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/rouse-proxy/rouse/internal/event"
)

// byName are the rules of a target whose address is a name, dialled by dial.
func byName(loops int, dial Dialer) rules { return rules{loops: loops, host: "localhost", dial: dial} }

// plainDial is a dial that works.
func plainDial(ctx context.Context, address string) (net.Conn, error) {
	return (&net.Dialer{KeepAlive: -1}).DialContext(ctx, "tcp", address)
}

func TestLoopTargetByName(t *testing.T) {
	onLoops(t, func(t *testing.T, loops int) {
		v := settle(t, &server{boot: bootTime}, byName(loops, nil))
		var clients sync.WaitGroup
		for i := range 50 {
			clients.Go(func() { v.served(v.client(), strings.Repeat(fmt.Sprint("client ", i), 1000)) })
		}
		clients.Wait()
		v.served(v.client(), "ready")
		v.die()
		v.served(v.client(), "woken again")
		v.ran(2, 0)
		v.ledger.wants(t, event.BackendSuspect, 1)
	})
}

// A slow dial does not end before the test says so, or its context ends.
type slowDial struct {
	begun chan struct{}
	end   chan func() (net.Conn, error) // what it gives
	deaf  bool                          // to the context
}

func newSlowDial() *slowDial {
	return &slowDial{begun: make(chan struct{}, 100), end: make(chan func() (net.Conn, error))}
}

func (s *slowDial) dial(ctx context.Context, _ string) (net.Conn, error) {
	s.begun <- struct{}{}
	done := ctx.Done()
	if s.deaf {
		done = nil
	}
	select {
	case f := <-s.end:
		return f()
	case <-done:
		return nil, ctx.Err()
	}
}

func TestLoopClientLeavesDuringTheDialByName(t *testing.T) {
	for name, leave := range goodbyes {
		t.Run(name, func(t *testing.T) {
			s := newSlowDial()
			v := settle(t, &server{boot: bootTime}, byName(1, s.dial))
			stays := v.awake() // over the probe's connection
			c := v.client()
			<-s.begun
			leave(c)
			v.counts(1, 0)
			v.ledger.reaches(t, event.ClientLeft, 1)
			v.served(stays, "not concerned")
			_ = c.Close()
		})
	}
}

// TestLoopDialByNameEndsAfterItsClient: whatever it brings, nothing is kept of it.
func TestLoopDialByNameEndsAfterItsClient(t *testing.T) {
	var v *village
	for name, end := range map[string]func() (net.Conn, error){
		"well":           func() (net.Conn, error) { return plainDial(context.Background(), v.address) },
		"badly":          func() (net.Conn, error) { return nil, errors.New("too late") },
		"with our fault": func() (net.Conn, error) { panic("a bug") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSlowDial()
			s.deaf = true
			v = settle(t, &server{boot: bootTime}, byName(1, s.dial))
			stays := v.awake()
			c := v.client()
			<-s.begun
			hangUp(c)
			v.ledger.reaches(t, event.ClientLeft, 1)
			s.end <- end
			v.counts(1, 0)
			v.served(stays, "not concerned")
		})
	}
}

func TestLoopPanickingDialCutsOneClientOnly(t *testing.T) {
	onLoops(t, func(t *testing.T, loops int) {
		s := newSlowDial()
		v := settle(t, &server{boot: bootTime}, byName(loops, s.dial))
		stays := v.awake()
		c, other := v.client(), v.client()
		<-s.begun
		<-s.begun
		s.end <- func() (net.Conn, error) { panic("a bug") }
		s.end <- func() (net.Conn, error) { return plainDial(context.Background(), v.address) }
		failures := 0
		for _, c := range []*net.TCPConn{c, other} {
			got, err := talk(c, "request")
			switch {
			case isReset(err):
				failures++
			case got != "request" || err != nil:
				t.Errorf("got %q, %v", got, err)
			}
		}
		if failures != 1 || strings.Count(v.logs.String(), "has cut one client") != 1 {
			t.Errorf("%d of 2 clients were cut\n%s", failures, v.logs.String())
		}
		v.served(stays, "not concerned")
	})
}

// TestLoopDialByNameHandsOver: the loop has become a busy one while the name was resolved.
func TestLoopDialByNameHandsOver(t *testing.T) {
	s := newSlowDial()
	v := settle(t, &server{boot: bootTime}, byName(2, s.dial))
	stays := v.awake()
	loads := v.group.Loops()
	for range 100 {
		loads[1].Claim(1)
	}
	c := v.client() // on the first loop
	<-s.begun
	for range 200 {
		loads[0].Claim(1)
	}
	s.end <- func() (net.Conn, error) { return plainDial(context.Background(), v.address) }
	v.chat(c, "moved")
	until(t, "the second loop carries it", func() bool { return loads[1].Load() > 100 }) // a beat later
	v.served(c, "and gone")
	v.served(stays, "not concerned")
	for range 100 {
		loads[0].Yield(1)
		loads[0].Yield(1)
		loads[1].Yield(1)
	}
}
