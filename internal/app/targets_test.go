package app

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/config"
	"github.com/rouse-proxy/rouse/internal/target"
)

// named is a server that says its name and the address at which it was reached, and then echoes.
func named(t *testing.T, name, address string) {
	t.Helper()
	ln, err := net.Listen("tcp", address)
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
			go greet(conn, name)
		}
	}()
}

func greet(conn net.Conn, name string) {
	defer conn.Close()
	fmt.Fprintf(conn, "%s at %v\n", name, conn.LocalAddr())
	_, _ = io.Copy(conn, conn)
}

// visit connects and returns what the server says first. The connection lasts as long as the test, or until it is left.
func visit(t *testing.T, address net.Addr) (greeting string, leave func()) {
	t.Helper()
	conn, err := net.Dial("tcp", address.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatalf("the client at %v read %q, %v", address, line, err)
	}
	return line, func() { _ = conn.Close() }
}

// twoPorts returns a two free addresses of one host.
func twoPorts(t *testing.T) (first, second netip.AddrPort) {
	t.Helper()
	return freeAddr(t), freeAddr(t)
}

// TestRoutesOfOneTargetLeadToTheirPortsAndCountTogether: two listeners, one target (C14).
func TestRoutesOfOneTargetLeadToTheirPortsAndCountTogether(t *testing.T) {
	ssh, web := twoPorts(t)
	cfg := plan(t, ssh)
	cfg.Routes = append(cfg.Routes, config.Route{Listen: netip.MustParseAddrPort("127.0.0.1:0"), To: config.To{Target: "web", Port: web.Port()}})
	named(t, "ssh", ssh.String())
	named(t, "web", web.String())
	a := launch(t, cfg)

	// The first client is of the other port: the connection that proved the target ready is not for it.
	fromWeb, leaveWeb := visit(t, a.Addrs()[1])
	fromSSH, leaveSSH := visit(t, a.Addrs()[0])
	if fromWeb != fmt.Sprintf("web at %v\n", web) || fromSSH != fmt.Sprintf("ssh at %v\n", ssh) {
		t.Errorf("the clients reached %q and %q", fromWeb, fromSSH)
	}
	if st := a.Status("web"); st.State != target.Ready || st.Held != 2 {
		t.Errorf("both clients are there, and the target is %+v", st)
	}
	leaveSSH()
	await(t, func() bool { return a.Status("web").Held == 1 })
	if st := a.Status("web"); !st.StopAt.IsZero() {
		t.Errorf("one client is still there, and the cooldown runs: %+v", st)
	}
	leaveWeb()
	await(t, func() bool { st := a.Status("web"); return st.Held == 0 && !st.StopAt.IsZero() })
}

// TestALearntHostIsThatOfEveryRoute: with its port for the route to the backend, and for the others without.
func TestALearntHostIsThatOfEveryRoute(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has all of 127.0.0.0/8 on its loopback")
	}
	for name, withPort := range map[string]bool{"host": false, "host and port": true} {
		t.Run(name, func(t *testing.T) {
			ssh, web := twoPorts(t)
			moved := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.77"), ssh.Port())
			cfg := plan(t, ssh)
			learnt := moved.Addr().String()
			if withPort {
				elsewhere := freeAddr(t)
				moved = netip.AddrPortFrom(moved.Addr(), elsewhere.Port())
				learnt = moved.String()
			}
			dir := t.TempDir()
			cfg.Targets[0].Hooks.Start = hook(t, dir, "start.sh", "echo address="+learnt+" >$ROUSE_OUTPUT")
			cfg.Routes = append(cfg.Routes, config.Route{Listen: netip.MustParseAddrPort("127.0.0.1:0"), To: config.To{Target: "web", Port: web.Port()}})
			a := launch(t, cfg)
			other := netip.AddrPortFrom(moved.Addr(), web.Port())
			named(t, "ssh", moved.String())
			named(t, "web", other.String())
			fromWeb, _ := visit(t, a.Addrs()[1])
			fromSSH, _ := visit(t, a.Addrs()[0])
			if fromWeb != fmt.Sprintf("web at %v\n", other) || fromSSH != fmt.Sprintf("ssh at %v\n", moved) {
				t.Errorf("the clients reached %q and %q, want %v and %v", fromWeb, fromSSH, other, moved)
			}
		})
	}
}

// TestAPortThatListensLaterIsWaitedFor: the target is ready by its probe, and the other port is not there yet.
func TestAPortThatListensLaterIsWaitedFor(t *testing.T) {
	ssh, web := twoPorts(t)
	cfg := plan(t, ssh)
	cfg.Routes[0].Port = web.Port()
	named(t, "ssh", ssh.String())
	a := launch(t, cfg)
	conn, err := net.Dial("tcp", a.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	await(t, func() bool { return a.Status("web").State == target.Ready })
	named(t, "web", web.String())
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || line != fmt.Sprintf("web at %v\n", web) {
		t.Errorf("the client read %q, %v", line, err)
	}
}

// TestHooksGetTheirArguments as they are, without a shell.
func TestHooksGetTheirArguments(t *testing.T) {
	backend := freeAddr(t)
	cfg := plan(t, backend)
	mark := filepath.Join(t.TempDir(), "arguments")
	start := hook(t, filepath.Dir(mark), "start.sh", "printf '%s|' \"$@\" >"+mark+".new && mv "+mark+".new "+mark)
	cfg.Targets[0].Hooks.Start = append(start, "two words", "$HOME", "")
	a := launch(t, cfg)
	conn, err := net.Dial("tcp", a.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var got []byte
	await(t, func() bool { got, err = os.ReadFile(mark); return err == nil })
	if string(got) != "two words|$HOME||" {
		t.Errorf("the start hook got %q", got)
	}
	named(t, "web", backend.String())
}

// TestTwoTargetsOfOneRouseAreApart: each is woken by its own clients.
func TestTwoTargetsOfOneRouseAreApart(t *testing.T) {
	first, second := twoPorts(t)
	cfg, other := plan(t, first), plan(t, second)
	other.Targets[0].Name, other.Routes[0].Target = "db", "db"
	cfg.Targets = append(cfg.Targets, other.Targets...)
	cfg.Routes = append(cfg.Routes, other.Routes...)
	named(t, "db", second.String())
	a := launch(t, cfg)
	await(t, func() bool { return a.Status("web").State == target.Stopped })
	if got, _ := visit(t, a.Addrs()[1]); got != fmt.Sprintf("db at %v\n", second) {
		t.Errorf("the client reached %q", got)
	}
	if web, db := a.Status("web"), a.Status("db"); web.State != target.Stopped || web.Epoch != 0 || db.State != target.Ready {
		t.Errorf("web is %+v, db is %+v", web, db)
	}
}

// TestDoubtsAboutHooksHaveTheirPlace: a hook that its group may change is used, and told.
func TestDoubtsAboutHooksHaveTheirPlace(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no such modes")
	}
	cfg := plan(t, freeAddr(t))
	if err := os.Chmod(cfg.Targets[0].Hooks.Stop[0], 0o770); err != nil {
		t.Fatal(err)
	}
	doubts := DoubtHooks(cfg)
	if len(doubts) != 1 || doubts[0].Where != "targets[0].hooks.stop" || !strings.Contains(doubts[0].Text, "may be changed by its group") {
		t.Errorf("the doubts are %v", doubts)
	}
	if problems := InspectHooks(cfg); len(problems) != 0 {
		t.Errorf("a doubt is taken for a problem: %v", problems)
	}
}

func TestTooManyListenersForTheLimitOfOpenFiles(t *testing.T) {
	if hint := listenHint(fmt.Errorf("listen: %w", syscall.EMFILE)); !strings.Contains(hint, "raise the limit") {
		t.Errorf("the hint is %q", hint)
	}
}
