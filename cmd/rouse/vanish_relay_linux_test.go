package main

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rouse-proxy/rouse/internal/peek"
	"github.com/rouse-proxy/rouse/internal/relay"
	"github.com/rouse-proxy/rouse/test/netns"
)

// A relayed is a relay of the engine that other systems use, between two hosts. The program has it on Linux for no client, so
// it gets its connections from here.
type relayed struct {
	testing.TB
	name        string
	client      *netns.Host
	server      *netns.Host
	here, there *net.TCPConn // the client's end and the backend's
	far         *net.TCPConn // the relay's own end, toward the backend
	gone        time.Time
	ended       chan struct{}
	result      relay.Result
	err         error
}

func newRelayed(t *testing.T, name string) *relayed {
	t.Helper()
	hub := netns.NewHub(t)
	r := &relayed{TB: t, name: name, client: hub.NewHost(), server: hub.NewHost(), ended: make(chan struct{})}
	var near *net.TCPConn
	r.here, near = r.connect(r.client, hub, r.client.Hub.String())
	r.far, r.there = r.connect(hub, r.server, r.server.Addr.String())
	go r.relay(near)
	return r
}

func (r *relayed) relay(near *net.TCPConn) {
	defer close(r.ended)
	r.result, r.err = relay.Run(r.Context(), near, r.far, relay.Options{})
}

// connect makes a connection from one host to another.
func (r *relayed) connect(from, to *netns.Host, at string) (dialled, accepted *net.TCPConn) {
	r.Helper()
	ln, err := to.Listen(net.JoinHostPort(at, "0"))
	if err != nil {
		r.Fatal(err)
	}
	defer ln.Close()
	if dialled, err = from.Dial(ln.Addr().String()); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = dialled.Close() })
	if accepted, err = ln.AcceptTCP(); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = accepted.Close() })
	return dialled, accepted
}

// vanish takes a host away, and then sends it something from the other side.
func (r *relayed) vanish(host *netns.Host, other *net.TCPConn) {
	r.Helper()
	host.Vanish()
	r.gone = time.Now()
	if _, err := io.WriteString(other, "anybody?"); err != nil {
		r.Error(err)
	}
}

// frees checks that the relay has noticed in time.
func (r *relayed) frees(end relay.End) {
	r.Helper()
	<-r.ended
	after := r.result.Ended.Sub(r.gone).Round(time.Second)
	r.Logf("%s: %s after %v, %v", r.name, r.result.End, after, r.err)
	if after > freedBusy || r.result.End != end || !errors.Is(r.err, peek.ErrVanished) {
		r.Errorf("%s: it ended after %v as %q, %v; want %q within %v", r.name, after, r.result.End, r.err, end, freedBusy)
	}
}

// fill lets the client send until nothing finds room any more, and returns how much that was.
func (r *relayed) fill() (n int) {
	r.Helper()
	for chunk := make([]byte, 64<<10); ; {
		if err := r.here.SetWriteDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
			r.Fatal(err)
		}
		m, err := r.here.Write(chunk)
		n += m
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return n
		}
		if err != nil {
			r.Fatal(err)
		}
	}
}

// asksOften checks that the kernel's pauses between two questions to the reader do not grow to minutes, where it knows how.
func (r *relayed) asksOften() {
	r.Helper()
	const rtoMax = 44 // TCP_RTO_MAX_MS, of Linux 6.15
	rc, err := r.far.SyscallConn()
	if err != nil {
		r.Fatal(err)
	}
	err = rc.Control(func(fd uintptr) {
		ms, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, rtoMax)
		if err == nil && ms > 10_000 {
			r.Errorf("%s: the kernel asks it every %d ms", r.name, ms)
		}
	})
	if err != nil {
		r.Error(err)
	}
}

// keeps checks that all of what was sent is there for the reader that has paused.
func (r *relayed) keeps(sent int) {
	r.Helper()
	if err := errors.Join(r.here.CloseWrite(), r.there.CloseWrite()); err != nil {
		r.Error(err)
	}
	if n, err := io.Copy(io.Discard, r.there); n != int64(sent) || err != nil {
		r.Errorf("%s: it read %d bytes and %v, want %d", r.name, n, err, sent)
	}
	<-r.ended
	if r.result.End != relay.EndClosed {
		r.Errorf("%s: it ended as %q, %v", r.name, r.result.End, r.err)
	}
}
