//go:build linux

// Package backend is the server behind every proxy that the benchmarks compare. It runs as
// a process of its own: one thread accepts and echoes, another carries bulk. Each candidate
// has its own address in it, so that what one leaves behind in the kernel does not slow the
// next. Orders come as lines of JSON on standard input, one answer each on standard output;
// the end of the input ends the process.
package backend

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Order is one line of input: "listen" at Addr with Backlog, or "close" it.
type Order struct {
	Do      string
	Addr    netip.AddrPort
	Backlog int
}

// Answer is one line of output. Times are of the monotonic clock, in nanoseconds.
type Answer struct {
	At      int64 // when listen() had returned
	Accepts int64 // connections since then, for "close"
	First   int64 // when the first of them was accepted; 0 if none was
	Error   string
}

// listener counts what is accepted at one address.
type listener struct {
	addr  netip.AddrPort
	fd    int
	count atomic.Int64
	first atomic.Int64
}

func (l *listener) accepted() {
	if l.count.Add(1) == 1 {
		l.first.Store(Monotonic())
	}
}

// listeners are those open now. The zero value has none.
type listeners struct {
	mu  sync.Mutex
	all map[int]*listener
}

func (s *listeners) byFD(fd int) *listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[fd]
}

// take removes the listener at addr.
func (s *listeners) take(addr netip.AddrPort) *listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	for fd, l := range s.all {
		if l.addr == addr {
			delete(s.all, fd)
			return l
		}
	}
	return nil
}

func (s *listeners) put(l *listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[int]*listener{}
	}
	s.all[l.fd] = l
}

// Run serves until in ends.
func Run(in io.Reader, out io.Writer) error {
	debug.SetGCPercent(400)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("reading the descriptor limit: %w", err)
	}
	conns, hosts := make([]atomic.Pointer[conn], min(limit.Cur, 1<<20)), &listeners{}
	quick, err := newLoop(conns, hosts)
	if err != nil {
		return fmt.Errorf("opening epoll: %w", err)
	}
	if quick.bulk, err = newLoop(conns, hosts); err != nil {
		return fmt.Errorf("opening epoll: %w", err)
	}
	ended := make(chan error, 3)
	go onThread(quick.run, ended)
	go onThread(quick.bulk.run, ended)
	go obey(quick, json.NewDecoder(in), json.NewEncoder(out), ended)
	return <-ended
}

// onThread runs a loop on a thread of its own.
func onThread(run func() error, ended chan<- error) {
	runtime.LockOSThread()
	ended <- run()
}

// obey carries out orders until there are no more.
func obey(l *loop, in *json.Decoder, out *json.Encoder, ended chan<- error) {
	for {
		var order Order
		if err := in.Decode(&order); err != nil {
			if err == io.EOF {
				err = nil
			}
			ended <- err
			return
		}
		if err := out.Encode(do(l, order)); err != nil {
			ended <- err
			return
		}
	}
}

func do(l *loop, order Order) Answer {
	switch order.Do {
	case "listen":
		fd, err := listen(order.Addr, order.Backlog)
		if err != nil {
			return Answer{Error: err.Error()}
		}
		at := Monotonic()
		l.hosts.put(&listener{addr: order.Addr, fd: fd})
		l.control(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN)
		return Answer{At: at}
	case "close":
		at := l.hosts.take(order.Addr)
		if at == nil {
			return Answer{Error: "closing " + order.Addr.String() + ": nobody listens there"}
		}
		_ = unix.Close(at.fd)
		return Answer{Accepts: at.count.Load(), First: at.first.Load()}
	default:
		return Answer{Error: fmt.Sprintf("unknown order %q", order.Do)}
	}
}
