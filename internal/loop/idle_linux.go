package loop

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// idle lets the runtime's poller wait for a loop that has nothing to do. An epoll descriptor can itself be polled; the
// runtime, which never forgets a descriptor, gets to see a gate, behind which the loop's own is only while it waits there.
// Else the runtime would wake up with each event of a busy loop.
type idle struct {
	gate  *os.File // an epoll descriptor
	raw   syscall.RawConn
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
	i.gate = os.NewFile(uintptr(fd), "epoll")
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
	gate := 0
	_ = i.raw.Control(func(fd uintptr) { gate = int(fd) })
	event := unix.EpollEvent{Events: unix.EPOLLIN}
	if err := epollCtl(gate, unix.EPOLL_CTL_ADD, l.epoll, &event); err != nil {
		return 0, err
	}
	err := i.raw.Read(i.look)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return i.n, errors.Join(err, i.err, epollCtl(gate, unix.EPOLL_CTL_DEL, l.epoll, &event))
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
