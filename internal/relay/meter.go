package relay

import "sync/atomic"

// A Meter counts the bytes that many relays carry, while they do. A nil Meter counts nothing.
type Meter struct{ carried [2]atomic.Int64 }

// count adds bytes that came from s.
func (m *Meter) count(s side, n int) {
	if m != nil {
		m.carried[s].Add(int64(n))
	}
}

// Add counts what is known only at the end of a relay.
func (m *Meter) Add(r Result) {
	if m != nil {
		m.carried[theClient].Add(r.Sent)
		m.carried[theBackend].Add(r.Received)
	}
}

// Bytes returns how many have come from clients, and how many were carried to them.
func (m *Meter) Bytes() (sent, received int64) {
	return m.carried[theClient].Load(), m.carried[theBackend].Load()
}
