// Package memnet is a TCP network in memory, for tests inside a testing/synctest bubble.
//
// A [Network] holds named listeners. A connection is a link with two ends; each end has a send buffer and a receive
// buffer of [Network.Window] bytes, so a writer is held back by a reader that does not read. Nothing takes time:
// what is written arrives at once, as far as there is room. One mutex per link guards both ends and is never held
// while waiting; waiting is on channels and timers only, which a bubble sees as durably blocked.
//
// The rules for endings are those of TCP on Linux, with its traps, because the code under test must survive them:
//
//   - Close with unread bytes, and Close after SetLinger(0), reset the connection. Bytes that have not yet
//     arrived are lost; bytes that have arrived stay readable.
//   - Close without unread bytes ends the stream behind everything that was written, which still arrives. A byte
//     sent to an end that was closed is answered by a reset.
//   - A reset is told once: the first Read (behind the queued bytes) or Write gives ECONNRESET. After that Read
//     gives io.EOF and Write gives EPIPE. An end that had seen the other's end of stream before the reset goes on
//     reading a plain io.EOF, and its Write gives EPIPE.
package memnet

import (
	"context"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
)

const (
	defaultWindow  = 64 << 10
	defaultBacklog = 128
	firstPort      = 40000
)

// A Network holds listeners by their address. The zero value is an empty network. A network used in a synctest
// bubble is to be filled and used inside that bubble only.
type Network struct {
	// Window is the size in bytes of each send buffer and of each receive buffer; 0 means 64 KiB.
	Window int
	// Backlog is how many connections a listener queues before Accept; 0 means 128. A dial beyond it hangs, as a
	// SYN that the kernel drops.
	Backlog int

	open atomic.Int64

	mu        sync.Mutex // guards the fields below
	listeners map[string]*Listener
	dropped   map[string]bool
	changed   chan struct{} // closed at the next change of listeners, queues or dropped; nil while nobody waits
	lastPort  int
}

// Open returns how many connection ends have not been closed by their user, among them those that wait in the
// queue of a listener.
func (n *Network) Open() int { return int(n.open.Load()) }

// Drop makes every dial to addr hang (drop true) or lets them through again (drop false); dials that hang go on.
// Connections that stand are not touched.
func (n *Network) Drop(addr string, drop bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.dropped == nil {
		n.dropped = make(map[string]bool)
	}
	n.dropped[addr] = drop
	n.notifyLocked()
}

// Listen makes a listener at addr, a "host:port" that is compared letter by letter with what is dialled. Port 0
// is replaced by a free one. An address in use gives EADDRINUSE.
func (n *Network) Listen(addr string) (*Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: err}
	}
	if port == "0" {
		addr = net.JoinHostPort(host, strconv.Itoa(n.portLocked()))
	}
	if n.listeners[addr] != nil {
		return nil, opError("listen", nil, address(addr), os.NewSyscallError("bind", syscall.EADDRINUSE))
	}
	if n.listeners == nil {
		n.listeners = make(map[string]*Listener)
	}
	l := &Listener{network: n, key: addr, addr: address(addr)}
	n.listeners[addr] = l
	n.notifyLocked()
	return l, nil
}

// Dial connects to addr from 127.0.0.1. It fails at once with ECONNREFUSED if nobody listens there, and hangs
// until ctx ends if the address is dropped or the listener's queue is full.
func (n *Network) Dial(ctx context.Context, addr string) (*Conn, error) {
	return n.DialFrom(ctx, "127.0.0.1", addr)
}

// DialContext is [Network.Dial] in the form of net.Dialer's; network is not looked at.
func (n *Network) DialContext(ctx context.Context, _, addr string) (net.Conn, error) {
	c, err := n.Dial(ctx, addr)
	if err != nil {
		return nil, err // not c: a nil *Conn in a net.Conn is not nil
	}
	return c, nil
}

// DialFrom is [Network.Dial] from the host named: the address that the other end sees, with a port of its own.
func (n *Network) DialFrom(ctx context.Context, host, addr string) (*Conn, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, opError("dial", nil, address(addr), err)
		}
		c, changed, err := n.tryDial(host, addr)
		if c != nil || err != nil {
			return c, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// tryDial connects if that is possible now; with neither a connection nor an error the caller waits for changed.
func (n *Network) tryDial(host, addr string) (c *Conn, changed <-chan struct{}, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.listeners[addr]
	switch {
	case n.dropped[addr]:
		return nil, n.changedLocked(), nil
	case l == nil:
		return nil, nil, opError("dial", nil, address(addr), os.NewSyscallError("connect", syscall.ECONNREFUSED))
	case len(l.queue) >= orDefault(n.Backlog, defaultBacklog):
		return nil, n.changedLocked(), nil
	}
	local := address(net.JoinHostPort(host, strconv.Itoa(n.portLocked())))
	near, far := newLink(orDefault(n.Window, defaultWindow), local, l.addr, &n.open)
	l.queue = append(l.queue, far)
	n.notifyLocked()
	return near, nil, nil
}

func (n *Network) portLocked() int {
	n.lastPort = max(n.lastPort+1, firstPort)
	return n.lastPort
}

func (n *Network) changedLocked() <-chan struct{} {
	if n.changed == nil {
		n.changed = make(chan struct{})
	}
	return n.changed
}

func (n *Network) notifyLocked() {
	if n.changed != nil {
		close(n.changed)
		n.changed = nil
	}
}

// A Listener is a net.Listener of a [Network].
type Listener struct {
	network *Network
	key     string
	addr    net.Addr

	queue  []*Conn // guarded by network.mu
	closed bool    // guarded by network.mu
}

var _ net.Listener = (*Listener)(nil)

// Accept returns the oldest queued connection, a *[Conn]; it waits for one. After Close it gives net.ErrClosed.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		c, changed, err := l.tryAccept()
		if err != nil {
			return nil, opError("accept", nil, l.addr, err)
		}
		if c != nil {
			return c, nil
		}
		<-changed
	}
}

func (l *Listener) tryAccept() (c *Conn, changed <-chan struct{}, err error) {
	l.network.mu.Lock()
	defer l.network.mu.Unlock()
	if l.closed {
		return nil, nil, net.ErrClosed
	}
	if len(l.queue) == 0 {
		return nil, l.network.changedLocked(), nil
	}
	c = l.queue[0]
	l.queue = slices.Delete(l.queue, 0, 1)
	l.network.notifyLocked()
	return c, nil, nil
}

// Close ends the listener. Connections that nobody has accepted are reset.
func (l *Listener) Close() error {
	queue, err := l.shut()
	for _, c := range queue {
		c.abort()
	}
	return err
}

func (l *Listener) shut() ([]*Conn, error) {
	l.network.mu.Lock()
	defer l.network.mu.Unlock()
	if l.closed {
		return nil, opError("close", nil, l.addr, net.ErrClosed)
	}
	l.closed = true
	delete(l.network.listeners, l.key)
	l.network.notifyLocked()
	queue := l.queue
	l.queue = nil
	return queue, nil
}

// Addr returns the address listened on: a *net.TCPAddr if it is numeric, else the name as given.
func (l *Listener) Addr() net.Addr { return l.addr }

// name is the address of a listener whose host is a name.
type name string

func (n name) Network() string { return "tcp" }
func (n name) String() string  { return string(n) }

func address(s string) net.Addr {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return net.TCPAddrFromAddrPort(ap)
	}
	return name(s)
}

func opError(op string, local, remote net.Addr, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: local, Addr: remote, Err: err}
}

func orDefault(v, def int) int {
	if v <= 0 {
		return def
	}
	return v
}
