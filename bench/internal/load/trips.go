//go:build linux

package load

import (
	"fmt"
	"math"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rouse-proxy/rouse/bench/internal/stats"
)

// pingpong sends one byte on each connection, waits for its echo, and sends again.
func pingpong(s *session) (Result, error) {
	var r Result
	fds, err := dialAll(s.Addr, s.Streams, hello())
	if err != nil {
		r.fail(err)
		return r, nil
	}
	defer closeAll(fds)
	trip := &trips{fds: fds, sent: make([]time.Time, len(fds)), times: make([]int64, 0, 1<<20)}
	run := trip.many
	if len(fds) == 1 {
		run = trip.one
	}
	for i := range trip.sent {
		trip.sent[i] = time.Now()
	}
	if err := run(s.Warm); err != nil {
		r.fail(err)
		return r, nil
	}
	trip.times = trip.times[:0]
	m := begin(s.PID)
	err = run(s.Window)
	took := m.end()
	if err != nil {
		r.fail(err)
		return r, nil
	}
	r.Values, r.Work = trip.values(took, s.PID != 0), float64(len(trip.times))
	return r, nil
}

// trips is a ping-pong under way: an echo is always due on every connection.
type trips struct {
	fds   []int
	sent  []time.Time
	times []int64 // nanoseconds
	b     [1]byte
}

// again notes the trip that has just ended on connection i and begins the next.
func (t *trips) again(i int) error {
	now := time.Now()
	t.times = append(t.times, int64(now.Sub(t.sent[i])))
	t.sent[i] = now
	if _, err := unix.Write(t.fds[i], t.b[:]); err != nil {
		return fmt.Errorf("sending a byte: %w", err)
	}
	return nil
}

// one uses blocking calls: two for a trip, so that the generator adds the least.
func (t *trips) one(d time.Duration) error {
	if err := unix.SetNonblock(t.fds[0], false); err != nil {
		return fmt.Errorf("making the connection block: %w", err)
	}
	for until := time.Now().Add(d); t.sent[0].Before(until); {
		if err := readByte(t.fds[0], t.b[:]); err != nil {
			return fmt.Errorf("reading an echo: %w", err)
		}
		if err := t.again(0); err != nil {
			return err
		}
	}
	return nil
}

func (t *trips) many(d time.Duration) error {
	p, err := newPoll(t.fds, unix.EPOLLIN)
	if err != nil {
		return err
	}
	defer p.close()
	for until := time.Now().Add(d); time.Now().Before(until); {
		ready, err := p.wait(until)
		if err != nil {
			return err
		}
		for _, ev := range ready {
			n, err := unix.Read(t.fds[ev.Fd], t.b[:])
			switch {
			case err == nil && n == 0:
				return errEnded
			case err != nil && later(err):
				continue
			case err != nil:
				return fmt.Errorf("reading an echo: %w", err)
			}
			if err := t.again(int(ev.Fd)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *trips) values(took span, proxied bool) map[string]float64 {
	n := float64(len(t.times))
	v := latencies(t.times)
	v["rate"] = n / took.elapsed.Seconds()
	if proxied {
		v["cpu"] = stats.Ratio(micros(took.cpu), n)
	}
	return finite(v)
}

// latencies sorts the times and gives p50 and p99 in microseconds.
func latencies(times []int64) map[string]float64 {
	v := map[string]float64{}
	if len(times) > 0 {
		slices.Sort(times)
		v["p50"] = float64(stats.Percentile(times, 50)) / 1000
		v["p99"] = float64(stats.Percentile(times, 99)) / 1000
	}
	return v
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// finite drops what is not a number: there is no such thing in JSON.
func finite(v map[string]float64) map[string]float64 {
	for key, x := range v {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			delete(v, key)
		}
	}
	return v
}
