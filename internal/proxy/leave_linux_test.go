package proxy

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/target"
)

// goodbyes are the ways in which a waiting client leaves.
var goodbyes = map[string]func(*net.TCPConn){
	"close":        func(c *net.TCPConn) { _ = c.Close() },
	"half-close":   func(c *net.TCPConn) { _ = c.CloseWrite() },
	"reset":        hangUp,
	"bytes, reset": func(c *net.TCPConn) { _, _ = io.WriteString(c, "x"); hangUp(c) },
	"bytes, half-close, reset": func(c *net.TCPConn) {
		_, _ = io.WriteString(c, "x")
		_ = c.CloseWrite()
		hangUp(c)
	},
}

func TestLoopLeavingWaitersDoNotKeepItAwake(t *testing.T) {
	for name, leave := range goodbyes {
		t.Run(name, func(t *testing.T) {
			onLoops(t, func(t *testing.T, loops int) {
				v := settle(t, &server{boot: 300 * time.Millisecond}, rules{loops: loops, cooldown: 50 * time.Millisecond})
				c := v.client()
				v.enters(target.Starting)
				v.counts(0, 1)
				leave(c)
				v.counts(0, 0)
				v.ledger.reaches(t, event.ClientLeft, 1)
				v.enters(target.Ready) // a start is not cut short
				v.becomes(target.Stopped)
				v.ran(1, 1)
				_ = c.Close()
				v.ledger.wants(t, event.ClientServed, 0)
			})
		})
	}
}

func TestLoopHalfClosedRequestIsServed(t *testing.T) {
	v := settle(t, &server{boot: 100 * time.Millisecond}, rules{})
	v.served(v.client(), strings.Repeat("request ", 1000))
	v.ledger.wants(t, event.ClientWaits, 1)
}

// TestLoopHalfClosedWaiterMayStillLeave: its end of stream says nothing, its reset does.
func TestLoopHalfClosedWaiterMayStillLeave(t *testing.T) {
	v := settle(t, &server{absent: true}, rules{startTimeout: time.Hour})
	c := v.client()
	if _, err := io.WriteString(c, "request"); err != nil {
		t.Fatal(err)
	}
	_ = c.CloseWrite()
	marker := v.client() // once it waits, the end of the first has been seen
	v.counts(0, 2)
	hangUp(c)
	v.counts(0, 1)
	v.ledger.reaches(t, event.ClientLeft, 1)
	hangUp(marker)
	v.counts(0, 0)
}

// leaver is a driver's view of a grant: somebody leaves in the moment in which the target gets ready.
type leaver struct {
	Waker
	leave func()
}

// Ask is for the proxy: the answer makes the client leave before it is known to the loop.
func (l leaver) Ask(h *target.Hold, w target.Waiter) { l.Waker.Ask(h, meddler{w, l.leave}) }

type meddler struct {
	target.Waiter
	leave func()
}

func (m meddler) Answered(h *target.Hold, err error) {
	m.leave()
	m.Waiter.Answered(h, err)
}

// TestLoopLeavesExactlyWhenGranted: the grant and the client's reset race to the loop.
func TestLoopLeavesExactlyWhenGranted(t *testing.T) {
	for name, leave := range goodbyes {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				leaveWhenGranted(t, leave)
			}
		})
	}
}

func leaveWhenGranted(t *testing.T, leave func(*net.TCPConn)) {
	t.Helper()
	going := make(chan *net.TCPConn, 1)
	gone := func() {
		select {
		case c := <-going:
			leave(c)
		default:
		}
	}
	s := &server{boot: time.Millisecond}
	v := settle(t, s, rules{cooldown: time.Millisecond, wrap: func(w Waker) Waker { return leaver{w, gone} }})
	c := v.client()
	going <- c
	until(t, "the client is accounted for", func() bool { return v.ledger.accounts() == 1 })
	v.becomes(target.Stopped)
	v.ran(1, 1)
	_ = c.Close()
	v.leave()
}

// TestLoopCrowdLeavesWhileItIsReleased: clients of all kinds, most of which leave around the moment of the wake.
func TestLoopCrowdLeavesWhileItIsReleased(t *testing.T) {
	onLoops(t, func(t *testing.T, loops int) {
		v := settle(t, &server{boot: 20 * time.Millisecond}, rules{loops: loops, cooldown: 50 * time.Millisecond})
		var clients sync.WaitGroup
		for i := range 100 {
			clients.Go(func() {
				c := v.client()
				defer c.Close()
				time.Sleep(time.Duration(10+i%20) * time.Millisecond)
				if i%4 == 0 {
					v.served(c, "stays")
					return
				}
				for _, leave := range goodbyes { // any of them
					leave(c)
					return
				}
			})
		}
		clients.Wait()
		v.counts(0, 0)
		v.becomes(target.Stopped)
		until(t, "all are accounted for", func() bool { return v.ledger.accounts() == 100 })
	})
}
