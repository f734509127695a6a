//go:build unix

package exec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxLinks is as in path_resolution(7).
const maxLinks = 40

const (
	byGroup  = 0o020
	byAnyone = 0o002
)

// follow resolves path by itself, a name at a time, so that it sees every folder
// and every link on the way. It returns the file at the end.
func (in *inspection) follow(path string) (string, error) {
	at, rest, links := "/", names(path), 0
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		if name == ".." { // of a link; at holds no link, so this is its parent
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, name)
		info, err := os.Lstat(next)
		if err != nil {
			return "", err
		}
		if err := in.checkFolder(at, info); err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		target, err := os.Readlink(next)
		if err != nil {
			return "", err
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("%q: %w", in.path, syscall.ELOOP)
		}
		rest = append(names(target), rest...)
		if filepath.IsAbs(target) {
			at = "/"
		}
	}
	return at, nil
}

// names splits a path; "." and empty names mean nothing.
func names(path string) []string {
	var list []string
	for name := range strings.SplitSeq(path, "/") {
		if name != "" && name != "." {
			list = append(list, name)
		}
	}
	return list
}

// checkFolder asks who could put something else in the place of entry. In a
// sticky folder that is only the owner of the entry, and of the folder
// (inode(7)).
func (in *inspection) checkFolder(folder string, entry fs.FileInfo) error {
	info, err := os.Lstat(folder)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return &failure{text: fmt.Sprintf("%q does not exist: %q is not a folder", in.path, folder), causes: []error{syscall.ENOTDIR}}
	}
	in.checkOwner("folder", folder, info)
	mode := info.Mode()
	if mode&fs.ModeSticky != 0 && trusted(entry) || in.mounted && errors.Is(unix.Access(folder, unix.W_OK), syscall.EROFS) {
		return nil
	}
	switch {
	case mode&byAnyone != 0 && mode&fs.ModeSticky != 0:
		return fmt.Errorf("%q lies in %q, where anyone may put files, and belongs to another user", in.path, folder)
	case mode&byAnyone != 0:
		return fmt.Errorf("%q can be replaced by anyone, who may write to folder %q; forbid it with: chmod o-w %s", in.path, folder, folder)
	case mode&byGroup != 0:
		in.warn("%q can be replaced by the group that may write to folder %q", in.path, folder)
	}
	return nil
}

// executable checks who may change the file, and that we may run it.
func (in *inspection) executable(file string, info fs.FileInfo) error {
	in.checkOwner("file", file, info)
	switch mode := info.Mode(); {
	case mode&byAnyone != 0:
		return fmt.Errorf("%q may be changed by anyone; forbid it with: chmod o-w %s", in.path, file)
	case mode&0o111 == 0:
		return fmt.Errorf("%q is not executable; make it so with: chmod +x %s", in.path, file)
	case mode&byGroup != 0:
		in.warn("%q may be changed by its group", file)
	}
	err := unix.Access(file, unix.X_OK)
	if errors.Is(err, syscall.EACCES) {
		return fmt.Errorf("%q may not be run by this user, or lies on a file system that forbids it (noexec)", in.path)
	}
	return err
}

// checkOwner warns when we, as root, would run what another user can change.
func (in *inspection) checkOwner(kind, path string, info fs.FileInfo) {
	if uid, known := owner(info); known && uid != 0 && os.Geteuid() == 0 {
		in.warn("%s %q belongs to user %d, but its hooks run as root", kind, path, uid)
	}
}

// trusted says whether an entry belongs to us or to root.
func trusted(info fs.FileInfo) bool {
	uid, known := owner(info)
	return known && (uid == 0 || int(uid) == os.Geteuid())
}

func owner(info fs.FileInfo) (uid uint32, known bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return stat.Uid, true
}
