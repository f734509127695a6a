//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package exec

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// A lock says that a start or stop of the target is under way. It belongs to an
// open file, which a keeper inherits: so it is held without a gap from before the
// fork until the keeper has ended, and by nobody after that, whoever dies when. A
// nil lock stands for none: what cannot be locked runs all the same.
type lock struct{ file *os.File }

// openLock opens the lock file, and takes no link and nothing but a regular file.
func openLock(path string) (*lock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|noLink|noWait, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	return &lock{file}, nil
}

// try takes the lock unless somebody has it.
func (l *lock) try() (bool, error) {
	for {
		err := syscall.Flock(int(l.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, syscall.EINTR):
			return false, os.NewSyscallError("flock", err)
		}
	}
}

// stands says whether the file is still the one at its path: somebody who locks
// another one there would not see us.
func (l *lock) stands(path string) bool {
	ours, err := l.file.Stat()
	if err != nil {
		return true
	}
	theirs, err := os.Lstat(path)
	return err == nil && os.SameFile(ours, theirs)
}

// free gives the lock back, also for a process that was just forked and has not
// closed its copy yet.
func (l *lock) free() {
	if l != nil && l.file != nil {
		_ = syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN)
		l.drop()
	}
}

// dropped says that a keeper had the lock.
func (l *lock) dropped() bool { return l != nil && l.file == nil }

// drop closes our copy, and leaves the lock to the keeper that has one.
func (l *lock) drop() {
	if l != nil && l.file != nil {
		l.file.Close()
		l.file = nil
	}
}
