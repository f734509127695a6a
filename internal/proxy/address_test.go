package proxy

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/target"
)

// other lets a server answer at another port of the machine, from now on.
func (tw *town) other(t *testing.T, address string) { tw.otherServes(t, address, echo) }

func (tw *town) otherServes(t *testing.T, address string, serve func(net.Conn)) {
	ln, err := tw.net.Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
}

// TestAClientOfAnotherPortWakesTheTargetAndReachesItsPort: the connection that proved the target ready, at the port of the
// probe, is not given to it and not kept.
func TestAClientOfAnotherPortWakesTheTargetAndReachesItsPort(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tw := open(t, &town{boot: 20 * time.Second}, options{port: 22})
		tw.other(t, "vm:22")
		if got, err := tw.talk(tw.dial(), "to the other"); got != "to the other" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		tw.expect(target.Ready, 1, 0)
		synctest.Wait()
		if live := tw.live.Load(); live != 0 {
			t.Errorf("%d connections to the port of the probe are kept", live)
		}
	})
}

// TestAPortThatListensLateIsWaitedForAndOneThatNeverDoesEndsInReset: the target is up all the while, and holds count.
func TestAPortThatListensLateIsWaitedForAndOneThatNeverDoesEndsInReset(t *testing.T) {
	for name, late := range map[string]time.Duration{"late": 3 * time.Minute, "never": 0} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				tw := open(t, &town{boot: 20 * time.Second}, options{port: 22, patience: 4 * time.Minute})
				if late > 0 {
					time.AfterFunc(late, func() { tw.other(t, "vm:22") })
				}
				began := time.Now()
				got, err := tw.talk(tw.dial(), "request")
				if late > 0 && (got != "request" || err != nil || time.Since(began) > late+2*time.Second) {
					t.Errorf("after %v it got %q, %v", time.Since(began), got, err)
				}
				if late == 0 && (!errors.Is(err, syscall.ECONNRESET) || time.Since(began) < 4*time.Minute || time.Since(began) > 5*time.Minute) {
					t.Errorf("after %v it got %q, %v; want a reset at the end of its patience", time.Since(began), got, err)
				}
				tw.expect(target.Ready, 1, 0)
				if asked := tw.asked(); asked > 40 {
					t.Errorf("the target was asked %d times in %v", asked, time.Since(began))
				}
				time.Sleep(11 * time.Minute)
				tw.expect(target.Stopped, 1, 1)
			})
		})
	}
}

// asked is how often the target was asked or started.
func (tw *town) asked() int {
	asked := 0
	for _, l := range tw.trace.Lines() {
		if l.Kind == event.OperationBegun {
			asked++
		}
	}
	return asked
}

// TestManyClientsOfADeadPortAskForATargetOnce, be it that nobody listens there or that a forwarder closes at once: each time
// that the target is asked its door is shut for the clients of other ports, who wait as long as its status hook takes.
func TestManyClientsOfADeadPortAskForATargetOnce(t *testing.T) {
	for _, forwarder := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			tw := open(t, &town{boot: 20 * time.Second}, options{port: 22, patience: time.Minute})
			if forwarder {
				tw.otherServes(t, "vm:22", func(net.Conn) {})
			}
			defer tw.dial().Close()
			time.Sleep(25 * time.Second)
			before := tw.asked()
			for range 100 {
				c := tw.dial()
				time.Sleep(100 * time.Millisecond)
				_ = c.Close()
			}
			if asked := tw.asked() - before; asked > 2 {
				t.Errorf("100 clients of a dead port in 10 s have had the target asked %d times (a forwarder: %v)", asked, forwarder)
			}
			tw.expect(target.Ready, 1, 0)
		})
	}
}

// TestATargetThatDiedIsFoundByTheClientOfAnotherPort: within a pause, however often the port has failed before.
func TestATargetThatDiedIsFoundByTheClientOfAnotherPort(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tw := open(t, &town{boot: 20 * time.Second}, options{port: 22, patience: 5 * time.Minute})
		defer tw.dial().Close()
		time.Sleep(25 * time.Second)
		tw.die()
		time.Sleep(2 * blamePause)
		if starts := tw.starts.Load(); starts != 2 {
			t.Errorf("the target was started %d times, want 2", starts)
		}
	})
}
