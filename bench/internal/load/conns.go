//go:build linux

package load

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rouse-proxy/rouse/bench/internal/stats"
)

// shorts is a run of short connections: connect, one byte there and back, close, again.
type shorts struct {
	to    unix.SockaddrInet4
	p     *poll
	slots []short
	first []byte
	times []int64
	b     [64]byte
}

// short is one connection under way.
type short struct {
	fd    int
	began time.Time
	sent  bool
}

// conns keeps Streams short connections under way, for the window or until Most have ended.
func conns(s *session) (Result, error) {
	var r Result
	p, err := newPoll(nil, 0)
	if err != nil {
		return r, err
	}
	defer p.close()
	c := &shorts{
		to: unix.SockaddrInet4{Addr: s.Addr.Addr().As4(), Port: int(s.Addr.Port())},
		p:  p, slots: make([]short, s.Streams), first: hello(), times: make([]int64, 0, s.Most),
	}
	m := begin(s.PID)
	err = c.run(time.Now().Add(s.Window), s.Most)
	took := m.end()
	c.end()
	if err != nil {
		r.fail(err)
		return r, nil
	}
	n := float64(len(c.times))
	r.Values, r.Work = latencies(c.times), n
	r.Values["rate"] = n / took.elapsed.Seconds()
	if s.PID != 0 {
		r.Values["cpu"] = stats.Ratio(micros(took.cpu), n)
	}
	finite(r.Values)
	return r, nil
}

func (c *shorts) run(until time.Time, most int) error {
	for i := range c.slots {
		if err := c.open(i); err != nil {
			return err
		}
	}
	for len(c.times) < most && time.Now().Before(until) {
		ready, err := c.p.wait(until)
		if err != nil {
			return err
		}
		for _, ev := range ready {
			if err := c.step(int(ev.Fd)); err != nil {
				return err
			}
		}
	}
	return nil
}

// open begins connection i. On loopback the handshake is over when connect returns, so
// the first bytes mostly go at once.
func (c *shorts) open(i int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	c.slots[i] = short{fd: fd, began: time.Now()}
	if err := unix.Connect(fd, &c.to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return fmt.Errorf("connecting: %w", err)
	}
	_, err = unix.Write(fd, c.first)
	c.slots[i].sent = err == nil
	if err != nil && !later(err) {
		return fmt.Errorf("sending the first bytes: %w", err)
	}
	events := uint32(unix.EPOLLIN)
	if !c.slots[i].sent {
		events |= unix.EPOLLOUT
	}
	return c.p.add(fd, i, events)
}

// step goes on with connection i: it sends what is still to be sent, or takes the echo and
// puts a new connection in its place.
func (c *shorts) step(i int) error {
	slot := &c.slots[i]
	if !slot.sent {
		if _, err := unix.Write(slot.fd, c.first); err != nil {
			return fmt.Errorf("sending the first bytes: %w", err)
		}
		slot.sent = true
		c.p.forget(slot.fd)
		return c.p.add(slot.fd, i, unix.EPOLLIN)
	}
	n, err := unix.Read(slot.fd, c.b[:])
	switch {
	case err != nil && later(err):
		return nil
	case err != nil:
		return fmt.Errorf("reading the echo: %w", err)
	case n == 0:
		return errEnded
	}
	c.times = append(c.times, int64(time.Since(slot.began)))
	_ = unix.Close(slot.fd)
	return c.open(i)
}

// end closes what is still under way.
func (c *shorts) end() {
	for _, slot := range c.slots {
		if slot.fd > 0 {
			_ = unix.Close(slot.fd)
		}
	}
}
