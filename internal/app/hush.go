package app

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/gate"
)

const (
	hushTime = 10 * time.Second // for which a crowd of strangers has hushSome lines of the log
	hushSome = 20
)

// A crowd is strangers of whom the log says the same.
type crowd struct {
	kind         event.Kind
	target, gate string
}

// hush keeps strangers, who come thousands a second, from filling the log: the first ones are told of, and then how many there
// were. Whoever else is told of events, such as a trace, is told of all.
type hush struct {
	logger *slog.Logger

	mu   sync.Mutex // guards the field below
	seen map[crowd]*burst
}

type burst struct {
	began time.Time
	told  int
	left  int // not told
}

// stranger says whether an event is of a client that was never served: it has left, or a gate has refused it.
func stranger(e event.Event) bool {
	switch e.Kind {
	case event.ClientLeft, event.GateObserved:
		return true
	case event.ClientRefused:
		return gate.IsRefusal(e.Err)
	}
	return false
}

// say says whether the event is told, and tells how many were not.
func (h *hush) say(e event.Event) bool {
	c := crowd{kind: e.Kind, target: e.Target}
	if r, ok := errors.AsType[*gate.Refusal](e.Err); ok {
		c.gate = r.Gate
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.seen[c]
	if b == nil || time.Since(b.began) >= hushTime {
		if b != nil && b.left > 0 {
			h.logger.Warn("more clients like these", "event", string(c.kind), "target", c.target, "gate", c.gate, "clients", b.left, "since", b.began)
		}
		b = &burst{began: time.Now()}
		h.seen[c] = b
	}
	if b.told++; b.told <= hushSome {
		return true
	}
	b.left++
	return false
}
