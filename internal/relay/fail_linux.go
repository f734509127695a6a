package relay

import (
	"fmt"
	"time"

	"github.com/rouse-proxy/rouse/internal/loop"
	"github.com/rouse-proxy/rouse/internal/peek"
)

// rescue is what a link needs after a failure, while the side that lives gets what the failed one had sent.
type rescue struct {
	cause    error
	timer    loop.Timer
	seen     headway
	progress time.Time
	pause    time.Duration
}

func (k *Link) lead(s side) {
	if k.first == side8(nobody) {
		k.first = side8(s)
	}
}

// fail notes that s has died. What the other side sends has no reader any more and is no longer carried; what s had
// sent still is. When the other side dies too, nothing is left to do.
func (k *Link) fail(s side, err error) {
	if side(k.failed) == s {
		return
	}
	if k.failed != side8(nobody) {
		k.done = true
		return
	}
	k.lead(s)
	k.failed, k.end = side8(s), ending(1+s)
	k.drop(s.other())
	k.at(s).set(readable | broken) // the event that tells it may have been used up
	k.rescue = &rescue{cause: fmt.Errorf("%v: %w", s, err), timer: loop.NewTimer(k), progress: k.loop.Now(), pause: firstPause / 2}
}

// judge finds a side that is dead although nothing could be read from it or written to it, and looks after a rescue.
func (k *Link) judge() {
	for _, s := range []side{theClient, theBackend} {
		if !k.done && k.failed == side8(nobody) && k.dead(s) && (k.at(s).is(dry) || k.stuck(s)) {
			k.fail(s, peek.ErrReset)
		}
	}
	if !k.done && k.failed != side8(nobody) {
		k.flush()
	}
}

// dead says whether s is known to have died. A socket that both sides have ended looks the same, unless it has an error.
func (k *Link) dead(s side) bool {
	return k.at(s).is(broken) || k.at(s).is(closed) && !k.at(s.other()).is(passed)
}

// stuck says whether bytes of s wait for the other side's room, so that reading does not tell what became of s.
func (k *Link) stuck(s side) bool { return k.at(s).parked != nil || !k.at(s.other()).is(writable) }

// flush sees to it that the side that lives gets what the failed one had sent: the relay is done when it has it, has
// died too, or has taken nothing for too long.
func (k *Link) flush() {
	r, from, live := k.rescue, k.at(side(k.failed)), k.at(side(k.failed).other())
	copied := from.is(dry) && from.parked == nil
	unsent, err := live.gauge().Unsent()
	delivered, _ := live.gauge().Delivered()
	now := headway{unsent, delivered}
	switch {
	case copied && unsent == 0 && err == nil, k.dead(side(k.failed).other()):
		k.done = true
		return
	case now != r.seen:
		r.seen, r.progress = now, k.loop.Now()
	case k.loop.Now().Sub(r.progress) >= k.patrol.opts.stall():
		k.done = true
		return
	}
	r.pause = min(2*r.pause, lastPause)
	k.loop.Arm(&r.timer, r.pause)
}
