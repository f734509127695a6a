package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/memnet"
	"github.com/rouse-proxy/rouse/internal/target"
)

// bubble runs f in a synctest bubble.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func TestAsleepIsWokenAndServedByteForByte(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tw := open(t, &town{boot: 40 * time.Second}, options{})
		began := time.Now()
		text := strings.Repeat("early bytes ", 1000)
		if got, err := tw.talk(tw.dial(), text); got != text || err != nil {
			t.Errorf("got %d bytes, %v; want the %d that were sent", len(got), err, len(text))
		}
		if waited := time.Since(began); waited < 40*time.Second || waited > 41*time.Second {
			t.Errorf("served after %v, want the boot time and little more", waited)
		}
		tw.expect(target.Ready, 1, 0)
		time.Sleep(11 * time.Minute)
		tw.expect(target.Stopped, 1, 1)
	})
}

func TestManyClientsOneStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tw := open(t, &town{boot: 20 * time.Second}, options{})
		var clients sync.WaitGroup
		for i := range 300 {
			clients.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond) // before, while and after it gets ready
				text := fmt.Sprint("client ", i)
				if got, err := tw.talk(tw.dial(), text); got != text || err != nil {
					t.Errorf("client %d got %q, %v", i, got, err)
				}
			})
		}
		clients.Wait()
		tw.expect(target.Ready, 1, 0)
	})
}

// TestLeavingWaitersDoNotKeepItAwake: a FIN with nothing sent, and a reset, with
// and without bytes, give the wait back at once; a half-closed request does not (A3, A4).
func TestLeavingWaitersDoNotKeepItAwake(t *testing.T) {
	for name, leave := range map[string]func(*memnet.Conn){
		"close":        func(c *memnet.Conn) { c.Close() },
		"half-close":   func(c *memnet.Conn) { _ = c.CloseWrite() },
		"reset":        func(c *memnet.Conn) { _ = c.SetLinger(0); c.Close() },
		"bytes, reset": func(c *memnet.Conn) { _, _ = io.WriteString(c, "x"); _ = c.SetLinger(0); c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				tw := open(t, &town{boot: time.Minute}, options{})
				c := tw.dial()
				time.Sleep(10 * time.Second)
				if st := tw.target.Status(); st.Waiting != 1 {
					t.Fatalf("waiting: %+v", st)
				}
				leave(c)
				synctest.Wait()
				if st := tw.target.Status(); st.Waiting != 0 {
					t.Errorf("still waited for: %+v", st)
				}
				time.Sleep(time.Minute)
				tw.expect(target.Ready, 1, 0) // a start is not cut short
				time.Sleep(10 * time.Minute)
				tw.expect(target.Stopped, 1, 1)
				c.Close()
			})
		})
	}
}

func TestFailedWakeEndsInReset(t *testing.T) {
	for name, prepare := range map[string]func(*town){
		"the start fails":     func(tw *town) { tw.startErr = errBroken },
		"nobody ever listens": func(tw *town) { tw.boot = time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				tw := &town{}
				prepare(tw)
				open(t, tw, options{})
				got, err := tw.talk(tw.dial(), "request")
				if !errors.Is(err, syscall.ECONNRESET) || got != "" {
					t.Errorf("the client saw %q, %v; want a reset", got, err)
				}
				time.Sleep(time.Hour) // the late boot of the second case
			})
		})
	}
}

func TestForwarderThatAcceptsAndClosesIsNotBelieved(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tw := open(t, &town{boot: 30 * time.Second, forwarder: true}, options{})
		if got, err := tw.talk(tw.dial(), "not lost"); got != "not lost" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		tw.expect(target.Ready, 1, 0)
	})
}

func TestServerThatSpeaksFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tw := open(t, &town{boot: time.Second, serve: func(c net.Conn) { _, _ = io.WriteString(c, "220 hello"); echo(c) }}, options{})
		c := tw.dial()
		defer c.Close()
		hello := make([]byte, 9)
		if _, err := io.ReadFull(c, hello); err != nil || string(hello) != "220 hello" {
			t.Errorf("read %q, %v", hello, err)
		}
	})
}

func TestArriveWhileStopping(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tw := open(t, &town{boot: time.Second, stopTime: 20 * time.Second}, options{})
		_, _ = tw.talk(tw.dial(), "first")
		time.Sleep(10*time.Minute + 5*time.Second)
		tw.expect(target.Stopping, 1, 1)
		if got, err := tw.talk(tw.dial(), "second"); got != "second" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		tw.expect(target.Ready, 2, 1)
	})
}

// TestClientThatTriesAgainIsServedByTheSameStart: its own patience is shorter than the boot, so it leaves and comes back, and
// the target is nearer each time (A16).
func TestClientThatTriesAgainIsServedByTheSameStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tw := open(t, &town{boot: 41 * time.Second}, options{})
		tries := 0
		for served := false; !served; tries++ {
			c := tw.dial()
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
			_, _ = io.WriteString(c, "hello")
			answer := make([]byte, 5)
			_, err := io.ReadFull(c, answer)
			served = err == nil
			_ = c.SetLinger(0) // as one does that has given up
			c.Close()
		}
		if tries != 9 {
			t.Errorf("served at try %d, want the 9th", tries)
		}
		time.Sleep(9 * time.Minute)
		tw.expect(target.Ready, 1, 0)
	})
}

func TestConnectedClientKeepsItAwake(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tw := open(t, &town{boot: time.Second}, options{})
		c := tw.dial()
		time.Sleep(24 * time.Hour)
		tw.expect(target.Ready, 1, 0)
		if got, err := tw.talk(c, "still there"); got != "still there" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

// TestTargetThatDiedIsWokenByTheNextClient, whether its address refuses or swallows.
func TestTargetThatDiedIsWokenByTheNextClient(t *testing.T) {
	for _, swallow := range []bool{false, true} {
		t.Run(fmt.Sprint("swallow ", swallow), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				tw := open(t, &town{boot: 10 * time.Second}, options{})
				_, _ = tw.talk(tw.dial(), "first")
				tw.die()
				tw.net.Drop(back, swallow)
				time.AfterFunc(20*time.Second, func() { tw.net.Drop(back, false) })
				if got, err := tw.talk(tw.dial(), "second"); got != "second" || err != nil {
					t.Errorf("got %q, %v", got, err)
				}
				tw.expect(target.Ready, 2, 0)
			})
		})
	}
}

func TestTargetThatDiesUnderItsClientsResetsThem(t *testing.T) {
	bubble(t, func(t *testing.T) {
		kill := make(chan struct{})
		tw := open(t, &town{boot: time.Second, serve: func(c net.Conn) {
			<-kill
			_ = c.(*memnet.Conn).SetLinger(0)
		}}, options{})
		c := tw.dial()
		defer c.Close()
		time.Sleep(2 * time.Second)
		close(kill)
		if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the client saw %v, want a reset", err)
		}
	})
}

// sick fails to accept for a while.
type sick struct {
	net.Listener
	errs  []error
	calls atomic.Int32
}

func (s *sick) Accept() (net.Conn, error) {
	if n := int(s.calls.Add(1)); n <= len(s.errs) {
		return nil, s.errs[n-1]
	}
	return s.Listener.Accept()
}

func TestAcceptErrorsHealWithoutSpinning(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var s *sick
		tw := open(t, &town{boot: time.Second}, options{listener: func(ln net.Listener) net.Listener {
			s = &sick{Listener: ln}
			for range 20 {
				s.errs = append(s.errs, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ECONNABORTED, errors.New("something new"))
			}
			return s
		}})
		began := time.Now()
		if got, err := tw.talk(tw.dial(), "patience"); got != "patience" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		took := time.Since(began)
		if took < 80*time.Second {
			t.Errorf("a hundred failures in %v: that spins", took)
		}
		if lines := strings.Count(tw.logs.String(), "cannot accept"); lines > int(took/quietTime)+1 {
			t.Errorf("%d log lines in %v", lines, took)
		}
	})
}

func TestFullHouseWaitsOutside(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tw := open(t, &town{boot: time.Second}, options{clients: 2})
		first, second := tw.dial(), tw.dial()
		third := tw.dial()
		time.Sleep(time.Minute)
		if st := tw.target.Status(); st.Held != 2 {
			t.Errorf("held: %+v, want 2", st)
		}
		first.Close()
		if got, err := tw.talk(third, "in at last"); got != "in at last" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		second.Close()
	})
}

func TestDrain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tw := open(t, &town{boot: time.Second}, options{})
		c := tw.dial()
		defer c.Close()
		time.Sleep(2 * time.Second)
		tw.close()
		synctest.Wait()
		if _, err := tw.net.Dial(t.Context(), front); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a client after the end of accepting: %v", err)
		}
		if _, err := io.WriteString(c, "still"); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 5)
		if _, err := io.ReadFull(c, answer); err != nil {
			t.Errorf("a live client while draining: %v", err)
		}
		tw.cut(errors.New("drained"))
		if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a live client after the drain: %v, want a reset", err)
		}
	})
}

func TestEveryClientIsAccountedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tw := open(t, &town{boot: time.Second}, options{})
		_, _ = tw.talk(tw.dial(), "0123456789")
		synctest.Wait() // its account comes after its last byte
		gone := tw.dial()
		gone.Close()
		time.Sleep(time.Minute)
		synctest.Wait()
		var served, ended int
		for len(tw.events) > 0 {
			switch e := <-tw.events; e.Kind {
			case event.ClientServed:
				served++
			case event.ClientEnded:
				if ended++; ended == 1 && (e.Sent != 10 || e.Received != 10 || e.Cause != "closed") {
					t.Errorf("account: %+v", e)
				}
			}
		}
		if served != ended || served < 1 {
			t.Errorf("%d served, %d ended", served, ended)
		}
	})
}

func TestPanicCutsOneClientOnly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tw := open(t, &town{boot: time.Second}, options{dial: func(context.Context, string) (net.Conn, error) { panic("a bug") }})
		if got, err := tw.talk(tw.dial(), "first"); got != "first" || err != nil { // over the probe's connection
			t.Errorf("got %q, %v", got, err)
		}
		if _, err := tw.talk(tw.dial(), "second"); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the client of the panic saw %v, want a reset", err)
		}
		synctest.Wait()
		if st := tw.target.Status(); st.Held != 0 || !strings.Contains(tw.logs.String(), "a bug") {
			t.Errorf("after the panic: %+v\n%s", st, tw.logs.String())
		}
	})
}

// TestPanicIsToldBeforeTheHoldIsGivenBack: the trace of the town shows whether every client has an end.
func TestPanicIsToldBeforeTheHoldIsGivenBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var tw *town
		tw = open(t, &town{boot: time.Second}, options{dial: func(ctx context.Context, address string) (net.Conn, error) {
			conn, err := tw.net.DialContext(ctx, "tcp", address)
			return struct{ net.Conn }{conn}, err // nothing that can be relayed
		}})
		if got, err := tw.talk(tw.dial(), "first"); got != "first" || err != nil { // over the probe's connection
			t.Errorf("got %q, %v", got, err)
		}
		if _, err := tw.talk(tw.dial(), "second"); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the client of the panic saw %v, want a reset", err)
		}
		synctest.Wait()
		last := event.Event{}
		for len(tw.events) > 0 {
			if e := <-tw.events; e.Client != "" {
				last = e
			}
		}
		if st := tw.target.Status(); st.Held != 0 || last.Kind != event.ClientEnded {
			t.Errorf("after the panic: %+v, %+v", st, last)
		}
	})
}

func TestWaitersAreToldAtOnceWhenRouseEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tw := open(t, &town{boot: time.Minute}, options{})
		c := tw.dial()
		defer c.Close()
		time.Sleep(time.Second)
		tw.close()
		if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the waiting client saw %v, want a reset", err)
		}
		synctest.Wait()
		if st := tw.target.Status(); st.Waiting != 0 {
			t.Errorf("still waited for: %+v", st)
		}
	})
}
