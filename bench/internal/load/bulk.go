//go:build linux

package load

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rouse-proxy/rouse/bench/internal/stats"
	"github.com/rouse-proxy/rouse/bench/internal/wire"
)

// chunk is how much one system call of a bulk stream moves.
const chunk = 256 << 10

// bulk moves bytes over all streams as fast as they go. It counts at this end, between
// two moments at which the buffers on the way are equally full.
func bulk(s *session) (Result, error) {
	var r Result
	fds, err := s.dialBulk()
	if err != nil {
		r.fail(err)
		return r, nil
	}
	defer abort(fds)
	events := uint32(unix.EPOLLOUT)
	if s.Down {
		events = unix.EPOLLIN
	}
	p, err := newPoll(fds, events)
	if err != nil {
		return r, err
	}
	defer p.close()
	moved := make([]uint64, len(fds))
	if err := s.move(p, fds, moved, s.Warm); err != nil {
		r.fail(err)
		return r, nil
	}
	clear(moved)
	m := begin(s.PID)
	err = s.move(p, fds, moved, s.Window)
	took := m.end()
	if err != nil {
		r.fail(err)
		return r, nil
	}
	r.Values = bulkValues(moved, took, s.PID != 0)
	r.Work = r.Values["gbps"] * took.elapsed.Seconds()
	return r, nil
}

// dialBulk opens the streams with the header of their direction.
func (s *session) dialBulk() ([]int, error) {
	header := wire.Header(wire.Sink, 0)
	if s.Down {
		header = wire.Header(wire.Source, 0)
	}
	return dialAll(s.Addr, s.Streams, header)
}

// move sends or receives on whichever stream is ready, one chunk at a time.
func (s *session) move(p *poll, fds []int, moved []uint64, d time.Duration) error {
	buf := make([]byte, chunk)
	if !s.Down {
		copy(buf, wire.At(0, chunk))
	}
	for until := time.Now().Add(d); time.Now().Before(until); {
		ready, err := p.wait(until)
		if err != nil {
			return err
		}
		for _, ev := range ready {
			var n int
			if s.Down {
				n, err = unix.Read(fds[ev.Fd], buf)
			} else {
				n, err = unix.Write(fds[ev.Fd], buf)
			}
			switch {
			case err == nil && n == 0:
				return errEnded
			case err == nil:
				moved[ev.Fd] += uint64(n)
			case !later(err):
				return fmt.Errorf("moving bytes: %w", err)
			}
		}
	}
	return nil
}

func bulkValues(moved []uint64, took span, proxied bool) map[string]float64 {
	var sum uint64
	for _, n := range moved {
		sum += n
	}
	gb := float64(sum) / 1e9
	v := map[string]float64{
		"gbps":    gb / took.elapsed.Seconds(),
		"machine": stats.Ratio(took.machine.Seconds(), gb),
		"fair":    stats.Ratio(float64(slices.Min(moved)), float64(slices.Max(moved))),
	}
	if proxied {
		v["cpu"] = stats.Ratio(took.cpu.Seconds(), gb)
	}
	return finite(v)
}

// mixed runs one ping-pong connection beside bulk streams, each on its own thread.
func mixed(s *session) (Result, error) {
	type outcome struct {
		r   Result
		err error
	}
	beside := make(chan outcome, 1)
	go func() {
		runtime.LockOSThread()
		quiet := *s
		quiet.Streams, quiet.PID = 1, 0
		r, err := pingpong(&quiet)
		beside <- outcome{r, err}
	}()
	r, err := bulk(s)
	other := <-beside
	if err != nil {
		return r, err
	}
	if r.Values == nil {
		r.Values = map[string]float64{}
	}
	for _, key := range []string{"p50", "p99"} {
		if v, ok := other.r.Values[key]; ok {
			r.Values[key] = v
		}
	}
	r.Errors += other.r.Errors
	if r.Note == "" {
		r.Note = other.r.Note
	}
	return r, other.err
}
