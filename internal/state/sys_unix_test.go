//go:build unix

package state

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// runSystemChild plays the roles that need a system's own calls.
func runSystemChild(role, dir string) error {
	if role != "open as nobody" {
		return fmt.Errorf("no role %q", role)
	}
	if os.Geteuid() == 0 {
		if err := syscall.Setuid(65534); err != nil {
			return err
		}
	}
	return runChild("open", dir)
}

func TestAPipeInPlaceOfTheFileIsDamageAndBlocksNobody(t *testing.T) {
	d := openDir(t, t.TempDir())
	check(t, syscall.Mkfifo(d.File("web"), 0o600))
	wantSetAside(t, d, "web")
	check(t, syscall.Mkfifo(d.File("other"), 0o600))
	_, err := d.Others(nil)
	wantText(t, err, "it is a named pipe")
}

func TestASymbolicLinkInPlaceOfTheFileIsNotFollowed(t *testing.T) {
	d := openDir(t, t.TempDir())
	check(t, d.Save(sample()))
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	check(t, os.Rename(d.File(sample().Target), elsewhere))
	check(t, os.Symlink(elsewhere, d.File(sample().Target)))
	wantSetAside(t, d, sample().Target)

	check(t, os.Symlink(elsewhere, d.File(sample().Target)))
	check(t, d.Save(Record{Target: sample().Target}))
	if info, err := os.Lstat(d.File(sample().Target)); err != nil || !info.Mode().IsRegular() {
		t.Errorf("Save left %v, %v", info.Mode(), err)
	}
	data, err := os.ReadFile(elsewhere)
	check(t, err)
	if r, err := decode(data); err != nil || r != sample() {
		t.Errorf("the file behind the link was changed to %+v, %v", r, err)
	}
}

func TestADanglingLinkAndASocketAreDamage(t *testing.T) {
	d := openDir(t, t.TempDir())
	check(t, os.Symlink("nowhere", d.File("web")))
	wantSetAside(t, d, "web")
	short, err := os.MkdirTemp("", "r") // the name of a socket may have about 100 bytes
	check(t, err)
	defer os.RemoveAll(short)
	socket := filepath.Join(short, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	check(t, err)
	l.SetUnlinkOnClose(false)
	defer l.Close()
	check(t, os.Rename(socket, d.File("s")))
	wantSetAside(t, d, "s")
}

func TestALockThatIsALinkOrAPipeIsRefused(t *testing.T) {
	for what, plant := range map[string]func(string) error{
		"it is a symbolic link": func(path string) error { return os.Symlink("/dev/null", path) },
		"it is a named pipe":    func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		path := t.TempDir()
		check(t, plant(filepath.Join(path, lockName)))
		_, err := Open(path)
		wantText(t, err, what, "is in the way")
	}
}

func TestADirectoryThatEverybodyMayWriteToIsRefused(t *testing.T) {
	path := t.TempDir()
	check(t, os.Chmod(path, 0o777))
	_, err := Open(path)
	wantText(t, err, "every user may write to it", "chmod o-w", "--state-dir")
	for _, mode := range []os.FileMode{0o777 | os.ModeSticky, 0o770, 0o755, 0o700} {
		check(t, os.Chmod(path, mode))
		d, err := Open(path)
		if err != nil {
			t.Errorf("mode %v: %v", mode, err)
			continue
		}
		check(t, d.Close())
	}
}

func TestALinkToADirectoryIsADirectory(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	check(t, os.Symlink(t.TempDir(), link))
	openDir(t, link)
}

func TestOpenSaysHowToMendWhatTheSystemRefuses(t *testing.T) {
	for cause, hint := range map[error]string{
		syscall.EACCES: "give the user that rouse runs as the right to write there",
		syscall.EROFS:  "make it writable",
		syscall.EDQUOT: "make room",
		syscall.ELOOP:  "if that cannot be mended",
	} {
		err := hinted(&os.PathError{Op: "open", Path: "/x", Err: cause})
		if !errors.Is(err, cause) {
			t.Errorf("%v is not wrapped in %v", cause, err)
		}
		wantText(t, err, hint, "name another directory with --state-dir")
	}
	file := filepath.Join(t.TempDir(), "file")
	check(t, os.WriteFile(file, nil, 0o600))
	_, err := Open(filepath.Join(file, "below"))
	wantText(t, err, "part of the path is a file")
}

func TestOpenSucceedsOnAFullDisk(t *testing.T) {
	d := &Dir{disk: osDisk}
	d.disk.create = func(string) (syncedFile, error) { return nil, syscall.ENOSPC }
	check(t, d.open(t.TempDir()))
	check(t, d.Close())
}

func TestADirectoryWithoutPermissionIsRefused(t *testing.T) {
	path := t.TempDir()
	check(t, os.Chmod(filepath.Dir(path), 0o755))
	for mode, want := range map[os.FileMode]string{0o555: "permission denied", 0: "permission denied"} {
		check(t, os.Chmod(path, mode))
		c := startChild(t, "open as nobody", path)
		wantText(t, errors.New(c.line(t)), path, want, "the right to write there", "--state-dir")
		c.kill()
	}
	check(t, os.Chmod(path, 0o700))
}

func TestAFileOfAnotherUserIsDamage(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving a file to another user needs root")
	}
	d := openDir(t, t.TempDir())
	check(t, d.Save(sample()))
	check(t, os.Chown(d.File(sample().Target), 12345, 12345))
	wantSetAside(t, d, sample().Target)

	check(t, os.Chown(d.Path(), 12345, 12345))
	check(t, d.Save(sample()))
	check(t, os.Chown(d.File(sample().Target), 12345, 12345))
	if r, err := d.Load(sample().Target); err != nil || r != sample() {
		t.Errorf("Load of a file of the directory's owner = %+v, %v", r, err)
	}
}
