package app

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/gate"
)

const (
	hushTime = 10 * time.Second // for which a crowd of strangers has hushSome lines of the log
	hushSome = 20
)

func newHush(logger *slog.Logger) *hush { return &hush{logger: logger, seen: map[crowd]*burst{}} }

// A crowd is clients of whom the log says the same.
type crowd struct {
	kind         event.Kind
	target, gate string
}

// hush keeps clients, who may come thousands a second, from filling the log: the first ones are told of, and then how many there
// were. Whoever else is told of events, such as a trace, is told of all.
type hush struct {
	logger *slog.Logger
	hushed atomic.Bool // there is something to be told

	mu   sync.Mutex // guards the field below
	seen map[crowd]*burst
}

type burst struct {
	began time.Time
	told  int
	left  int // not told
}

// common says whether an event is of a client that is not served, or not yet: many may come at once.
func common(e event.Event) bool {
	switch e.Kind {
	case event.ClientLeft, event.ClientWaits, event.GateObserved:
		return true
	case event.ClientRefused:
		return gate.IsRefusal(e.Err)
	}
	return false
}

// say says whether an event is told. Of those that were not, it tells how many there were, once their time is over.
func (h *hush) say(e event.Event) bool {
	odd := common(e)
	if !odd && !h.hushed.Load() {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for c, b := range h.seen {
		if time.Since(b.began) >= hushTime {
			h.end(c, b)
		}
	}
	if !odd {
		return true
	}
	c := crowd{kind: e.Kind, target: e.Target}
	if r, ok := errors.AsType[*gate.Refusal](e.Err); ok {
		c.gate = r.Gate
	}
	b := h.seen[c]
	if b == nil {
		b = &burst{began: time.Now()}
		h.seen[c] = b
	}
	if b.told < hushSome {
		b.told++
		return true
	}
	b.left++
	h.hushed.Store(true)
	return false
}

// end tells how many there were. The lock is held.
func (h *hush) end(c crowd, b *burst) {
	delete(h.seen, c)
	if b.left > 0 {
		h.logger.Warn("more clients like these", "event", string(c.kind), "target", c.target, "gate", c.gate, "clients", b.left, "for", time.Since(b.began))
	}
	h.hushed.Store(len(h.seen) > 0)
}

// flush ends all, when the log does.
func (h *hush) flush() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c, b := range h.seen {
		h.end(c, b)
	}
}
