package proxy

import (
	"sync/atomic"
	"time"
)

const credit = 5 * time.Millisecond // of turns that pacing makes up for, as timers are coarse

// pace keeps the turns of all loops apart where the user wants that. The zero value does not.
type pace struct {
	rate float64      // turns a second
	next atomic.Int64 // when the next may be taken, on the loops' clock
}

// take takes a turn, or returns how long there is none.
func (p *pace) take(now time.Duration) time.Duration {
	if p.rate <= 0 {
		return 0
	}
	for {
		next := p.next.Load()
		if d := time.Duration(next) - now; d > 0 {
			return d
		}
		after := max(next, int64(now-credit)) + int64(float64(time.Second)/p.rate)
		if p.next.CompareAndSwap(next, after) {
			return 0
		}
	}
}
