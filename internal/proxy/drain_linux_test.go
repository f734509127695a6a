package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/probe"
)

func TestLoopDrain(t *testing.T) {
	onLoops(t, func(t *testing.T, loops int) {
		v := settle(t, &server{boot: bootTime}, rules{loops: loops})
		var live []*net.TCPConn
		for range 20 {
			live = append(live, v.awake())
		}
		v.close()
		v.shut()
		for i, c := range live {
			v.chat(c, fmt.Sprint("still ", i))
		}
		v.served(live[0], "and to its own end")
		v.cut(errors.New("drained"))
		for _, c := range live[1:] {
			wantReset(t, c)
		}
	})
}

// shut waits until nobody is let in any more.
func (v *village) shut() {
	v.t.Helper()
	until(v.t, "clients are refused", func() bool {
		c, err := net.Dial("tcp", v.front)
		if err == nil {
			_ = c.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
}

func wantReset(t *testing.T, c *net.TCPConn) {
	t.Helper()
	if _, err := io.ReadAll(c); !isReset(err) {
		t.Errorf("the client saw %v, want a reset", err)
	}
	_ = c.Close()
}

// A phase is where in its life a client is when rouse ends; come brings one there.
type phase struct {
	rules rules
	come  func(v *village) *net.TCPConn
}

func phases() map[string]phase {
	slow, cannot := newSlowDial(), errors.Join(probe.ErrCannotAsk)
	return map[string]phase{
		"waiting": {rules{}, func(v *village) *net.TCPConn {
			v.deafen()
			c := v.client()
			v.counts(1, 1)
			return c
		}},
		"dialing": {rules{}, func(v *village) *net.TCPConn {
			v.block()
			c := v.client()
			until(v.t, "it dials", func() bool { return synSent(v.t, v.address) > 0 })
			return c
		}},
		"dialing by name": {byName(1, slow.dial), func(v *village) *net.TCPConn {
			c := v.client()
			<-slow.begun
			return c
		}},
		"resting": {rules{direct: func(string) (netip.AddrPort, error) { return netip.AddrPort{}, cannot }}, func(v *village) *net.TCPConn {
			c := v.client()
			v.ledger.reaches(v.t, event.BackendSuspect, 1)
			return c
		}},
	}
}

// deafen lets the server listen no more, nor boot again soon.
func (v *village) deafen() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.boot = time.Hour
	v.down()
}

// TestLoopUnservedAreToldAtOnceWhenRouseEnds, whatever they are waiting for; who is served goes on.
func TestLoopUnservedAreToldAtOnceWhenRouseEnds(t *testing.T) {
	for name, p := range phases() {
		t.Run(name, func(t *testing.T) {
			for _, loops := range []int{1, 2} {
				p.rules.loops = loops
				v := settle(t, &server{boot: bootTime}, p.rules)
				stays := v.awake()
				c := p.come(v)
				v.close()
				wantReset(t, c)
				v.chat(stays, "goes on")
				v.counts(1, 0)
				v.cut(errors.New("drained"))
				wantReset(t, stays)
				v.leave()
			}
		})
	}
}

// TestLoopQueuedAreToldAtOnceWhenRouseEnds: they have a hold, and wait for their turn, which is far away.
func TestLoopQueuedAreToldAtOnceWhenRouseEnds(t *testing.T) {
	onLoops(t, func(t *testing.T, loops int) {
		v := settle(t, &server{boot: 24 * time.Hour}, rules{loops: loops, startTimeout: time.Hour, rate: 0.001})
		clients := crowd(v, 5)
		v.rise()
		if _, err := io.ReadFull(clients[0], make([]byte, 4)); err != nil {
			t.Errorf("the first of the line: %v", err)
		}
		v.counts(5, 0)
		v.close()
		for _, c := range clients[1:] {
			wantReset(t, c)
		}
		v.chat(clients[0], "goes on")
		v.cut(errors.New("drained"))
		wantReset(t, clients[0])
	})
}

// TestLoopEndsInTheMiddleOfComingAndGoing: whatever happens then, Serve ends and nothing is left.
func TestLoopEndsInTheMiddleOfComingAndGoing(t *testing.T) {
	onLoops(t, func(t *testing.T, loops int) {
		for round := range 10 {
			v := settle(t, &server{boot: bootTime}, rules{loops: loops})
			done := make(chan struct{}, 30)
			for i := range 30 {
				go func() {
					time.Sleep(time.Duration(i*round) * time.Millisecond / 4)
					_, _ = v.attempt("maybe")
					done <- struct{}{}
				}()
			}
			time.Sleep(time.Duration(10*round) * time.Millisecond)
			v.close()
			v.cut(errors.New("at once"))
			for range 30 {
				<-done
			}
			v.leave()
		}
	})
}
