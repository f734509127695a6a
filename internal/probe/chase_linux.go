package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A hunt is a chase that runs. The goroutine in run owns it. It may hold a thread in poll(2) for as long as a target
// boots, which the runtime knows of: nobody else waits for that thread.
type hunt struct {
	*chase
	began   time.Time
	due     time.Time // of the next attempt
	flights []flight
	polls   []unix.PollFd // scratch of look
	last    error         // of the newest attempt
}

// A flight is an attempt that has no answer yet. Its descriptor does not block and is not inherited.
type flight struct {
	fd       int
	deadline time.Time
}

// run connects until an attempt succeeds or ctx ends. No descriptor is left behind.
func (c *chase) run(ctx context.Context) (net.Conn, error) {
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, errNoChase
	}
	defer unix.Close(bell)
	defer ring(ctx, bell)()
	began := time.Now()
	h := &hunt{chase: c, began: began.Add(-c.waited), due: began}
	defer h.end()
	for ctx.Err() == nil {
		if h.rest(ctx); ctx.Err() != nil {
			break
		}
		if conn, err := h.round(bell); conn != nil || err != nil {
			return conn, err
		}
	}
	if h.last != nil {
		return nil, h.last
	}
	return nil, context.Cause(ctx)
}

// ring makes bell readable when ctx ends. The function that it returns ends that, and must be called before bell is
// closed: the number may soon be that of another file.
func ring(ctx context.Context, bell int) (end func()) {
	rung := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(rung)
		_, _ = unix.Write(bell, []byte{1, 1, 1, 1, 1, 1, 1, 1}) // any number but zero and the highest
	})
	return func() {
		if !stop() {
			<-rung
		}
	}
}

func (h *hunt) end() {
	for _, f := range h.flights {
		_ = unix.Close(f.fd)
	}
}

// shortRest is the longest pause that is spent in poll(2), where nothing wakes but the hunt itself. What sits longer in a
// system call the runtime's monitor takes for lost: it takes its place away and hardly sleeps for a while, which costs more
// than its timers do.
const shortRest = 9 * time.Millisecond

// rest waits through a longer pause in which no answer can come.
func (h *hunt) rest(ctx context.Context) {
	if d := time.Until(h.due); len(h.flights) == 0 && d > shortRest {
		_ = pause(ctx, d) // the caller looks at ctx
	}
}

// round starts an attempt if one is due, and waits for an answer to any, for the bell, or until the next is due.
func (h *hunt) round(bell int) (net.Conn, error) {
	now := time.Now()
	h.giveUp(now)
	if !now.Before(h.due) {
		h.launch(now)
	}
	h.polls = append(h.polls[:0], unix.PollFd{Fd: int32(bell), Events: unix.POLLIN})
	for _, f := range h.flights {
		h.polls = append(h.polls, unix.PollFd{Fd: int32(f.fd), Events: unix.POLLOUT})
	}
	switch _, err := unix.Poll(h.polls, milliseconds(time.Until(h.due))); err {
	case nil:
		return h.harvest(), nil
	case unix.EINTR:
		return nil, nil
	default:
		return nil, errNoChase // out of memory, or more descriptors than the limit allows to ask about
	}
}

// milliseconds rounds up: a wait that ends early is one wait more.
func milliseconds(d time.Duration) int {
	return int(max(0, d+time.Millisecond-1) / time.Millisecond)
}

// giveUp ends the attempts that have had their time. An attempt is started at least on each beat, so this is never
// much too late.
func (h *hunt) giveUp(now time.Time) {
	kept := h.flights[:0]
	for _, f := range h.flights {
		if now.Before(f.deadline) {
			kept = append(kept, f)
			continue
		}
		_ = unix.Close(f.fd)
		h.fail(h.failure(os.ErrDeadlineExceeded))
	}
	h.flights = kept
}

func (h *hunt) launch(now time.Time) {
	elapsed := now.Sub(h.began)
	h.due = now.Add(h.beat(elapsed))
	if len(h.flights) >= h.most {
		return
	}
	fd, err := connect(h.to)
	if err != nil {
		h.fail(h.failure(err))
		return
	}
	h.flights = append(h.flights, flight{fd, now.Add(h.limit(elapsed))})
}

// connect begins to connect. A non-blocking connect answers by the state of its descriptor, even where the answer
// is there already.
func connect(to netip.AddrPort) (fd int, err error) {
	family, sa := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Addr: to.Addr().As16(), Port: int(to.Port())})
	if to.Addr().Is4() {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	switch err := unix.Connect(fd, sa); err {
	case nil, unix.EINPROGRESS, unix.EINTR:
		return fd, nil
	default:
		_ = unix.Close(fd)
		return -1, os.NewSyscallError("connect", err)
	}
}

// harvest takes the answers that the poll has shown, up to the first good one.
func (h *hunt) harvest() (found net.Conn) {
	kept := h.flights[:0]
	for i, f := range h.flights {
		if found != nil || h.polls[i+1].Revents == 0 {
			kept = append(kept, f)
			continue
		}
		conn, err := arrive(f.fd)
		if err == nil {
			conn, err = h.admit(conn)
		}
		if err != nil {
			h.fail(h.failure(err))
			continue
		}
		found = conn
	}
	h.flights = kept
	return found
}

// arrive makes a connection of a descriptor that has its answer, or closes it.
func arrive(fd int) (net.Conn, error) {
	if err := answer(fd); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "probe")
	defer file.Close() // FileConn takes a duplicate
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	if err := usable(conn.(*net.TCPConn)); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// answer tells how connecting has ended.
func answer(fd int) error {
	errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	switch {
	case err != nil:
		return os.NewSyscallError("getsockopt", err)
	case errno != 0:
		return os.NewSyscallError("connect", syscall.Errno(errno))
	}
	return nil
}

// errItself is the failure of a connection whose both ends are one socket: TCP allows that, and the system may choose
// the very port for our end that nobody listens on.
var errItself = fmt.Errorf("connected to itself, so nobody listens there: %w", syscall.ECONNREFUSED)

// usable refuses a connection that has no other end.
func usable(conn *net.TCPConn) error {
	remote := conn.RemoteAddr()
	switch {
	case remote == nil: // reset since it was made
		return os.NewSyscallError("connect", syscall.ECONNRESET)
	case remote.String() == conn.LocalAddr().String():
		_ = conn.SetLinger(0) // what lingers would keep the target from its own port
		return errItself
	}
	return conn.SetKeepAlive(false) // the relay sets it
}

// failure words err as the net package does.
func (h *hunt) failure(err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(h.to), Err: err}
}

// fail takes note of a failed attempt. It never puts the next one off.
func (h *hunt) fail(err error) {
	h.last = Blame(err)
	now := time.Now()
	if due := now.Add(h.after(now.Sub(h.began), err)); due.Before(h.due) {
		h.due = due
	}
}
