package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openFiles counts this process's descriptors.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// crowded is a listener whose queue is full, so that SYNs vanish as on the way to a machine that boots.
type crowded struct {
	fd      int
	address string
	inQueue net.Conn
}

func crowd(t *testing.T) *crowded {
	t.Helper()
	fd := bound(t, 0)
	t.Cleanup(func() { unix.Close(fd) })
	err := unix.Listen(fd, 0)
	if err != nil {
		t.Fatal(err)
	}
	c := &crowded{fd: fd, address: nameOf(t, fd).String()}
	if c.inQueue, err = net.Dial("tcp", c.address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.inQueue.Close() })
	return c
}

func nameOf(t *testing.T, fd int) netip.AddrPort {
	t.Helper()
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	in := sa.(*unix.SockaddrInet4)
	return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), uint16(in.Port))
}

// takeOne makes room in the queue.
func (c *crowded) takeOne(t *testing.T) {
	t.Helper()
	fd, _, err := unix.Accept4(c.fd, unix.SOCK_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
}

// launches is a pace that counts: the channel is closed at the start of the given attempt.
func launches(beat time.Duration, count int) (pace, <-chan struct{}) {
	begun, reached := 0, make(chan struct{})
	p := dialPace
	p.beat = func(time.Duration) time.Duration { return beat }
	p.limit = func(time.Duration) time.Duration {
		if begun++; begun == count {
			close(reached)
		}
		return 10 * beat
	}
	return p, reached
}

func TestFreshAttemptIsHeardWhileOthersAreLost(t *testing.T) {
	vm := crowd(t)
	before := openFiles(t)
	pace, reached := launches(2*time.Millisecond, 50)
	done := start(t.Context(), seeker{newProber(t, Options{}), pace, vm.address})
	<-reached
	vm.takeOne(t)
	got := <-done
	if got.err != nil {
		t.Fatal(got.err)
	}
	if n := openFiles(t); n > before+1 {
		t.Errorf("%d descriptors are open, want the %d of before and the connection", n, before)
	}
	got.conn.Close()
}

// TestSilentSeekEndsWithItsContext: no attempt and no pause of its own would end for an hour.
func TestSilentSeekEndsWithItsContext(t *testing.T) {
	vm := crowd(t)
	before := openFiles(t)
	pace, reached := launches(time.Hour, 1)
	ctx, cancel := context.WithCancelCause(t.Context())
	done := start(ctx, seeker{newProber(t, Options{}), pace, vm.address})
	<-reached
	over := errors.New("over")
	cancel(over)
	if got := <-done; !errors.Is(got.err, over) {
		t.Errorf("%v, %v; want the cause of the end", got.conn, got.err)
	}
	if n := openFiles(t); n > before {
		t.Errorf("%d descriptors are open, %d were before", n, before)
	}
}

func TestRefusedSeekLeavesNothingOpen(t *testing.T) {
	address := deadPort(t)
	before := openFiles(t)
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		seeking := seekRefused(ctx, newProber(t, Options{}), address)
		cancel()
		<-seeking
	}
	if n := openFiles(t); n > before {
		t.Errorf("%d descriptors are open, %d were before", n, before)
	}
}

func TestLostAttemptSaysThatTimeHasPassed(t *testing.T) {
	vm := crowd(t)
	pace, reached := launches(2*time.Millisecond, 50)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := start(ctx, seeker{newProber(t, Options{}), pace, vm.address})
	<-reached
	cancel()
	got := <-done
	if timeout, ok := errors.AsType[net.Error](got.err); !ok || !timeout.Timeout() {
		t.Errorf("%v, want a timeout", got.err)
	}
}

// bound returns a socket on a port of loopback: 0 for any.
func bound(t *testing.T, port int) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port}); err != nil {
		unix.Close(fd)
		t.Fatal(err)
	}
	return fd
}

// TestConnectionToItselfIsARefusal: the system may choose the target's own port for our end. It must not stay taken
// either, or a target without SO_REUSEADDR could not listen there.
func TestConnectionToItselfIsARefusal(t *testing.T) {
	fd := bound(t, 0)
	itself := nameOf(t, fd)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: itself.Addr().As4(), Port: int(itself.Port())}); err != nil {
		t.Fatal(err)
	}
	if conn, err := arrive(fd); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("%v, %v; want a refusal", conn, err)
	}
	unix.Close(bound(t, int(itself.Port())))
}

func TestConnectionIsSetUpAsADialersIs(t *testing.T) {
	address := listen(t, func(c net.Conn) { c.Close() })
	conn, err := newProber(t, Options{}).Wait(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		nodelay, _ := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY)
		keepalive, _ := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE)
		flags, _ := unix.FcntlInt(fd, unix.F_GETFD, 0)
		if nodelay == 0 || keepalive != 0 || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("nodelay %d, keepalive %d, flags %#x; want 1, 0 and close-on-exec", nodelay, keepalive, flags)
		}
	})
}
