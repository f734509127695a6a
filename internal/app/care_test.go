package app

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/config"
	"github.com/rouse-proxy/rouse/internal/probe"
	"github.com/rouse-proxy/rouse/internal/target"
)

// entered dials and reads the greeting: the client is relayed then.
func (h *house) entered(conn net.Conn, by string) net.Conn {
	h.t.Helper()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	got := make([]byte, len(by)+1)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != by+":" {
		h.t.Fatalf("greeted with %q, %v", got, err)
	}
	return conn
}

// echoes sends a byte and waits for it.
func (h *house) echoes(conn net.Conn) {
	h.t.Helper()
	if _, err := conn.Write([]byte("x")); err != nil {
		h.t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) unix(path string) net.Conn {
	h.t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// Connections that carry nothing keep a target awake as long as one of them does, on loops and on goroutines. Then all go.
func TestSilentConnectionsGoTogether(t *testing.T) {
	h := newHouse(t, "web")
	front := filepath.Join(h.dir, "f.sock")
	h.cfg.Targets[0].NoTraffic, h.cfg.Targets[0].Cooldown = 400*time.Millisecond, 100*time.Millisecond
	h.open(config.Route{To: to("web")}, config.Route{To: to("web"), Socket: config.UnixListen{Path: front, Mode: 0o600}})
	silent := h.entered(h.from("127.0.0.1", 0), "web")
	silentToo := h.entered(h.unix(front), "web")
	for _, speaks := range []net.Conn{h.entered(h.from("127.0.0.2", 0), "web"), h.entered(h.unix(front), "web")} {
		for began := time.Now(); time.Since(began) < time.Second; time.Sleep(20 * time.Millisecond) {
			h.echoes(speaks)
		}
		if st := h.app.Status("web"); st.Held < 3 {
			t.Fatalf("a connection that carries bytes did not keep the others: %+v", st)
		}
		_ = speaks.Close()
	}
	await(t, func() bool { return h.app.Status("web").State == target.Stopped })
	if _, err := silent.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the silent client of TCP read %v, want a reset", err)
	}
	if _, err := silentToo.Read(make([]byte, 1)); err == nil {
		t.Error("the silent client of the unix socket is still there")
	}
	if got := h.log(); got != "start web, stop web" {
		t.Errorf("the hooks did: %s", got)
	}
}

// Nothing is gained by closing the connections to a target that somebody else keeps awake.
func TestSilentConnectionsStayWithATargetThatIsHeld(t *testing.T) {
	h := newHouse(t, "web")
	h.cfg.Targets[0].NoTraffic = 100 * time.Millisecond
	h.open(config.Route{To: to("web")})
	if err := h.app.Hold("web", time.Now().Add(time.Hour), ""); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return h.app.Status("web").State == target.Ready })
	silent := h.entered(h.from("127.0.0.1", 0), "web")
	_ = silent.SetReadDeadline(time.Now().Add(time.Second))
	if _, err := silent.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %v, want a connection that stays", err)
	}
	if n, err := h.app.Release("web"); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	_ = silent.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := silent.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %v after the release, want a reset", err)
	}
}

func TestABusyProgramPutsTheStopOff(t *testing.T) {
	h := newHouse(t, "web")
	lock := filepath.Join(h.dir, "job")
	w := &h.cfg.Targets[0]
	w.Cooldown = 50 * time.Millisecond
	w.Busy = config.Busy{Command: hook(t, h.dir, "busy.sh", "echo $ROUSE_EVENT >>"+h.dir+"/asked; test -e "+lock), Every: 30 * time.Millisecond, Timeout: 10 * time.Second, AtMost: time.Hour}
	if err := os.WriteFile(lock, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.open(config.Route{To: to("web")})
	h.served(h.from("127.0.0.1", 0), "web", "hello")
	await(t, func() bool { b, _ := os.ReadFile(filepath.Join(h.dir, "asked")); return len(b) >= 3*len("busy\n") })
	if st := h.app.Status("web"); st.State != target.Ready || !st.Busy {
		t.Errorf("%+v, want a target that is busy", st)
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return h.app.Status("web").State == target.Stopped })
}

func TestABusyServerPutsTheStopOff(t *testing.T) {
	h := newHouse(t, "web")
	var asked, busy atomic.Int32
	busy.Store(http.StatusOK)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/jobs" {
			asked.Add(1)
			w.WriteHeader(int(busy.Load()))
		}
	}))
	defer s.Close()
	w := &h.cfg.Targets[0]
	addr := s.Listener.Addr().(*net.TCPAddr)
	w.Backend = config.Backend{Host: addr.IP.String(), Port: uint16(addr.Port)}
	w.Cooldown, w.Busy = 50*time.Millisecond, config.Busy{Path: "/jobs", Every: 30 * time.Millisecond, Timeout: 10 * time.Second, AtMost: time.Hour}
	h.open(config.Route{To: to("web")})
	_ = h.from("127.0.0.1", 0).Close()
	if err := h.app.Hold("web", time.Now().Add(50*time.Millisecond), ""); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return asked.Load() >= 3 })
	if st := h.app.Status("web"); st.State != target.Ready {
		t.Errorf("%+v, want a target that is not stopped", st)
	}
	busy.Store(http.StatusNotFound)
	await(t, func() bool { return h.app.Status("web").State == target.Stopped })
}

// On the loopback every address is ours, but the way is the same.
func TestClientsAreSpokenFor(t *testing.T) {
	if err := probe.CheckFrom("tcp4"); err != nil {
		t.Skipf("this needs Linux with CAP_NET_ADMIN: %v", err)
	}
	h := newHouse(t, "web")
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, conn.RemoteAddr().(*net.TCPAddr).IP.String())
			_ = conn.Close()
		}
	}()
	h.cfg.Targets[0].Backend = config.Backend{Host: "127.0.0.1", Port: uint16(ln.Addr().(*net.TCPAddr).Port)}
	h.open(config.Route{Listen: netip.MustParseAddrPort("127.0.0.1:0"), To: to("web"), Transparent: true},
		config.Route{Listen: netip.MustParseAddrPort("[::1]:0"), To: to("web"), Transparent: true})
	for _, from := range []string{"127.0.0.9", "127.0.0.10"} {
		if got, err := hears(h.from(from, 0)); err != nil || got != from {
			t.Errorf("the backend saw %q, %v; want %s", got, err, from)
		}
	}
	began := time.Now()
	if got, err := hears(h.from("::1", 1)); !errors.Is(err, syscall.ECONNRESET) || time.Since(began) > 10*time.Second {
		t.Errorf("a client of another family got %q, %v after %v; want a reset at once", got, err, time.Since(began))
	}
}

// hears returns all that comes.
func hears(conn net.Conn) (string, error) {
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	got, err := io.ReadAll(conn)
	return string(got), err
}

func TestAPersonWakesAndStops(t *testing.T) {
	h := newHouse(t, "web", "nas")
	h.cfg.Targets[0].Groups, h.cfg.Targets[1].Groups = []string{"lab"}, []string{"lab"}
	h.open(config.Route{To: to("web")}, config.Route{To: to("nas")})
	if err := h.app.Wake("nobody"); err == nil {
		t.Error("nobody was woken")
	}
	if err := h.app.Wake("lab"); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool {
		return h.app.Status("web").State == target.Ready && h.app.Status("nas").State == target.Ready && h.app.Status("web").Held+h.app.Status("nas").Held == 0
	})
	conn := h.entered(h.from("127.0.0.1", 0), "web")
	if err := h.app.Stop("lab", false); err == nil || !strings.Contains(err.Error(), `"web" is not stopped: it is in use: held by 1, and 0 wait for it`) {
		t.Errorf("stopped beside a client: %v", err)
	}
	_ = conn.Close()
	await(t, func() bool { return h.app.Status("web").Held == 0 })
	if err := h.app.Stop("lab", false); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool {
		return h.app.Status("web").State == target.Stopped && h.app.Status("nas").State == target.Stopped
	})
	if err := h.app.Hold("web", time.Now().Add(time.Hour), ""); err != nil {
		t.Fatal(err)
	}
	if err := h.app.Stop("web", false); err == nil || !strings.Contains(err.Error(), "is held by hand until") {
		t.Errorf("stopped against a hold: %v", err)
	}
}
