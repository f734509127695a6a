package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestHTTPWantsTheStatusesThatAreListed(t *testing.T) {
	var status atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) }))
	defer s.Close()
	listed := []StatusRange{{200, 204}, {401, 401}}
	for _, c := range []struct {
		status int
		wanted []StatusRange
		ready  bool
	}{
		{200, nil, true}, {302, nil, true}, {401, nil, false}, {503, nil, false},
		{200, listed, true}, {204, listed, true}, {302, listed, false}, {401, listed, true}, {402, listed, false},
	} {
		status.Store(int32(c.status))
		_, err := newProber(t, Options{Kind: HTTP, Path: "/", Status: c.wanted}).Once(t.Context(), s.Listener.Addr().String())
		if c.ready != (err == nil) || err != nil && !errors.Is(err, ErrAnswers) {
			t.Errorf("status %d with %v wanted: %v, want ready %v", c.status, c.wanted, err, c.ready)
		}
	}
}

func TestTLSShakesHands(t *testing.T) {
	var asked atomic.Value
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) { asked.Store(h.ServerName); return nil, nil }}
	s.StartTLS()
	defer s.Close()
	address := s.Listener.Addr().String()
	conn, err := newProber(t, Options{Kind: TLS, ServerName: "shop.example.org"}).Once(t.Context(), address)
	if conn != nil || err != nil || asked.Load() != "shop.example.org" {
		t.Errorf("%v, %v, asked for %q; want a handshake for the name, and no connection left", conn, err, asked.Load())
	}
	_, err = newProber(t, Options{Kind: TLS, ServerName: "shop.example.org", Verify: true}).Once(t.Context(), address)
	if !errors.Is(err, ErrAnswers) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("with verify: %v, want an answer that is not trusted", err)
	}
	if _, err = newProber(t, Options{Kind: HTTPS, Path: "/"}).Once(t.Context(), address); !errors.Is(err, ErrAnswers) {
		t.Errorf("https: %v, want the 404 as an answer", err)
	}
	if _, err = newProber(t, Options{Kind: HTTPS, Path: "/", Status: []StatusRange{{404, 404}}}).Once(t.Context(), address); err != nil {
		t.Errorf("https with the status that comes: %v", err)
	}
	mute := listen(t, func(c net.Conn) { t.Cleanup(func() { c.Close() }) })
	if _, err = newProber(t, Options{Kind: TLS, Timeout: 50 * time.Millisecond}).Once(t.Context(), mute); err == nil || errors.Is(err, ErrAnswers) {
		t.Errorf("of a server that says nothing: %v, want silence", err)
	}
}

func TestASocketIsAskedForThePathAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Value
	s := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked.Store(r.Host + r.URL.Path) })}
	go func() { _ = s.Serve(ln) }()
	defer s.Close()
	if _, err := newProber(t, Options{Kind: HTTP, Path: "/healthz"}).Once(t.Context(), "unix:"+path); err != nil || asked.Load() != "localhost/healthz" {
		t.Errorf("asked for %v, %v", asked.Load(), err)
	}
}

// A server behind a proxy hears nothing of a client before the header.
func TestThePreambleComesFirst(t *testing.T) {
	const preamble = "PROXY UNKNOWN\r\n"
	address := listen(t, func(c net.Conn) {
		go func() {
			defer c.Close()
			r := bufio.NewReader(c)
			first, _ := r.ReadString('\n')
			if first != preamble {
				return
			}
			_, _ = io.WriteString(c, "220 ready\r\n")
			_, _ = io.Copy(io.Discard, r)
		}()
	})
	conn, err := newProber(t, Options{Kind: Banner, Expect: "220", Preamble: []byte(preamble)}).Wait(t.Context(), address)
	if conn != nil || err != nil {
		t.Errorf("%v, %v; want ready, and no connection on which a client could not begin", conn, err)
	}
	if _, err := newProber(t, Options{Kind: Banner, Expect: "220"}).Once(t.Context(), address); err == nil {
		t.Error("the server answered without the header: the test proves nothing")
	}
}

// Who has answered once must answer again after the settle time.
func TestAnswersSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []time.Duration
		began := time.Now()
		p := newProber(t, Options{Kind: Exec, Settle: 3 * time.Second, Interval: time.Second, Command: func(context.Context, string) error {
			asked = append(asked, time.Since(began))
			if len(asked) == 2 {
				return errors.New("gone again")
			}
			return nil
		}})
		if _, err := p.Wait(t.Context(), "x:1"); err != nil {
			t.Fatal(err)
		}
		want := []time.Duration{0, 3 * time.Second, 4 * time.Second, 7 * time.Second}
		for i := range want {
			if len(asked) != len(want) || asked[i] != want[i] {
				t.Fatalf("asked at %v, want %v", asked, want)
			}
		}
	})
}

func TestTheUsersIntervalAndTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []time.Duration
		began := time.Now()
		p := newProber(t, Options{Kind: Exec, Interval: 5 * time.Second, Timeout: 2 * time.Second, Command: func(ctx context.Context, _ string) error {
			asked = append(asked, time.Since(began))
			switch len(asked) {
			case 1:
				return errors.New("no")
			case 2:
				<-ctx.Done() // hangs
				return ctx.Err()
			}
			return nil
		}})
		if _, err := p.Wait(t.Context(), "x:1"); err != nil {
			t.Fatal(err)
		}
		if len(asked) != 3 || asked[1] != 5*time.Second || asked[2] != 10*time.Second {
			t.Errorf("asked at %v, want every 5 s", asked)
		}
	})
}

func TestDialFromSpeaksForOthers(t *testing.T) {
	if err := CheckFrom("tcp4"); err != nil {
		t.Skipf("this needs Linux with CAP_NET_ADMIN: %v", err)
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	p := newProber(t, Options{})
	conn, err := p.DialFrom(t.Context(), "localhost:"+port, netip.MustParseAddr("127.0.0.9"))
	if err != nil || !strings.HasPrefix(conn.LocalAddr().String(), "127.0.0.9:") {
		t.Fatalf("%v, %v", conn, err)
	}
	_ = conn.Close()
	if _, err := p.DialFrom(t.Context(), "127.0.0.1:"+port, netip.MustParseAddr("2001:db8::1")); !errors.Is(err, ErrOtherFamily) {
		t.Errorf("from another family: %v", err)
	}
}
