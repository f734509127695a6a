package loop

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// idle lets the runtime's poller wait for a loop that has nothing to do. An epoll descriptor can itself be polled. The
// runtime, which never forgets a descriptor, gets to see a gate, which opens only while it waits there: else it would wake
// up with each event of a busy loop. The gate is opened and shut by a change of what it watches for, as adding the loop's
// descriptor to it each time would make the kernel look at all that the loop watches.
type idle struct {
	gate  *os.File // an epoll descriptor
	raw   syscall.RawConn
	fd    int // of the gate
	look  func(fd uintptr) bool
	limit bool // a deadline is set
	n     int
	err   error
}

func (i *idle) open(l *Loop) error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	_ = unix.SetNonblock(fd, true) // for package os, which takes it for pollable then; it never fails on an open descriptor
	i.gate, i.fd = os.NewFile(uintptr(fd), "epoll"), fd
	if err := i.set(unix.EPOLL_CTL_ADD, l, 0); err != nil {
		return err
	}
	if err := i.gate.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	i.raw, err = i.gate.SyscallConn()
	i.look = func(uintptr) bool {
		i.n, i.err = epollWait(l.epoll, l.events, 0)
		return i.n > 0 || i.err != nil
	}
	return err
}

func (i *idle) close() error {
	if i.gate == nil {
		return nil
	}
	return i.gate.Close()
}

// wait waits for events of l, not for longer than timeout if that is not negative.
func (i *idle) wait(l *Loop, timeout time.Duration) (int, error) {
	i.n, i.err = 0, nil
	if err := i.deadline(timeout); err != nil {
		return 0, err
	}
	if err := i.set(unix.EPOLL_CTL_MOD, l, unix.EPOLLIN); err != nil {
		return 0, err
	}
	err := i.raw.Read(i.look)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return i.n, errors.Join(err, i.err, i.set(unix.EPOLL_CTL_MOD, l, 0))
}

func (i *idle) set(op int, l *Loop, events uint32) error {
	return epollCtl(i.fd, op, l.epoll, &unix.EpollEvent{Events: events})
}

func (i *idle) deadline(timeout time.Duration) error {
	if !i.limit && timeout < 0 {
		return nil
	}
	i.limit = timeout >= 0
	if !i.limit {
		return i.gate.SetReadDeadline(time.Time{})
	}
	return i.gate.SetReadDeadline(time.Now().Add(timeout))
}
