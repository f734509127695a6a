package peek

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestWaitGoneTellsHowThePeerWent(t *testing.T) {
	for _, c := range []struct {
		name string
		act  func(t *testing.T, far tcpConn)
		want error
		left string // what can still be read
	}{
		{"end of stream", func(t *testing.T, far tcpConn) { end(t, far) }, ErrLeft, ""},
		{"close", func(t *testing.T, far tcpConn) { far.Close() }, ErrLeft, ""},
		{"reset", func(t *testing.T, far tcpConn) { reset(t, far) }, ErrReset, ""},
		{"reset behind bytes", func(t *testing.T, far tcpConn) { say(t, far, "bye"); reset(t, far) }, ErrReset, "bye"},
		{"reset behind bytes and end of stream", func(t *testing.T, far tcpConn) {
			say(t, far, "bye")
			end(t, far)
			reset(t, far)
		}, ErrReset, "bye"},
	} {
		t.Run(c.name+" before", func(t *testing.T) {
			onEach(t, func(t *testing.T, far, near tcpConn) {
				c.act(t, far)
				wantGone(t, WaitGone(soon(t), near), c.want)
				wantLeft(t, near, c.left)
			})
		})
		t.Run(c.name+" while waiting", func(t *testing.T) {
			onEach(t, func(t *testing.T, far, near tcpConn) {
				gone := make(chan error)
				go func() { gone <- WaitGone(soon(t), near) }()
				c.act(t, far)
				wantGone(t, <-gone, c.want)
				wantLeft(t, near, c.left)
			})
		})
	}
}

func wantGone(t *testing.T, got, want error) {
	t.Helper()
	if got != want {
		t.Errorf("WaitGone gave %v, want %v", got, want)
	}
}

// wantLeft reads what is queued: nothing may have been taken by looking.
func wantLeft(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got, _ := io.ReadAll(c) // how it ends is not the matter here
	if string(got) != want {
		t.Errorf("%q can be read, want %q", got, want)
	}
}

func TestWaitGoneStaysWhileThePeerIsThere(t *testing.T) {
	for _, c := range []struct {
		name string
		act  func(t *testing.T, far tcpConn)
		want glance // what must have been seen, and passed over
	}{
		{"nothing", func(*testing.T, tcpConn) {}, glance{}},
		{"bytes", func(t *testing.T, far tcpConn) { say(t, far, "hello") }, glance{queued: 5}},
		{"bytes and end of stream", func(t *testing.T, far tcpConn) {
			say(t, far, "hello")
			end(t, far)
		}, glance{queued: 5, ended: true}},
	} {
		for name, addr := range map[string]string{"ipv4": "127.0.0.1:0", "ipv6": "[::1]:0"} {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				far, near := loopback(t, addr)
				w := watch(t, near)
				c.act(t, far)
				w.until(t, func(g glance) bool { return g == c.want })
				w.wantStays(t)
				end(t, far)
				buf := make([]byte, 10)
				n, err := io.ReadFull(near, buf)
				if n != c.want.queued {
					t.Errorf("%d bytes can be read after it (%v), want %d", n, err, c.want.queued)
				}
			})
		}
		t.Run(c.name+"/memnet", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { staysInBubble(t, c.act) })
		})
	}
}

func staysInBubble(t *testing.T, act func(*testing.T, tcpConn)) {
	far, near := onMemnet(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	time.AfterFunc(time.Minute, func() { act(t, far) })
	if err := WaitGone(ctx, near); err != context.DeadlineExceeded {
		t.Errorf("WaitGone gave %v, want the context's error", err)
	}
}

func TestWaitGoneSeesAResetOfAHalfClosedPeer(t *testing.T) {
	far, near := loopback(t, "127.0.0.1:0")
	w := watch(t, near)
	say(t, far, "hello")
	w.until(t, func(g glance) bool { return g == glance{queued: 5} })
	end(t, far)
	w.until(t, func(g glance) bool { return g == glance{queued: 5, ended: true} })
	reset(t, far)
	wantGone(t, <-w.gone, ErrReset)
	wantLeft(t, near, "hello")
}

func TestWaitGoneSleepsThroughAFlood(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		far, near := loopback(t, addr)
		near.SetReadBuffer(1 << 20)
		w := watch(t, near)
		sent := flood(t, far)
		// One look per arriving segment is the most that the poller makes of it. A loop that looks again while
		// bytes are queued would go on looking until the writer gave up.
		if looks := w.looks.Load(); looks > 2000 {
			t.Errorf("%d looks for %d bytes", looks, sent)
		}
		w.wantStays(t)
		reset(t, far)
		if n, _ := io.Copy(io.Discard, near); n == 0 {
			t.Error("none of the flood can be read")
		}
	}
}

func TestWaitGoneNeverMissesAnEnd(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx := soon(t)
	for i := range 400 {
		far, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		near, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		want := ErrLeft
		if i%2 == 0 {
			want = ErrReset
			far.(*net.TCPConn).SetLinger(0)
		}
		go far.Close()
		wantGone(t, WaitGone(ctx, near), want)
		near.Close()
	}
}

func TestAfterWaitGoneTheConnectionIsAsBefore(t *testing.T) {
	onEach(t, func(t *testing.T, far, near tcpConn) {
		for range 50 { // cancelled before, while or after it begins to wait
			ctx, cancel := context.WithCancel(soon(t))
			go cancel()
			if err := WaitGone(ctx, near); err != context.Canceled {
				t.Fatalf("WaitGone gave %v, want the context's error", err)
			}
		}
		read := make(chan error)
		go func() {
			_, err := near.Read(make([]byte, 1))
			read <- err
		}()
		say(t, far, "x")
		if err := <-read; err != nil {
			t.Errorf("a Read after it gave %v: a deadline was left behind", err)
		}
	})
}

func TestClosingEndsWaitGone(t *testing.T) {
	onEach(t, func(t *testing.T, _, near tcpConn) {
		gone := make(chan error)
		go func() { gone <- WaitGone(soon(t), near) }()
		near.Close()
		if err := <-gone; !errors.Is(err, net.ErrClosed) {
			t.Errorf("WaitGone gave %v, want net.ErrClosed", err)
		}
	})
}

// A watched is a WaitGone that runs on a kernel's connection and shows what it sees.
type watched struct {
	gone  chan error
	seen  chan glance
	looks atomic.Int64
	leave context.CancelFunc
}

func watch(t *testing.T, c net.Conn) *watched {
	t.Helper()
	ctx, cancel := context.WithCancel(soon(t))
	t.Cleanup(cancel)
	w := &watched{gone: make(chan error, 1), seen: make(chan glance, 1<<16), leave: cancel}
	go func() {
		w.gone <- await(ctx, c, func(g glance) error {
			w.looks.Add(1)
			w.seen <- g
			return judgeGone(g)
		})
	}()
	return w
}

// until waits until a look has seen what ok wants.
func (w *watched) until(t *testing.T, ok func(glance) bool) {
	t.Helper()
	for {
		select {
		case g := <-w.seen:
			if ok(g) {
				return
			}
		case err := <-w.gone:
			t.Fatalf("it did not stay: %v", err)
		case <-time.After(30 * time.Second):
			t.Fatal("it was not seen within 30 s")
		}
	}
}

// wantStays checks that only its context ends it.
func (w *watched) wantStays(t *testing.T) {
	t.Helper()
	w.leave()
	if err := <-w.gone; err != context.Canceled {
		t.Errorf("WaitGone gave %v, want to stay until its context ends", err)
	}
}
