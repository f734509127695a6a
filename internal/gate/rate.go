package gate

import (
	"net/netip"
	"sync"
	"time"
)

// A Rate is so many within a time, at most that many at once. The zero value is no limit.
type Rate struct {
	Count  int
	Within time.Duration
}

// mostSources bounds the memory of one limit. Should more sources come within its time, those who came longest ago are
// forgotten: they begin anew, and the limit of the whole route is what holds then.
const mostSources = 1 << 16

// limiter keeps sources to a rate. Of each it knows one time: until when what it has done lasts, at the rate (GCRA, as ATM has
// it: ITU-T I.371). There are two generations, so nobody goes through all to forget some.
type limiter struct {
	rate Rate
	now  func() time.Duration // since some beginning; never goes back

	mu         sync.Mutex // guards the fields below
	young, old map[netip.Prefix]time.Duration
	turned     time.Duration // when young became old
}

func newLimiter(r Rate, now func() time.Duration) *limiter {
	if r.Count <= 0 || r.Within <= 0 {
		return nil
	}
	return &limiter{rate: r, now: now, young: map[netip.Prefix]time.Duration{}}
}

// allow counts one more of a source, unless it is over its rate.
func (l *limiter) allow(source netip.Prefix) bool {
	if l == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now, each := l.now(), l.rate.Within/time.Duration(l.rate.Count)
	if now-l.turned > l.rate.Within || len(l.young) >= mostSources/2 {
		l.old, l.young, l.turned = l.young, map[netip.Prefix]time.Duration{}, now // who is in neither has done nothing for that long
	}
	until, known := l.young[source]
	if !known {
		until = l.old[source]
	}
	until = max(until, now)
	if until+each > now+l.rate.Within {
		return false
	}
	l.young[source] = until + each
	return true
}

// source is what counts as one: an address of IPv4, and of IPv6 the /56 that one household gets.
func source(ip netip.Addr) netip.Prefix {
	ip = ip.Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 56
	}
	p, _ := ip.Prefix(bits) // of a valid address
	return p
}
