// Package gate decides who may connect, who may wake, and within what budget.
// So far it knows one budget: how many clients may be served at once without using
// up the descriptors that hooks and probes need. A client is counted at what it will cost once
// it is relayed, not at what it costs while it waits: the release of a thousand
// waiting clients must not run into the limit.
package gate

import "context"

// What one process needs in descriptors.
const (
	PerClient = 6  // a relayed client: two sockets and two pipes, which the kernel splices through
	Reserve   = 24 // kept back for the process: logs, state files, listeners, name lookups, and what the runtime holds
)

// Capacity returns how many clients a process with the given limit of descriptors
// can serve at once, when so many are kept back. It is never below 1.
func Capacity(limit, reserve uint64) int {
	const most = 1 << 20 // "unlimited" is no plan
	if limit <= reserve {
		return 1
	}
	return int(max(min((limit-reserve)/PerClient, most), 1))
}

// Slots is a budget of clients that may be served at once. Any number of
// listeners may share one.
type Slots struct {
	free chan struct{}
}

// NewSlots returns a budget of n clients.
func NewSlots(n int) *Slots {
	return &Slots{free: make(chan struct{}, n)}
}

// Cap returns the budget's size.
func (s *Slots) Cap() int { return cap(s.free) }

// TryAcquire takes a slot if one is free.
func (s *Slots) TryAcquire() bool {
	select {
	case s.free <- struct{}{}:
		return true
	default:
		return false
	}
}

// Acquire waits for a free slot or the end of ctx.
func (s *Slots) Acquire(ctx context.Context) error {
	select {
	case s.free <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Release gives a slot back.
func (s *Slots) Release() { <-s.free }
