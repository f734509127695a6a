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
	gate *os.File // an epoll descriptor
	raw  syscall.RawConn
	fd   int // of the gate
	look func(fd uintptr) bool
	due  time.Time // the deadline that is set; zero: none
	n    int
	err  error
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

// wait waits for events of l, but not beyond due if that is not zero.
func (i *idle) wait(l *Loop, due time.Time) (int, error) {
	i.n, i.err = 0, nil
	if err := i.deadline(due); err != nil {
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

// deadline sets the one of the gate. Most waits end long before the first timer is due, which stays the same then.
func (i *idle) deadline(due time.Time) error {
	if due.Equal(i.due) {
		return nil
	}
	i.due = due
	return i.gate.SetReadDeadline(due)
}
