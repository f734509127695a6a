//go:build linux

package load

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rouse-proxy/rouse/bench/internal/backend"
)

// abreast is how many connections of an idle job wait for their first echo at a time.
const abreast = 64

// idle opens connections, each with one echo, and then leaves them alone until the
// harness sends a line. Its values are 0 but for their number.
func idle(s *session) (Result, error) {
	var r Result
	var fds []int
	defer func() { closeAll(fds) }()
	for len(fds) < s.Streams {
		batch, err := dialAll(s.Addr, min(abreast, s.Streams-len(fds)), hello())
		if err != nil {
			r.fail(err)
			break
		}
		before := len(fds)
		fds = append(fds, batch...)
		if _, err := echoes(fds[before:], time.Now().Add(5*time.Second), &r); err != nil {
			return r, err
		}
		if r.Errors > 0 {
			break
		}
	}
	r.Values = map[string]float64{"held": float64(len(fds))}
	if err := s.held(len(fds)); err != nil {
		return r, err
	}
	_, _ = s.in.ReadString('\n') // the end of the input is as good
	return r, nil
}

// wake opens connections, each with its first byte, to a proxy whose target sleeps, and
// notes when the echoes come. The moments are of the monotonic clock, in milliseconds, as
// the harness knows when the target woke.
func wake(s *session) (Result, error) {
	var r Result
	var fds []int
	defer func() { closeAll(fds) }()
	for range s.Streams {
		fd, err := dial(s.Addr, hello())
		if err != nil {
			r.fail(err)
			break
		}
		fds = append(fds, fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			return r, fmt.Errorf("making a connection not block: %w", err)
		}
	}
	if err := s.held(len(fds)); err != nil {
		return r, err
	}
	times, err := echoes(fds, time.Now().Add(s.Window), &r)
	if err != nil {
		return r, err
	}
	r.Values = map[string]float64{"held": float64(len(fds)), "echoed": float64(len(times))}
	r.Work = float64(len(times))
	if len(times) > 0 {
		slices.Sort(times)
		r.Values["first"] = float64(times[0]) / 1e6
		r.Values["middle"] = float64(times[len(times)/2]) / 1e6
		r.Values["last"] = float64(times[len(times)-1]) / 1e6
	}
	return r, nil
}

// echoes waits for one byte on each connection and gives the moments at which they came.
// A connection that breaks, or stays silent to the end, is an error in r.
func echoes(fds []int, until time.Time, r *Result) ([]int64, error) {
	p, err := newPoll(fds, unix.EPOLLIN)
	if err != nil {
		return nil, err
	}
	defer p.close()
	times := make([]int64, 0, len(fds))
	var b [1]byte
	due := len(fds)
	for due > 0 && time.Now().Before(until) {
		ready, err := p.wait(until)
		if err != nil {
			return nil, err
		}
		for _, ev := range ready {
			n, err := unix.Read(fds[ev.Fd], b[:])
			switch {
			case err != nil && later(err):
				continue
			case err != nil:
				r.fail(fmt.Errorf("waiting for an echo: %w", err))
			case n == 0:
				r.fail(fmt.Errorf("waiting for an echo: %w", errEnded))
			default:
				times = append(times, backend.Monotonic())
			}
			due--
			p.forget(fds[ev.Fd])
		}
	}
	for range due {
		r.fail(fmt.Errorf("no echo in time"))
	}
	return times, nil
}
