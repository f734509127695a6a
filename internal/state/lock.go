package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

// ErrLocked is the error of [Open] while another process holds the directory.
var ErrLocked = errors.New("another rouse holds it")

// holderAt is where the lock file keeps the process id of the holder. The first byte
// is the one that Windows locks, against reading and writing too; it says nothing.
const holderAt = 1

// acquireLock takes the lock whose file is at path and writes our process id into it.
// The kernel gives the lock back when the process ends, however it ends; the file stays,
// for removing it would let two processes lock two files of the same name.
func acquireLock(path string) (*flock.Flock, error) {
	if bad, ok := errors.AsType[badFile](checkPlain(os.Lstat(path))); ok {
		return nil, fmt.Errorf("%s is in the way: %w; remove it, or name another directory with --state-dir", path, bad)
	}
	lock := flock.New(path, flock.SetFlag(os.O_RDWR|os.O_CREATE|openNoFollow|openNoWait))
	got, err := lock.TryLock()
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return nil, fmt.Errorf("locking %s: %w; put it on a local disk with --state-dir", path, err)
	case err != nil:
		return nil, hinted(err)
	case !got:
		return nil, heldError(path)
	}
	if err := checkSame(lock, path); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	writeHolder(path)
	return lock, nil
}

// checkSame makes sure that what we locked is still the file at path. If somebody
// removed it in between, the next process would lock another one.
func checkSame(lock *flock.Flock, path string) error {
	locked, err := lock.Stat()
	if err != nil {
		return err
	}
	named, err := os.Lstat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil || !os.SameFile(locked, named) {
		return fmt.Errorf("%s was removed while it was locked; start again", path)
	}
	return nil
}

// heldError says who holds the lock and what to do.
func heldError(path string) error {
	who := ""
	if pid := readHolder(path); pid > 0 {
		who = fmt.Sprintf(" (pid %d)", pid)
	}
	return fmt.Errorf("%w%s; end that one, or give this one a directory of its own with --state-dir", ErrLocked, who)
}

// readHolder returns the process id in the lock file, or 0 when it cannot tell.
func readHolder(path string) int {
	f, err := os.OpenFile(path, os.O_RDONLY|openNoFollow|openNoWait, 0)
	if err != nil {
		return 0
	}
	defer f.Close()
	data, err := io.ReadAll(io.NewSectionReader(f, holderAt, 32))
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(data), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}

// writeHolder writes our process id into the lock file. It only helps a person to find
// us: on a full disk the lock does without.
func writeHolder(path string) {
	clearHolder(path)
	f, err := os.OpenFile(path, os.O_WRONLY|openNoFollow|openNoWait, 0)
	if err != nil {
		return
	}
	_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), holderAt)
	_ = f.Close()
}

// clearHolder removes the process id from the lock file.
func clearHolder(path string) {
	_ = os.Truncate(path, 0) // as writeHolder
}
