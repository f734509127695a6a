package netns

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// A Host is a namespace of its own.
type Host struct {
	t    testing.TB
	file *os.File // the namespace
	// Addr and Addr6 are where the hub reaches the host, Hub and Hub6 where the host reaches the hub.
	Addr, Addr6, Hub, Hub6 netip.Addr
	hosts                  int // of a hub
}

// NewHub returns a hub without hosts. Where there can be none the test is skipped.
func NewHub(t testing.TB) *Host {
	t.Helper()
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("network namespaces need the program %s: %v", tool, err)
		}
	}
	h, err := unshare(t)
	if errors.Is(err, unix.EPERM) {
		t.Skipf("network namespaces need root: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	h.run("ip", "link", "set", "lo", "up")
	return h
}

// unshare makes a namespace, on a thread that ends then.
func unshare(t testing.TB) (*Host, error) {
	h := &Host{t: t}
	err := onThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("unshare", err)
		}
		h.file, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	if err == nil {
		t.Cleanup(func() { _ = h.file.Close() })
	}
	return h, err
}

// onThread runs f on a thread of its own, which is not used again.
func onThread(f func() error) error {
	done := make(chan error)
	go thread(f, done)
	return <-done
}

func thread(f func() error, done chan<- error) {
	runtime.LockOSThread() // and never unlocked
	err := errors.New("the test was ended in the namespace")
	defer func() { done <- err }() // also where f fails the test, which ends this goroutine only
	err = f()
}

// Do runs f in the namespace: sockets that it opens and programs that it starts belong there. What f gives to other
// goroutines does not.
func (h *Host) Do(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(h.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("setns", err)
		}
		return f()
	})
}

// Path names the namespace to programs, such as nsenter, for as long as this process lives.
func (h *Host) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), h.file.Fd()) }

// NewHost connects a new host to a hub.
func (h *Host) NewHost() *Host {
	h.t.Helper()
	host, err := unshare(h.t)
	if err != nil {
		h.t.Fatal(err)
	}
	h.hosts++
	n := byte(h.hosts)
	host.Addr, host.Hub = netip.AddrFrom4([4]byte{10, 99, n, 2}), netip.AddrFrom4([4]byte{10, 99, n, 1})
	host.Addr6, host.Hub6 = netip.MustParseAddr(fmt.Sprintf("fd99::%x:2", n)), netip.MustParseAddr(fmt.Sprintf("fd99::%x:1", n))
	port := fmt.Sprint("to", n)
	h.run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", host.Path())
	h.join(port, host.Hub, host.Hub6)
	host.run("ip", "link", "set", "lo", "up")
	host.join("eth0", host.Addr, host.Addr6)
	return host
}

func (h *Host) join(port string, addr, addr6 netip.Addr) {
	h.run("ip", "addr", "add", addr.String()+"/24", "dev", port)
	h.run("ip", "addr", "add", addr6.String()+"/112", "dev", port, "nodad")
	h.run("ip", "link", "set", port, "up")
}

// Through lets a host reach all others by its hub, and the hub take for its own what the host sends to them: whoever speaks for them
// there, gets the answers.
func (h *Host) Through(hub *Host) {
	h.t.Helper()
	h.run("ip", "route", "add", "default", "via", h.Hub.String())
	h.run("ip", "-6", "route", "add", "default", "via", h.Hub6.String())
	port := fmt.Sprint("to", h.Hub.As4()[2])
	for _, family := range []string{"-4", "-6"} {
		hub.run("ip", family, "rule", "add", "iif", port, "lookup", "100")
		hub.run("ip", family, "route", "replace", "local", "default", "dev", "lo", "table", "100")
	}
}

// Vanish drops every packet that comes to the host or goes from it, as if it had lost its power.
func (h *Host) Vanish() {
	h.t.Helper()
	h.run("nft", `add table inet gone
		add chain inet gone in { type filter hook input priority 0; policy drop; }
		add chain inet gone out { type filter hook output priority 0; policy drop; }`)
}

// Unplug pulls the host's cable. The hub sees that there is no carrier any more.
func (h *Host) Unplug() {
	h.t.Helper()
	h.run("ip", "link", "set", "eth0", "down")
}

// Leave takes the host's addresses away: nobody answers for them any more.
func (h *Host) Leave() {
	h.t.Helper()
	h.run("ip", "addr", "flush", "dev", "eth0")
}

// run runs a program in the namespace.
func (h *Host) run(name string, args ...string) {
	h.t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := h.Do(cmd.Run); err != nil {
		h.t.Fatalf("%v: %v: %s", cmd, err, &out)
	}
}

// Start starts a program in the namespace.
func (h *Host) Start(cmd *exec.Cmd) error { return h.Do(cmd.Start) }

// Dial connects from the host to a numeric address.
func (h *Host) Dial(address string) (c *net.TCPConn, err error) {
	err = h.Do(func() error {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			c = conn.(*net.TCPConn)
		}
		return err
	})
	return c, err
}

// Listen listens at a numeric address of the host.
func (h *Host) Listen(address string) (ln *net.TCPListener, err error) {
	err = h.Do(func() error {
		l, err := net.Listen("tcp", address)
		if err == nil {
			ln = l.(*net.TCPListener)
		}
		return err
	})
	return ln, err
}
