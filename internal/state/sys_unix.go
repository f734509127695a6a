//go:build unix

package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// Flags for opening what may not be what it should be: no link is followed, and no
// pipe is waited on.
const (
	openNoFollow = syscall.O_NOFOLLOW
	openNoWait   = syscall.O_NONBLOCK
)

func isReadOnly(err error) bool { return errors.Is(err, syscall.EROFS) }
func isNotDir(err error) bool   { return errors.Is(err, syscall.ENOTDIR) }

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// checkShared refuses a directory in which everybody may replace everybody's files.
// With the sticky bit only the owners may; one that a group may write to is somebody's
// decision, and so is one that belongs to another user.
func checkShared(info fs.FileInfo) error {
	if info.Mode().Perm()&0o002 == 0 || info.Mode()&fs.ModeSticky != 0 {
		return nil
	}
	return errors.New("every user may write to it; take that right away (chmod o-w), or name another directory with --state-dir")
}

// checkOwner refuses a file that belongs neither to us, nor to root, nor to the owner
// of its directory: in a directory that others may write to, anybody may have put it
// there. Who owns the directory could replace it anyway.
func checkOwner(info fs.FileInfo, dir string) error {
	file, ok := info.Sys().(*syscall.Stat_t)
	if !ok || file.Uid == 0 || int(file.Uid) == os.Geteuid() {
		return nil
	}
	parent, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if owner, ok := parent.Sys().(*syscall.Stat_t); ok && owner.Uid == file.Uid {
		return nil
	}
	return badFile(fmt.Sprintf("it belongs to another user, uid %d", file.Uid))
}

// syncDir makes the renames in a directory durable. Some file systems cannot do that
// and need not be asked: they say EINVAL or that they do not support it.
func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}
