package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestASecondRouseIsToldWhoHoldsTheDirectory(t *testing.T) {
	path := t.TempDir()
	c := startChild(t, "hold", path)
	if got := c.line(t); got != "held" {
		t.Fatalf("the child said %q", got)
	}
	_, err := Open(path)
	if !errors.Is(err, ErrLocked) {
		t.Fatalf("Open = %v, want ErrLocked", err)
	}
	want := fmt.Sprintf("opening state directory %q: another rouse holds it (pid %d); "+
		"end that one, or give this one a directory of its own with --state-dir", path, c.cmd.Process.Pid)
	if err.Error() != want {
		t.Errorf("the error is %q, want %q", err, want)
	}
	c.kill()
	openDir(t, path)
}

func TestASecondOpenInTheSameProcessFails(t *testing.T) {
	d := openDir(t, t.TempDir())
	_, err := Open(d.Path())
	if !errors.Is(err, ErrLocked) {
		t.Fatalf("Open = %v, want ErrLocked", err)
	}
	check(t, d.Close())
	check(t, d.Close())
	openDir(t, d.Path())
}

func TestALockFileWithoutAPidIsStillALock(t *testing.T) {
	for _, content := range []string{"", "\x00", "\x00 \n", "\x00x\n", "\x00-5\n", "\x00999999999999999999999999999999999999"} {
		d := openDir(t, t.TempDir())
		check(t, os.WriteFile(filepath.Join(d.Path(), lockName), []byte(content), 0o600))
		_, err := Open(d.Path())
		if !errors.Is(err, ErrLocked) {
			t.Fatalf("Open = %v, want ErrLocked", err)
		}
		wantText(t, err, "another rouse holds it; end that one")
	}
}

func TestThePidIsNotLeftBehind(t *testing.T) {
	d := openDir(t, t.TempDir())
	lock := filepath.Join(d.Path(), lockName)
	if got := readHolder(lock); got != os.Getpid() {
		t.Errorf("the lock names pid %d, want %d", got, os.Getpid())
	}
	check(t, d.Close())
	if got := readHolder(lock); got != 0 {
		t.Errorf("after Close the lock names pid %d", got)
	}
}

func TestADirectoryInPlaceOfTheLockIsNamed(t *testing.T) {
	path := t.TempDir()
	check(t, os.Mkdir(filepath.Join(path, lockName), 0o700))
	_, err := Open(path)
	wantText(t, err, "is in the way: it is a directory; remove it, or name another directory with --state-dir")
}

func TestALockFileThatWasRemovedIsNoLock(t *testing.T) {
	d := openDir(t, t.TempDir())
	path := filepath.Join(d.Path(), lockName)
	check(t, checkSame(d.lock, path))
	check(t, os.Remove(path))
	wantText(t, checkSame(d.lock, path), "was removed while it was locked")
	check(t, os.WriteFile(path, nil, 0o600))
	wantText(t, checkSame(d.lock, path), "was removed while it was locked")
}

func TestOpenRemovesWhatACrashLeftAndNothingElse(t *testing.T) {
	path := t.TempDir()
	const random = ".abcdefghijklmnopqrstuvwxyz.tmp"
	keep := []string{"notes.tmp", "x" + random, "y.state.x.tmp", "z.state", "z.state" + random + ".state"}
	for _, name := range append([]string{"web.state" + random, "%57eb.state" + random}, keep...) {
		check(t, os.WriteFile(filepath.Join(path, name), []byte("x"), 0o600))
	}
	check(t, os.Mkdir(filepath.Join(path, "dir.state"+random), 0o700))
	openDir(t, path)
	left := map[string]bool{}
	for _, name := range names(t, path) {
		left[name] = true
	}
	for _, name := range append(keep, "dir.state"+random) {
		if !left[name] {
			t.Errorf("%s is gone", name)
		}
	}
	if len(left) != len(keep)+1 {
		t.Errorf("there is %v", left)
	}
}

func TestNewDirectoriesAreSyncedIntoTheirParents(t *testing.T) {
	base := t.TempDir()
	var synced []string
	d := &Dir{disk: osDisk}
	d.disk.syncDir = func(path string) error { synced = append(synced, path); return nil }
	check(t, d.open(filepath.Join(base, "a", "b")))
	check(t, d.Close())
	if want := []string{base, filepath.Join(base, "a")}; !slices.Equal(synced, want) {
		t.Errorf("synced %q, want %q", synced, want)
	}
}

func TestOpenRefusesAnEmptyName(t *testing.T) {
	_, err := Open("")
	wantText(t, err, `opening state directory "": it has no name; name one with --state-dir`)
}

func TestOpenRefusesAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	check(t, os.WriteFile(path, nil, 0o600))
	_, err := Open(path)
	wantText(t, err, path, "it is not a directory; name another with --state-dir")
}

func TestAbandonedOpensHoldNothing(t *testing.T) {
	path := t.TempDir()
	for range 3 {
		d := &Dir{disk: osDisk, now: nil}
		d.disk.create = func(string) (syncedFile, error) { return nil, os.ErrPermission }
		if err := d.open(path); !errors.Is(err, os.ErrPermission) {
			t.Fatalf("open = %v", err)
		}
	}
	openDir(t, path)
}
