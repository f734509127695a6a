package app

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/config"
	"github.com/rouse-proxy/rouse/internal/target"
)

// copied is the config of a house, to be changed.
func (h *house) copied() *config.Config {
	c := *h.cfg
	c.Targets = append([]config.Target(nil), c.Targets...)
	c.Routes = append([]config.Route(nil), c.Routes...)
	return &c
}

func (h *house) reload(c *config.Config) Report {
	h.t.Helper()
	r, err := h.app.Reload(c)
	if err != nil {
		h.t.Fatal(err)
	}
	h.cfg = c
	return r
}

// TestReloadsUnderLoad: 200 reloads, under live relays and clients that wait, drop nobody and run no hook.
func TestReloadsUnderLoad(t *testing.T) {
	relays, waiting, reloads := 500, 100, 200
	h := newHouse(t, "web", "slow", "other")
	gate := filepath.Join(h.dir, "go")
	h.cfg.Targets[1].Hooks.Start = hook(t, h.dir, "slow-start.sh", "echo start slow >>"+h.dir+"/log; while ! test -e "+gate+"; do sleep 0.05; done; echo >"+h.dir+"/slow")
	h.open(config.Route{To: to("web")}, config.Route{To: to("slow")}, config.Route{To: to("other")})
	var clients, begun sync.WaitGroup
	stop := make(chan struct{})
	for i := range relays {
		conn := h.from("127.0.0.1", 0)
		begun.Add(1)
		clients.Go(func() {
			if err := chats(conn, "web:", stop, begun.Done); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	begun.Wait()
	for range waiting {
		conn := h.from("127.0.0.1", 1)
		clients.Go(func() {
			_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
			if _, err := io.WriteString(conn, "waited"); err != nil {
				t.Error(err)
			}
			_ = conn.(*net.TCPConn).CloseWrite()
			if got, err := io.ReadAll(conn); err != nil || string(got) != "slow:waited" {
				t.Errorf("one who waited got %q, %v", got, err)
			}
		})
	}
	await(t, func() bool { return h.app.Status("slow").Waiting == waiting })
	epoch := h.app.Status("web").Epoch
	for n := range reloads {
		c := h.copied()
		c.Targets[0].Cooldown = time.Hour + time.Duration(n)*time.Second // web changes
		c.Targets[1].StopTimeout = time.Minute + time.Duration(n)*time.Second
		c.Routes[0].Gate.SourceRate = config.Rate{Count: 1000 + n, Within: time.Second}
		if n%2 == 0 {
			c.Routes = append(c.Routes, config.Route{Listen: freeAddr(t), To: to("other")})
		} else {
			c.Routes = c.Routes[:3]
		}
		h.reload(c)
		if n%20 == 0 {
			h.served(h.from("127.0.0.1", 0), "web", "a newcomer")
		}
	}
	if got := h.log(); got != "start web, start slow" {
		t.Errorf("the hooks did: %s", got)
	}
	if st := h.app.Status("web"); st.Epoch != epoch || st.Held != relays {
		t.Errorf("after %d reloads: %+v", reloads, st)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	close(stop)
	clients.Wait()
	await(t, func() bool { return h.app.Status("web").Held+h.app.Status("slow").Held == 0 })
	if got := h.log(); got != "start web, start slow" {
		t.Errorf("the hooks did: %s", got)
	}
}

// chats sends numbered lines and reads them back, until it is told to stop.
func chats(conn net.Conn, greeting string, stop <-chan struct{}, begun func()) error {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	b := make([]byte, len(greeting))
	_, err := io.ReadFull(conn, b)
	begun()
	if err != nil || string(b) != greeting {
		return fmt.Errorf("greeted with %q: %w", b, err)
	}
	for i := 0; ; i++ {
		line := fmt.Sprintf("line %09d\n", i)
		if _, err := io.WriteString(conn, line); err != nil {
			return err
		}
		b := make([]byte, len(line))
		if _, err := io.ReadFull(conn, b); err != nil || string(b) != line {
			return fmt.Errorf("line %d came back as %q: %w", i, b, err)
		}
		select {
		case <-stop:
			return nil
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func TestARemovedTargetDrainsCoolsDownAndIsForgotten(t *testing.T) {
	h := newHouse(t, "web", "other")
	h.cfg.Targets[1].Cooldown = 200 * time.Millisecond
	h.open(config.Route{To: to("web")}, config.Route{To: to("other")})
	conn := h.from("127.0.0.1", 1)
	name := make([]byte, 6)
	if _, err := io.ReadFull(conn, name); err != nil {
		t.Fatal(err)
	}
	address := h.app.Addrs()[1].String()
	c := h.copied()
	c.Targets, c.Routes = c.Targets[:1], c.Routes[:1]
	if r := h.reload(c); fmt.Sprint(r.Removed) != "[other]" || r.Listeners != 1 {
		t.Errorf("%+v", r)
	}
	await(t, func() bool { conn, err := net.Dial("tcp", address); closeIf(conn); return err != nil })
	if got := h.log(); got != "start other" {
		t.Errorf("under its client the hooks did: %s", got)
	}
	if got, err := says(conn, "still here"); err != nil || got != "still here" {
		t.Errorf("got %q, %v", got, err)
	}
	await(t, func() bool { return h.app.part("other") == nil })
	if got := h.log(); got != "start other, stop other" {
		t.Errorf("the hooks did: %s", got)
	}
	await(t, func() bool { _, err := os.Stat(filepath.Join(h.cfg.State, "other.state")); return os.IsNotExist(err) })
	full := h.copied()
	full.Targets = append(full.Targets, h.target("other"))
	full.Routes = append(full.Routes, config.Route{Listen: netip.MustParseAddrPort("127.0.0.1:0"), To: to("other")})
	h.reload(full)
	h.served(h.from("127.0.0.1", 1), "other", "back again")
}

func closeIf(conn net.Conn) {
	if conn != nil {
		_ = conn.Close()
	}
}

func TestATargetThatComesBackBeforeItHasGoneIsTakenUp(t *testing.T) {
	h := newHouse(t, "web", "other")
	h.open(config.Route{To: to("web")}, config.Route{To: to("other")})
	conn := h.from("127.0.0.1", 1)
	name := make([]byte, 6)
	if _, err := io.ReadFull(conn, name); err != nil {
		t.Fatal(err)
	}
	whole, part := h.copied(), h.copied()
	part.Targets, part.Routes = part.Targets[:1], part.Routes[:1]
	for range 5 {
		h.reload(part)
		if r := h.reload(whole); fmt.Sprint(r.Changed) != "[other]" {
			t.Errorf("%+v", r)
		}
	}
	if got, err := says(conn, "still here"); err != nil || got != "still here" {
		t.Errorf("got %q, %v", got, err)
	}
	h.served(h.from("127.0.0.1", 1), "other", "and a newcomer")
	if st := h.app.Status("other"); st.Epoch != 1 || st.State != target.Ready {
		t.Errorf("%+v", st)
	}
}

func TestAReloadThatFailsChangesNothing(t *testing.T) {
	h := newHouse(t, "web")
	h.open(config.Route{To: to("web")})
	h.served(h.from("127.0.0.1", 0), "web", "before")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	before := h.app.config()
	for name, spoil := range map[string]func(*config.Config){
		"a hook that is not there": func(c *config.Config) { c.Targets[0].Hooks.Stop = []string{"/nowhere/stop.sh"} },
		"a port that is taken": func(c *config.Config) {
			c.Routes = append(c.Routes, config.Route{Listen: netip.MustParseAddrPort(taken.Addr().String()), To: to("web")})
		},
		"a list that is not there": func(c *config.Config) { c.Routes[0].Gate.WakeFrom.Files = []string{"/nowhere/friends"} },
		"our own address": func(c *config.Config) {
			c.Routes[0].Listen = netip.AddrPortFrom(c.Routes[0].Listen.Addr(), c.Targets[0].Backend.Port)
		},
	} {
		c := h.copied()
		c.Targets[0].Cooldown = time.Second
		c.Routes = append(c.Routes, config.Route{Listen: freeAddr(t), To: to("web")})
		fine := c.Routes[1].Listen.String()
		spoil(c)
		if r, err := h.app.Reload(c); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
		if h.app.config() != before || len(h.app.Addrs()) != 1 {
			t.Errorf("%s: the config has changed", name)
		}
		if conn, err := net.Dial("tcp", fine); err == nil {
			_ = conn.Close()
			t.Errorf("%s: a listener is left open", name)
		}
		h.served(h.from("127.0.0.1", 0), "web", "after")
	}
	await(t, func() bool { return !h.app.Status("web").StopAt.IsZero() })
	if st := h.app.Status("web"); st.State != target.Ready || st.Epoch != 1 || time.Until(st.StopAt) < 30*time.Minute { // the cooldown is the old one
		t.Errorf("%+v", st)
	}
}

// TestAnAddressThatStaysRefusesNobodyWhileOthersMove: the new one is open before the old one is closed, and one that stays is never closed.
func TestAnAddressThatStaysRefusesNobodyWhileOthersMove(t *testing.T) {
	h := newHouse(t, "web")
	h.open(config.Route{Listen: freeAddr(t), To: to("web")})
	address := h.app.Addrs()[0].String()
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for n := 0; ; n++ {
			conn, err := net.Dial("tcp", address)
			if err == nil {
				var got string
				if got, err = says(conn, "x"); err == nil && got != "web:x" {
					err = errors.New(got)
				}
				_ = conn.Close()
			}
			if err != nil {
				done <- fmt.Errorf("connection %d: %w", n, err)
				return
			}
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
		}
	}()
	for n := range 30 {
		c := h.copied()
		c.Routes = append(c.Routes[:1:1], config.Route{Listen: freeAddr(t), To: to("web")})
		c.Routes[0].Gate.MinHold = time.Duration(n%2) * time.Millisecond
		h.reload(c)
		h.served(h.from("127.0.0.1", 1), "web", "at the new one")
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAReloadIsAskedForByAFileThatChanges(t *testing.T) {
	h := newHouse(t, "web")
	c := h.copied()
	c.Routes = []config.Route{{Listen: netip.MustParseAddrPort("127.0.0.1:0"), To: to("web")}}
	h.cfg = c
	file := filepath.Join(h.dir, "rouse.yaml")
	if err := os.WriteFile(file, []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	read := 0
	h.app = launchWith(t, Options{Config: c, Fingerprint: func() string { return config.Fingerprint(file) }, Reread: func() (*config.Config, config.Problems, error) {
		mu.Lock()
		defer mu.Unlock()
		read++
		changed := h.copied()
		changed.Targets[0].Groups = []string{"read"}
		return changed, config.Problems{{Where: "rouse.yaml:1:1", Text: "odd"}}, nil
	}})
	await(t, func() bool { return h.app.Status("web").State == target.Stopped })
	for i := range 10 { // an editor writes in several steps
		if err := os.WriteFile(file, []byte(strings.Repeat("x", i+2)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	await(t, func() bool { return len(h.app.config().Targets[0].Groups) == 1 })
	mu.Lock()
	defer mu.Unlock()
	if read > 2 {
		t.Errorf("read %d times for one change", read)
	}
}

// A reload tells what may not have been meant, and gives a socket that stays its new mode.
func TestAReloadTellsDoubtsAndChangesModes(t *testing.T) {
	h := newHouse(t, "web")
	front := filepath.Join(h.dir, "f.sock")
	c := h.copied()
	c.Routes = []config.Route{{To: to("web"), Socket: config.UnixListen{Path: front, Mode: 0o600}}}
	h.app = launchWith(t, Options{Config: c, Reread: func() (*config.Config, config.Problems, error) {
		changed := h.copied()
		changed.Routes = []config.Route{{To: to("web"), Socket: config.UnixListen{Path: front, Mode: 0o660}}}
		return changed, config.Problems{{Where: "rouse.yaml:1:1", Text: "odd"}}, nil
	}})
	await(t, func() bool { return h.app.Status("web").State == target.Stopped })
	r, err := h.app.Reread("a test")
	if err != nil || len(r.Warnings) != 1 || r.Warnings[0] != "rouse.yaml:1:1: odd" {
		t.Errorf("%+v, %v", r, err)
	}
	if info, err := os.Stat(front); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket is %v, %v", info, err)
	}
}
