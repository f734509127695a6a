// Package loop is an event loop over raw descriptors, for Linux: one goroutine that waits in epoll(7) and calls
// handlers, so that a connection costs neither a goroutine nor a buffer while nothing happens on it.
//
// The model: a [Loop] owns whatever has joined it. Handlers, tasks and timers run one after the other on its goroutine
// and must never block; from outside, [Loop.Post] is the only way in. Descriptors are watched edge-triggered: an event
// says that something may have changed, and whoever handles it remembers what it has not used up. A [Token] names a
// handler together with a generation, so an event that was under way for a handler that has left is dropped.
//
// All system calls here skip the Go scheduler: they are on descriptors that do not block, but for a short wait. A longer one
// is left to the runtime's own poller.
//
// A [Group] is the loops of a process. Elsewhere than on Linux there is none ([New] fails), and callers use goroutines.
package loop
