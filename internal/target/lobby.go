package target

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrUnwanted is why a visitor is cut: the target is about to be stopped, and it may not keep it awake.
var ErrUnwanted = errors.New("the target is stopped, and this client may not keep it awake")

// evictTimeout is how long a stop waits for visitors that were told to go. They go at once; one that does not is rouse's own fault.
const evictTimeout = 5 * time.Second

// A lobby has those in it who are served while the target is awake for others: they hold nothing, are no reason for it to stay
// awake, and are told to go before a stop begins. It is open only while the target is ready.
type lobby struct {
	mu     sync.Mutex
	open   bool
	visits map[*visit]bool
	empty  chan struct{} // closed when the last one has gone; nil: nobody waits for that
}

// A visit is one stay.
type visit struct{ evict func() }

// enter lets a visitor in, unless the lobby is shut.
func (l *lobby) enter(v *visit) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.open {
		return false
	}
	if l.visits == nil {
		l.visits = map[*visit]bool{}
	}
	l.visits[v] = true
	return true
}

// leave takes a visitor out.
func (l *lobby) leave(v *visit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.visits, v)
	if len(l.visits) == 0 && l.empty != nil {
		close(l.empty)
		l.empty = nil
	}
}

// let opens the lobby, or keeps others from coming in.
func (l *lobby) let(open bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = open
}

// clear shuts the lobby and tells everybody in it to go. What it returns is closed when they have; nil: nobody was there.
func (l *lobby) clear() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = false
	if len(l.visits) == 0 {
		return nil
	}
	if l.empty == nil {
		l.empty = make(chan struct{})
	}
	for v := range l.visits {
		go v.evict() // whose it is may be at its own leave just now
	}
	return l.empty
}

// count is how many are in it.
func (l *lobby) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.visits)
}

// TryVisit lets the owner of h use a target that is ready without holding it: the target is not kept awake for it. When a stop is
// about to begin, evict is called, on a goroutine of its own and maybe late; the owner then ends what it does, and releases h. False:
// the target is not ready.
func (t *Target) TryVisit(h *Hold, evict func()) bool {
	v := &visit{evict}
	h.target, h.waiter, h.visit = t, nil, v // before it may be told to go
	if !t.lobby.enter(v) {
		h.visit = nil
		return false
	}
	h.grant = t.grant.Load()
	return true
}

// Visit turns a hold into a visit. If the target is not ready it stays a hold; false says so.
func (h *Hold) Visit(evict func()) bool {
	if !h.held {
		return false
	}
	h.held, h.visit = false, &visit{evict}
	if !h.target.lobby.enter(h.visit) {
		h.held, h.visit = true, nil
		return false
	}
	h.target.door.leave()
	return true
}

// Count turns a visit into a hold. False: the target is not ready any more, and the visitor is told to go.
func (h *Hold) Count() bool {
	switch {
	case h.held:
		return true
	case h.visit == nil || !h.target.door.enter():
		return false
	}
	h.grant, h.held = h.target.grant.Load(), true
	h.endVisit()
	return true
}

// Visits says whether h is a visit.
func (h *Hold) Visits() bool { return h.visit != nil }

// endVisit takes the owner out of the lobby. It says whether it was there.
func (h *Hold) endVisit() bool {
	if h.visit == nil {
		return false
	}
	h.target.lobby.leave(h.visit)
	h.visit = nil
	return true
}

// awaitVisitors waits until nobody is there any more who was told to go.
func (j *job) awaitVisitors(ctx context.Context) {
	if j.visitors == nil {
		return
	}
	select {
	case <-j.visitors:
	case <-ctx.Done():
	case <-time.After(evictTimeout):
		j.Logger.Error("the stop goes on although clients are connected that were told to go; please report it", "target", j.Name)
	}
}
