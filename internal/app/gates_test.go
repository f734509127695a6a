package app

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/config"
	"github.com/rouse-proxy/rouse/internal/proxyproto"
	"github.com/rouse-proxy/rouse/internal/target"
)

// house is a rouse whose targets are made of files: one is awake while its file is there. What serves is always there, and answers
// with its name and what it has heard.
type house struct {
	t   *testing.T
	dir string
	cfg *config.Config
	app *App
}

func newHouse(t *testing.T, targets ...string) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir()}
	h.cfg = &config.Config{State: filepath.Join(h.dir, "state"), OnExit: config.OnExitKeep, Drain: time.Second}
	for _, name := range targets {
		h.cfg.Targets = append(h.cfg.Targets, h.target(name))
	}
	return h
}

func (h *house) target(name string) config.Target {
	h.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = ln.Close() })
	go parrots(name, ln)
	back := netip.MustParseAddrPort(ln.Addr().String())
	file := filepath.Join(h.dir, name)
	return config.Target{
		Name: name, Backend: config.Backend{Host: back.Addr().String(), Port: back.Port()},
		Hooks: config.Hooks{
			Start:  hook(h.t, h.dir, name+"-start.sh", "echo start $ROUSE_TARGET >>"+h.dir+"/log; echo >"+file),
			Stop:   hook(h.t, h.dir, name+"-stop.sh", "echo stop $ROUSE_TARGET >>"+h.dir+"/log; rm -f "+file),
			Status: hook(h.t, h.dir, name+"-status.sh", "test -e "+file+" || exit 3"),
		},
		Probe:    config.Probe{Kind: config.ProbeTCP},
		Cooldown: time.Hour, StartTimeout: time.Minute, StopTimeout: time.Minute,
	}
}

// parrots serve: each says its name and then repeats.
func parrots(name string, ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			_, _ = io.WriteString(conn, name+":")
			_, _ = io.Copy(conn, conn)
			if half, ok := conn.(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite()
			}
		}()
	}
}

func (h *house) open(routes ...config.Route) {
	h.t.Helper()
	for _, r := range routes {
		if r.Socket.Path == "" && !r.Listen.IsValid() {
			r.Listen = netip.MustParseAddrPort("127.0.0.1:0")
		}
		h.cfg.Routes = append(h.cfg.Routes, r)
	}
	h.app = launch(h.t, h.cfg)
	await(h.t, func() bool { h.app.mu.Lock(); defer h.app.mu.Unlock(); return h.app.run != nil })
}

// log is what the hooks have done.
func (h *house) log() string {
	b, err := os.ReadFile(filepath.Join(h.dir, "log"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		h.t.Fatal(err)
	}
	return strings.ReplaceAll(strings.TrimSpace(string(b)), "\n", ", ")
}

// from dials the i-th listener from an address of this machine.
func (h *house) from(ip string, i int) net.Conn {
	h.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	conn, err := d.Dial("tcp", h.app.Addrs()[i].String())
	if errors.Is(err, syscall.ECONNRESET) { // it was quick
		return reset{}
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// reset is a connection that was reset before it was known to be one.
type reset struct{ net.Conn }

func (reset) Read([]byte) (int, error)    { return 0, syscall.ECONNRESET }
func (reset) Write([]byte) (int, error)   { return 0, syscall.ECONNRESET }
func (reset) SetDeadline(time.Time) error { return nil }
func (reset) Close() error                { return nil }

// says sends a text, ends the stream, and returns all that comes back.
func says(conn net.Conn, text string) (string, error) {
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		return "", err
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	got, err := io.ReadAll(conn)
	return string(got), err
}

func (h *house) served(conn net.Conn, by, text string) {
	h.t.Helper()
	if got, err := says(conn, text); err != nil || got != by+":"+text {
		h.t.Errorf("got %.100q, %v; want %.100q by %s", got, err, text, by)
	}
}

func (h *house) refused(conn net.Conn, text string) {
	h.t.Helper()
	if got, err := says(conn, text); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		h.t.Errorf("got %.100q, %v; want a reset", got, err)
	}
}

func sources(texts ...string) (s config.Sources) {
	for _, text := range texts {
		s.Prefixes = append(s.Prefixes, netip.MustParsePrefix(text))
	}
	return s
}

func to(name string) config.To { return config.To{Target: name} }

func TestAStrangerUsesWhatAFriendHasWoken(t *testing.T) {
	h := newHouse(t, "web")
	h.open(config.Route{To: to("web"), Gate: config.Gate{ConnectFrom: sources("127.0.0.0/29"), WakeFrom: sources("127.0.0.2/32")}})
	h.refused(h.from("127.0.0.3", 0), "hello")
	if got := h.log(); got != "" {
		t.Fatalf("a stranger has caused: %s", got)
	}
	h.served(h.from("127.0.0.2", 0), "web", "hello")
	h.served(h.from("127.0.0.3", 0), "web", strings.Repeat("more ", 100_000))
	h.refused(h.from("127.0.0.9", 0), "hello")
	if got := h.log(); got != "start web" {
		t.Errorf("the hooks did: %s", got)
	}
}

func TestAScannerWakesNothing(t *testing.T) {
	h := newHouse(t, "web")
	h.open(config.Route{To: to("web"), Gate: config.Gate{MinHold: 300 * time.Millisecond}})
	for range 50 {
		_ = h.from("127.0.0.1", 0).Close()
	}
	await(t, func() bool { st := h.app.Status("web"); return st.Held+st.Waiting == 0 })
	if got := h.log(); got != "" {
		t.Fatalf("scanners have caused: %s", got)
	}
	h.served(h.from("127.0.0.1", 0), "web", "hello")
}

func TestWhatAClientSaysWakes(t *testing.T) {
	h := newHouse(t, "vm")
	h.open(config.Route{To: to("vm"), Gate: config.Gate{WakeOn: []config.Shape{{Kind: "ssh"}}}})
	h.refused(h.from("127.0.0.1", 0), "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	h.refused(h.from("127.0.0.1", 0), "SSH-2.")
	if got := h.log(); got != "" {
		t.Fatalf("they have caused: %s", got)
	}
	conn := h.from("127.0.0.1", 0)
	for _, piece := range []string{"SS", "H-2.0-Open", "SSH_9\r"} {
		if _, err := io.WriteString(conn, piece); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if got, err := says(conn, "\nrest"); err != nil || got != "vm:SSH-2.0-OpenSSH_9\r\nrest" {
		t.Errorf("got %q, %v", got, err)
	}
	h.served(h.from("127.0.0.1", 0), "vm", "GET /") // it is awake
}

// helloOf is what a TLS client says first.
func helloOf(t *testing.T, name string) string {
	t.Helper()
	here, there := net.Pipe()
	defer here.Close()
	go func() {
		_ = tls.Client(there, &tls.Config{ServerName: name, InsecureSkipVerify: true}).Handshake()
		_ = there.Close()
	}()
	b := make([]byte, 16<<10)
	n, err := here.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func TestClientsAreLedByWhatTheySay(t *testing.T) {
	h := newHouse(t, "shop", "wiki", "rest")
	h.open(
		config.Route{To: to("rest"), Choices: []config.Choice{
			{Shape: config.Shape{Kind: "tls", Names: []string{"shop.example"}}, To: to("shop")},
			{Shape: config.Shape{Kind: "tls", Names: []string{"*.wiki.example"}}, To: to("wiki")},
			{Shape: config.Shape{Kind: "http", Names: []string{"wiki.example"}}, To: to("wiki")},
		}},
		config.Route{Choices: []config.Choice{{Shape: config.Shape{Kind: "tls", Names: []string{"shop.example"}}, To: to("shop")}}},
	)
	hello := helloOf(t, "shop.example")
	conn := h.from("127.0.0.1", 0)
	if _, err := io.WriteString(conn, hello[:40]); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	if got, err := says(conn, hello[40:]); err != nil || got != "shop:"+hello {
		t.Errorf("got %.60q, %v", got, err)
	}
	h.served(h.from("127.0.0.1", 0), "wiki", helloOf(t, "de.wiki.example"))
	h.served(h.from("127.0.0.1", 0), "wiki", "GET /x HTTP/1.1\r\nhost: WIKI.example:80\r\n\r\nbody")
	h.served(h.from("127.0.0.1", 0), "rest", helloOf(t, "other.example"))
	h.served(h.from("127.0.0.1", 0), "rest", "SSH-2.0-x\r\n")
	h.refused(h.from("127.0.0.1", 1), helloOf(t, "other.example"))
	h.served(h.from("127.0.0.1", 1), "shop", hello)
	if got := h.log(); got != "start shop, start wiki, start rest" {
		t.Errorf("the hooks did: %s", got)
	}
}

func TestProxyHeadersSayWhoTheClientIs(t *testing.T) {
	for _, v := range []proxyproto.Version{proxyproto.V1, proxyproto.V2} {
		h := newHouse(t, "web")
		h.open(config.Route{To: to("web"), ProxyFrom: sources("127.0.0.2/32"), SendProxy: fmt.Sprint("v", v), Gate: config.Gate{ConnectFrom: sources("192.0.2.0/24", "127.0.0.4/32")}})
		header := func(ip string) string {
			return string(proxyproto.Header(v, netip.MustParseAddrPort(ip), netip.MustParseAddrPort("198.51.100.1:443")))
		}
		good := header("192.0.2.7:1234")
		conn := h.from("127.0.0.2", 0)
		for i := range 10 {
			if _, err := io.WriteString(conn, good[i:i+1]); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		if got, err := says(conn, good[10:]+"hello"); err != nil || got != "web:"+good+"hello" {
			t.Errorf("version %d: got %q, %v", v, got, err)
		}
		h.refused(h.from("127.0.0.2", 0), header("203.0.113.7:1")+"hello") // not in the list
		h.refused(h.from("127.0.0.2", 0), "hello")                         // no header
		h.refused(h.from("127.0.0.3", 0), good+"hello")                    // no proxy, and not in the list
		own := h.from("127.0.0.4", 0)                                      // no proxy: its bytes are its own
		to := netip.MustParseAddrPort(own.RemoteAddr().String())
		mine := string(proxyproto.Header(v, netip.MustParseAddrPort(own.LocalAddr().String()), to))
		if got, err := says(own, good+"hello"); err != nil || got != "web:"+mine+good+"hello" {
			t.Errorf("version %d: got %q, %v", v, got, err)
		}
	}
}

func TestHealthCheckersNeverWakeAndNeverKeepAwake(t *testing.T) {
	h := newHouse(t, "web")
	h.cfg.Targets[0].Cooldown = 300 * time.Millisecond
	for _, answer := range []config.HealthAnswer{config.HealthHTTP, config.HealthAccept, config.HealthClosed} {
		h.cfg.Routes = append(h.cfg.Routes, config.Route{
			Listen: netip.MustParseAddrPort("127.0.0.1:0"), To: to("web"), Gate: config.Gate{Health: config.Health{From: sources("127.0.0.2/32"), Answer: answer}},
		})
	}
	h.open()
	check := func(state string) {
		got, err := says(h.from("127.0.0.2", 0), "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		if err != nil || !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(got, "\r\n\r\n"+`{"target":"web","state":"`+state+"\"}\n") {
			t.Errorf("got %q, %v", got, err)
		}
		if got, err := says(h.from("127.0.0.2", 1), ""); got != "" || err != nil {
			t.Errorf("got %q, %v; want an end in order", got, err)
		}
		h.refused(h.from("127.0.0.2", 2), "")
	}
	await(t, func() bool { return h.app.Status("web").State == target.Stopped })
	check("stopped")
	if got := h.log(); got != "" {
		t.Fatalf("health checkers have caused: %s", got)
	}
	h.served(h.from("127.0.0.1", 0), "web", "hello")
	check("ready")
	stay := h.from("127.0.0.2", 1)
	await(t, func() bool { return h.app.Status("web").State == target.Stopped })
	_ = stay.Close()
}

func TestUnixSocketsOnBothSides(t *testing.T) {
	h := newHouse(t, "web")
	back, front := filepath.Join(h.dir, "b.sock"), filepath.Join(h.dir, "f.sock")
	ln, err := net.Listen("unix", back)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go parrots("sock", ln)
	h.cfg.Targets[0].Backend = config.Backend{Socket: back}
	h.open(config.Route{To: to("web")}, config.Route{To: to("web"), Socket: config.UnixListen{Path: front, Mode: 0o600}})
	h.served(h.from("127.0.0.1", 0), "sock", strings.Repeat("over tcp ", 50_000))
	conn, err := net.Dial("unix", front)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	h.served(conn, "sock", strings.Repeat("over unix ", 50_000))
	if info, err := os.Stat(front); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket is %v, %v", info, err)
	}
	await(t, func() bool { st := h.app.Status("web"); return st.Held+st.Waiting == 0 })
}

func TestSeatsAreTakenInOrder(t *testing.T) {
	h := newHouse(t, "web")
	h.cfg.Targets[0].MaxConnections = 1
	h.open(config.Route{To: to("web")})
	first := h.from("127.0.0.1", 0)
	name := make([]byte, 4)
	if _, err := io.ReadFull(first, name); err != nil {
		t.Fatal(err)
	}
	begun := make(chan int, 3) // who is served
	var conns []net.Conn
	for i := range 3 {
		conn := h.from("127.0.0.1", 0)
		conns = append(conns, conn)
		go func() {
			_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.ReadFull(conn, make([]byte, len("web:"))); err != nil {
				t.Errorf("%d was not served: %v", i, err)
			}
			begun <- i
		}()
		await(t, func() bool { return h.app.Status("web").Held == i+2 })
	}
	select {
	case i := <-begun:
		t.Fatalf("%d was served beside the first", i)
	default:
	}
	_ = first.Close()
	for want := range 3 { // nobody else has the seat before this one has left
		if got := <-begun; got != want {
			t.Errorf("served %d, want %d", got, want)
		}
		h.echoes(conns[want])
		_ = conns[want].Close()
	}
}

func TestABudgetIsKeptOverARestart(t *testing.T) {
	h := newHouse(t, "web")
	h.cfg.Targets[0].Cooldown = 100 * time.Millisecond
	h.cfg.Targets[0].Budget = config.Budget{StartsPerHour: 1, Exempt: sources("127.0.0.2/32")}
	h.cfg.Routes = []config.Route{{Listen: netip.MustParseAddrPort("127.0.0.1:0"), To: to("web")}}
	t.Run("first", func(t *testing.T) {
		h.t = t
		h.open()
		h.served(h.from("127.0.0.1", 0), "web", "hello")
		await(t, func() bool { return h.app.Status("web").State == target.Stopped })
		h.refused(h.from("127.0.0.1", 0), "hello")
	})
	t.Run("second", func(t *testing.T) {
		h.t = t
		h.open()
		await(t, func() bool { return h.app.Status("web").State == target.Stopped })
		h.refused(h.from("127.0.0.1", 0), "hello")
		h.served(h.from("127.0.0.2", 0), "web", "hello")
	})
	if got := h.log(); !strings.HasPrefix(got, "start web, stop web, start web") {
		t.Errorf("the hooks did: %s", got)
	}
}

func TestWhatIsNeededIsWokenFirstAndStoppedLast(t *testing.T) {
	h := newHouse(t, "vm", "nas")
	h.cfg.Targets[0].Needs = []string{"nas"}
	h.cfg.Targets[0].Cooldown, h.cfg.Targets[1].Cooldown = 200*time.Millisecond, 100*time.Millisecond
	h.open(config.Route{To: to("vm")}, config.Route{To: to("nas")})
	h.served(h.from("127.0.0.1", 0), "vm", "hello")
	await(t, func() bool { return strings.HasSuffix(h.log(), "stop nas") })
	if got := h.log(); got != "start nas, start vm, stop vm, stop nas" {
		t.Errorf("the hooks did: %s", got)
	}
}

func TestATargetIsKeptAwakeByAWindowAndByHand(t *testing.T) {
	h := newHouse(t, "web", "night", "hand")
	always := config.Window{Cron: "* * * * *", For: time.Hour, Zone: time.UTC}
	h.cfg.Targets[0].AlwaysOn = []config.Window{always}
	h.cfg.Targets[1].NeverWake = []config.Window{always}
	h.cfg.Targets[2].NeverWake, h.cfg.Targets[2].Groups = []config.Window{always}, []string{"lab"}
	h.cfg.Targets[2].Cooldown = 100 * time.Millisecond
	h.open(config.Route{To: to("web")}, config.Route{To: to("night")}, config.Route{To: to("hand")})
	await(t, func() bool { st := h.app.Status("web"); return st.State == target.Ready && st.Held == 1 })
	h.refused(h.from("127.0.0.1", 1), "hello")
	if err := h.app.Hold("lab", time.Now().Add(time.Hour), "backup"); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { st := h.app.Status("hand"); return st.State == target.Ready && st.Held == 1 })
	h.served(h.from("127.0.0.1", 2), "hand", "hello")
	if n, err := h.app.Release("hand"); n != 1 || err != nil {
		t.Errorf("released %d, %v", n, err)
	}
	await(t, func() bool { return h.app.Status("hand").State == target.Stopped })
	if err := h.app.Hold("nobody", time.Now().Add(time.Hour), ""); err == nil {
		t.Error("nobody is held")
	}
	if got := h.log(); got != "start web, start hand, stop hand" {
		t.Errorf("the hooks did: %s", got)
	}
}
