package proxy

import (
	"context"
	"sync"
)

// crew is who is carried by goroutines, so that they can be told to go.
type crew struct {
	mu  sync.Mutex
	all map[*client]context.CancelCauseFunc
}

func (w *crew) join(c *client, cut context.CancelCauseFunc) (leave func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[*client]context.CancelCauseFunc{}
	}
	w.all[c] = cut
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all, c)
	}
}

// evict cuts the clients of a target.
func (w *crew) evict(of Waker, cause error) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c, cut := range w.all {
		if c.lane.Target == of {
			cut(cause)
			n++
		}
	}
	return n
}

// Evict cuts the clients that are connected to a target through this listener, and says how many.
func (l *Listener) Evict(of Waker, cause error) int {
	return l.crew.evict(of, cause) + l.evictGuests(of, cause)
}
