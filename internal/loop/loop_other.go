//go:build !linux

package loop

import "errors"

// A Group is the loops of a process; there are none on this system.
type Group struct{}

// Options describe a group.
type Options struct {
	Loops int
	Pipes int
}

// New fails: this system has no epoll.
func New(Options) (*Group, error) { return nil, errors.ErrUnsupported }

// Start does nothing.
func (*Group) Start() {}

// Stop does nothing.
func (*Group) Stop() {}

// Close does nothing.
func (*Group) Close() error { return nil }

// Descriptors is how many descriptors a group takes.
func Descriptors(Options) int { return 0 }
