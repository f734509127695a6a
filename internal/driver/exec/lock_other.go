//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package exec

import "errors"

// A lock is for keepers, which there are none of here.
type lock struct{}

func openLock(string) (*lock, error) { return nil, errors.ErrUnsupported }
func (l *lock) try() (bool, error)   { return true, nil }
func (l *lock) stands(string) bool   { return true }
func (l *lock) free()                {}
func (l *lock) drop()                {}
func (l *lock) dropped() bool        { return false }
