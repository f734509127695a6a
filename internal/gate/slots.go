// Package gate decides who may connect, who may wake, and within what budget.
//
// A [Gate] belongs to a listener. It judges a client twice: when it comes (its network, and how often it comes), and, if its
// target sleeps, before it may wake it (its network, how long it stays, what it says). Whoever may not wake may use a target
// that others have woken. Every limit heals by itself.
//
// [Slots] are the budget of clients that may be served at once without using up the descriptors that hooks and probes need. A
// client is counted at what it will cost once it is relayed, not at
// what it costs while it waits: the release of a thousand waiting clients must not run into the limit.
package gate

import (
	"context"
	"sync"
	"sync/atomic"
)

// What one process needs in descriptors.
const (
	PerClient = 2  // a relayed client: two sockets
	Reserve   = 24 // kept back for the process: logs, state files, listeners, name lookups, and what the runtime holds
)

// Capacity returns how many clients, at so many descriptors each, a process with the given limit of descriptors
// can serve at once, when so many are kept back. It is never below 1.
func Capacity(limit, reserve, each uint64) int {
	const most = 1 << 20 // "unlimited" is no plan
	if limit <= reserve {
		return 1
	}
	return int(max(min((limit-reserve)/each, most), 1))
}

// Slots is a budget of clients that may be served at once. Any number of
// listeners may share one.
type Slots struct {
	most  atomic.Int64
	taken atomic.Int64
	eager atomic.Bool // somebody waits for a slot

	mu      sync.Mutex // guards waiting
	waiting []func()
}

// NewSlots returns a budget of n clients.
func NewSlots(n int) *Slots {
	s := &Slots{}
	s.most.Store(int64(n))
	return s
}

// Limit sets the budget's size. Nobody loses a slot.
func (s *Slots) Limit(n int) {
	s.most.Store(int64(n))
	s.tell()
}

// Cap returns the budget's size.
func (s *Slots) Cap() int { return int(s.most.Load()) }

// TryAcquire takes a slot if one is free.
func (s *Slots) TryAcquire() bool {
	for {
		n := s.taken.Load()
		if n >= s.most.Load() {
			return false
		}
		if s.taken.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Acquire waits for a free slot or the end of ctx.
func (s *Slots) Acquire(ctx context.Context) error {
	for !s.TryAcquire() {
		free := make(chan struct{})
		s.WhenFree(func() { close(free) })
		select {
		case <-free:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// WhenFree calls f once, when there is, or may be, a free slot: at once if there is one now. f must be quick.
func (s *Slots) WhenFree(f func()) {
	s.mu.Lock()
	s.waiting = append(s.waiting, f)
	s.eager.Store(true)
	s.mu.Unlock()
	if s.taken.Load() < s.most.Load() { // given back before it was known that somebody waits
		s.tell()
	}
}

// Release gives a slot back.
func (s *Slots) Release() {
	s.taken.Add(-1)
	if s.eager.Load() {
		s.tell()
	}
}

func (s *Slots) tell() {
	s.mu.Lock()
	waiting := s.waiting
	s.waiting = nil
	s.eager.Store(false)
	s.mu.Unlock()
	for _, f := range waiting {
		f()
	}
}
