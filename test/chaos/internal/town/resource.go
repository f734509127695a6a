//go:build linux

package town

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// resourceNemeses take away what a program needs.
func resourceNemeses() []nemesis {
	return []nemesis{
		{name: "disk-full", least: 500 * time.Millisecond, most: 4 * time.Second, begin: diskFull},
		{name: "few-files", least: 500 * time.Millisecond, most: 3 * time.Second, begin: fewFiles},
		{name: "no-forks", tool: controlGroup, least: 300 * time.Millisecond, most: 2 * time.Second, excused: true, begin: noForks},
	}
}

// filler is what fills the disk.
const filler = "filler"

// diskFull fills the disk of rouse's state.
func diskFull(_ context.Context, t *Town, _ Act) (func() error, error) {
	path := filepath.Join(t.state, filler)
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for size := 1 << 16; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			if !errors.Is(err, unix.ENOSPC) {
				return nil, err
			}
			size /= 2
		}
	}
	return func() error { return os.Remove(path) }, nil
}

// fewFiles takes away all descriptors but those in use and a few. A rouse that is on its way gets there first: the runtime of
// Go ends a program that has none for its poller, before rouse has had a say.
func fewFiles(ctx context.Context, t *Town, a Act) (func() error, error) {
	t.rouse.settled(ctx)
	pid := t.rouse.pid()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if pid == 0 || err != nil {
		return nil, nil //nolint:nilerr // nobody is there to have any
	}
	var old unix.Rlimit
	few := unix.Rlimit{Cur: uint64(len(open) + a.Amount%4)}
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &old); err != nil {
		return nil, gone(err)
	}
	few.Max = old.Max
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &few, nil); err != nil {
		return nil, gone(err)
	}
	return func() error { return gone(unix.Prlimit(pid, unix.RLIMIT_NOFILE, &old, nil)) }, nil
}

// gone makes nothing of an error that says that the process has gone.
func gone(err error) error {
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// noForks lets rouse have no more processes and threads than it has. A Go program that needs a thread then ends, which
// it is excused for.
func noForks(_ context.Context, t *Town, _ Act) (func() error, error) {
	most := filepath.Join(t.rouse.cgroup, "pids.max")
	now, err := os.ReadFile(filepath.Join(t.rouse.cgroup, "pids.current"))
	if err != nil {
		return nil, err
	}
	if n := strings.TrimSpace(string(now)); n != "0" {
		if err := os.WriteFile(most, []byte(n), 0o644); err != nil {
			return nil, err
		}
	}
	return func() error { return os.WriteFile(most, []byte("max"), 0o644) }, nil
}
