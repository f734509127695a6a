package probe

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newProber returns a prober or fails the test.
func newProber(t testing.TB, opts Options) *Prober {
	t.Helper()
	p, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// listen serves each connection with f on a loopback port.
func listen(t testing.TB, f func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go serveEach(ln, f)
	return ln.Addr().String()
}

func serveEach(ln net.Listener, f func(net.Conn)) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		f(conn)
	}
}

// deadPort returns a loopback address at which nobody listens.
func deadPort(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func TestTCPHandsOverTheConnectionThatProvedIt(t *testing.T) {
	var accepted atomic.Int32
	address := listen(t, func(c net.Conn) {
		accepted.Add(1)
		_, _ = io.WriteString(c, "hello")
		t.Cleanup(func() { c.Close() })
	})
	conn, err := newProber(t, Options{Settle: time.Minute}).Wait(t.Context(), address) // bytes end the settling early
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got := make([]byte, 5)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello" {
		t.Errorf("read %q, %v through the proving connection, want the server's first bytes", got, err)
	}
	if n := accepted.Load(); n != 1 {
		t.Errorf("the server saw %d connections, want the one that is used", n)
	}
}

func TestAcceptThenCloseIsNotReady(t *testing.T) {
	var accepted atomic.Int32
	address := listen(t, func(c net.Conn) {
		switch n := accepted.Add(1); {
		case n == 1:
			c.Close()
		case n == 2:
			_ = c.(*net.TCPConn).SetLinger(0)
			c.Close()
		default:
			t.Cleanup(func() { c.Close() })
		}
	})
	conn, err := newProber(t, Options{Settle: 50 * time.Millisecond}).Wait(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if n := accepted.Load(); n != 3 {
		t.Errorf("believed connection %d, want the third", n)
	}
}

func TestOnceSaysWhy(t *testing.T) {
	closing := listen(t, func(c net.Conn) { c.Close() })
	for _, c := range []struct{ name, address, want string }{
		{"refused", deadPort(t), "refused"},
		{"closed", closing, "accepted and closed again"},
	} {
		conn, err := newProber(t, Options{Settle: time.Second}).Once(t.Context(), c.address)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v; want %q", c.name, conn, err, c.want)
		}
		if errors.Is(err, ErrCannotAsk) {
			t.Errorf("%s: %v is said to be our own fault", c.name, err)
		}
	}
}

func TestOurOwnTroubleIsNoAnswer(t *testing.T) {
	for _, errno := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.EADDRNOTAVAIL, syscall.ENETUNREACH,
		&net.DNSError{IsTemporary: true}, &net.DNSError{IsTimeout: true}} {
		p := newProber(t, Options{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errno }})
		if _, err := p.Once(t.Context(), "x:1"); !errors.Is(err, ErrCannotAsk) {
			t.Errorf("%v: %v, want ErrCannotAsk", errno, err)
		}
	}
	p := newProber(t, Options{Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.DNSError{IsNotFound: true}
	}})
	if _, err := p.Once(t.Context(), "x:1"); errors.Is(err, ErrCannotAsk) {
		t.Errorf("a name that does not exist is an answer, got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Once(ctx, "x:1"); !errors.Is(err, ErrCannotAsk) {
		t.Errorf("a canceled question: %v, want ErrCannotAsk", err)
	}
}

// TestLostSYNsAreNeverWaitedOut: dials hang until their context ends, as when SYNs
// vanish; then one is answered. The clock is the bubble's.
func TestLostSYNsAreNeverWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var mu sync.Mutex // guards begun
		var begun []time.Duration
		up := began.Add(20 * time.Second)
		p := newProber(t, Options{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			mu.Lock()
			begun = append(begun, time.Since(began))
			mu.Unlock()
			if time.Now().After(up) {
				client, server := net.Pipe()
				server.Close()
				return client, nil
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		conn, err := p.Wait(t.Context(), "vm:22")
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if late := time.Since(up); late > dialBeat {
			t.Errorf("noticed %v late, want within %v", late, dialBeat)
		}
		for i := 1; i < len(begun); i++ {
			if gap := begun[i] - begun[i-1]; gap > dialBeat {
				t.Errorf("no fresh attempt for %v", gap)
			}
		}
	})
}

// TestFarAwayTargetIsReady: every packet takes long, so a fresh attempt is begun before an old one is answered. None may be
// given up for that (B2).
func TestFarAwayTargetIsReady(t *testing.T) {
	for kind, trips := range map[string]time.Duration{"tcp": 1, "http": 2} { // until ready: the connection, and the answer
		for _, trip := range []time.Duration{70 * time.Millisecond, time.Second, 2500 * time.Millisecond} {
			t.Run(kind+" "+trip.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					began := time.Now()
					p := newProber(t, Options{Kind: kind, Path: "/", Dial: farAway(trip)})
					conn, err := p.Wait(t.Context(), "vm:80")
					if err != nil {
						t.Fatal(err)
					}
					if conn != nil {
						conn.Close()
					}
					if took := time.Since(began); took > 6*trips*trip {
						t.Errorf("ready after %v, at %v for a round trip", took, trip)
					}
					if conn, err = p.Once(t.Context(), "vm:80"); err != nil && trips*trip < 3*time.Second {
						t.Errorf("it runs, and is taken for silent: %v", err)
					} else if conn != nil {
						conn.Close()
					}
					time.Sleep(2 * trip) // the servers of attempts that were given up end
				})
			})
		}
	}
}

// farAway dials a web server to which a round trip takes that long.
func farAway(trip time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		select {
		case <-time.After(trip):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		client, server := net.Pipe()
		go answerLate(server, trip)
		return client, nil
	}
}

func answerLate(server net.Conn, trip time.Duration) {
	defer server.Close()
	if _, err := http.ReadRequest(bufio.NewReader(server)); err != nil {
		return
	}
	time.Sleep(trip)
	_, _ = io.WriteString(server, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
}

// TestAskingGrowsRarer: a forwarder keeps each abandoned question and throws them
// all at a target that has just booted.
func TestAskingGrowsRarer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		var attempts atomic.Int32
		_, err := race(ctx, askPace, func(ctx context.Context) (net.Conn, error) {
			attempts.Add(1)
			<-ctx.Done()
			return nil, ctx.Err()
		})
		if n := attempts.Load(); err == nil || n > 200 {
			t.Errorf("%d attempts in five silent minutes (%v), want a few dozen a minute at most", n, err)
		}
	})
}

func TestHTTPWantsAGoodAnswer(t *testing.T) {
	var status atomic.Int32
	status.Store(502)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RequestURI() != "/health?deep=1" {
			t.Errorf("asked for %q", r.URL.RequestURI())
		}
		w.WriteHeader(int(status.Load()))
	}))
	defer server.Close()
	p := newProber(t, Options{Kind: HTTP, Path: "/health?deep=1"})
	address := server.Listener.Addr().String()
	if _, err := p.Once(t.Context(), address); err == nil || !strings.Contains(err.Error(), "502") {
		t.Errorf("a 502 was taken for: %v", err)
	}
	status.Store(204)
	conn, err := p.Wait(t.Context(), address)
	if err != nil || conn != nil {
		t.Errorf("a 204 gave %v, %v", conn, err)
	}
}

func TestBannerIsReadWithoutBeingConsumed(t *testing.T) {
	address := listen(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "SSH-")
		_, _ = io.WriteString(c, "2.0-test\r\n")
		t.Cleanup(func() { c.Close() })
	})
	conn, err := newProber(t, Options{Kind: Banner, Expect: "SSH-2.0"}).Wait(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got := make([]byte, 10)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "SSH-2.0-te" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestBannerRefusesAnotherServer(t *testing.T) {
	address := listen(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "220 mail\r\n")
		t.Cleanup(func() { c.Close() })
	})
	_, err := newProber(t, Options{Kind: Banner, Expect: "SSH-"}).Once(t.Context(), address)
	if err == nil || !strings.Contains(err.Error(), `"220 "`) {
		t.Errorf("another server was taken for: %v", err)
	}
}

func TestExecAsksOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, calls atomic.Int32
		p := newProber(t, Options{Kind: Exec, Command: func(ctx context.Context, address string) error {
			if running.Add(1) > 1 {
				t.Error("two commands at a time")
			}
			defer running.Add(-1)
			if calls.Add(1) < 5 {
				time.Sleep(time.Second)
				return errors.New("not yet")
			}
			return nil
		}})
		if _, err := p.Wait(t.Context(), "vm:1"); err != nil || calls.Load() != 5 {
			t.Errorf("%d calls, %v", calls.Load(), err)
		}
	})
}

func TestWaitEndsWithItsContextAndSaysWhatItSawLast(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := newProber(t, Options{}).Wait(ctx, deadPort(t))
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v, want the last refusal", err)
	}
}

func TestUnknownKindIsRefused(t *testing.T) {
	if _, err := New(Options{Kind: "psychic"}); err == nil {
		t.Error("an unknown kind was accepted")
	}
	if _, err := New(Options{Kind: Exec}); err == nil {
		t.Error("an exec probe without a command was accepted")
	}
}
