package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestLiteral(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:80":         "127.0.0.1:80",
		"[::1]:80":             "[::1]:80",
		"[::ffff:10.0.0.1]:80": "10.0.0.1:80",
		"[fe80::1%eth0]:80":    "", "0.0.0.0:80": "", "[::]:80": "", "10.0.0.1:0": "",
		"10.0.0.1:http": "", "localhost:80": "", "10.0.0.1": "", ":80": "",
	} {
		got, ok := newProber(t, Options{}).literal(address)
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%s: %v, %v; want %q", address, got, ok, want)
		}
	}
	injected := Options{Dial: (&net.Dialer{}).DialContext}
	for _, opts := range []Options{injected, {Kind: Banner}, {Kind: HTTP}} {
		if _, ok := newProber(t, opts).literal("127.0.0.1:80"); ok {
			t.Errorf("%+v: sockets are used behind the back of what was asked for", opts)
		}
	}
}

// unused returns an address on that loopback at which nobody listens, or skips the test.
func unused(t testing.TB, host string) string {
	t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Skipf("this machine has no %s: %v", host, err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// A seeker is one seek to come.
type seeker struct {
	prober  *Prober
	pace    pace
	address string
}

// found is what a seek has led to.
type found struct {
	conn net.Conn
	err  error
}

// start seeks in the background.
func start(ctx context.Context, s seeker) <-chan found {
	done := make(chan found, 1)
	go func() {
		conn, err := s.prober.seek(ctx, s.pace, s.address)
		done <- found{conn, err}
	}()
	return done
}

// seekRefused seeks at address in the background, and returns when it has been refused a few times.
func seekRefused(ctx context.Context, p *Prober, address string) <-chan found {
	refused, refusals := make(chan struct{}), 0
	pace := p.waiting(0)
	pace.refused = func(time.Duration) time.Duration {
		if refusals++; refusals == 3 {
			close(refused)
		}
		return promptPause
	}
	done := start(ctx, seeker{p, pace, address})
	<-refused
	return done
}

// TestListenerThatOpensLaterSeesTheConnectionInUseAndNoOther: a second connection of the test's own stands behind
// whatever the probe has made.
func TestListenerThatOpensLaterSeesTheConnectionInUseAndNoOther(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			address := unused(t, host)
			seeking := seekRefused(t.Context(), newProber(t, Options{}), address)
			ln, err := net.Listen("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			got := <-seeking
			if got.err != nil {
				t.Fatal(got.err)
			}
			defer got.conn.Close()
			marker, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer marker.Close()
			for _, want := range []net.Conn{got.conn, marker} {
				wantNext(t, ln, want)
			}
		})
	}
}

// wantNext accepts the next connection, which must be the other end of want.
func wantNext(t *testing.T, ln net.Listener, want net.Conn) {
	t.Helper()
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if conn.RemoteAddr().String() != want.LocalAddr().String() || want.RemoteAddr().String() != ln.Addr().String() {
		t.Errorf("the listener saw %v, want %v", conn.RemoteAddr(), want.LocalAddr())
	}
}

func TestSeekThatEndsSaysWhatItSawLast(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			address := unused(t, host)
			seeking := seekRefused(ctx, newProber(t, Options{}), address)
			cancel()
			got := <-seeking
			if !errors.Is(got.err, syscall.ECONNREFUSED) || errors.Is(got.err, ErrCannotAsk) || !strings.Contains(got.err.Error(), address) {
				t.Errorf("%v, want the last refusal, with the address", got.err)
			}
		})
	}
}

func TestWhereNobodyMayConnectIsNotReady(t *testing.T) {
	address := listen(t, func(c net.Conn) { c.Close() })
	forbidden := errors.New("forbidden")
	for name, dial := range map[string]func(context.Context, string, string) (net.Conn, error){
		"sockets": nil, "dialer": (&net.Dialer{}).DialContext,
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			p := newProber(t, Options{Dial: dial, Allow: func(remote netip.AddrPort) error {
				if asked++; asked < 3 {
					return forbidden
				}
				return nil
			}})
			if _, err := p.Dial(t.Context(), address); !errors.Is(err, forbidden) {
				t.Errorf("Dial: %v, want what Allow said", err)
			}
			conn, err := p.Wait(t.Context(), address)
			if err != nil || asked != 3 {
				t.Fatalf("Wait: %v after %d questions, want the third to let it pass", err, asked)
			}
			conn.Close()
		})
	}
}
