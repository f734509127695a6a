package state

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rouse-proxy/rouse/internal/failpoint"
)

// disk is what Save and Load do to the file system, step by step. Tests put another in
// its place, to fail or stop at any of them.
type disk struct {
	read    func(path string) ([]byte, error)     // whole content; [badFile] when it is no file of ours
	create  func(path string) (syncedFile, error) // a new file, mode 0600; an error when it exists
	rename  func(oldPath, newPath string) error   // atomic, replaces
	remove  func(path string) error               // not recursive
	syncDir func(path string) error               // returns when renames in it are durable
}

// A syncedFile is a file that is being written.
type syncedFile interface {
	io.WriteCloser
	Sync() error // returns when the content is durable
}

// osDisk is the disk of the operating system.
var osDisk = disk{
	read:    readFile,
	create:  createFile,
	rename:  os.Rename,
	remove:  os.Remove,
	syncDir: syncDir,
}

// replace puts data in place of the file at path. The order is what makes it safe: the
// new content is durable before the rename shows it, and the rename is durable before
// the caller goes on.
func (d *Dir) replace(path string, data []byte) error {
	if d.lock == nil {
		return os.ErrClosed
	}
	if err := failpoint.Hit("save.begin"); err != nil {
		return err
	}
	temp := tempPath(path)
	if err := d.writeNew(temp, data); err != nil {
		return err
	}
	err := failpoint.Hit("save.synced")
	if err == nil {
		err = d.disk.rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, d.disk.remove(temp))
	}
	if err = failpoint.Hit("save.renamed"); err == nil {
		err = d.disk.syncDir(d.path)
	}
	if err != nil {
		return fmt.Errorf("syncing %s: %w", d.path, err)
	}
	return failpoint.Hit("save.end")
}

// tempPath returns a name beside path that no other file has.
func tempPath(path string) string {
	return path + "." + strings.ToLower(rand.Text()) + tempSuffix
}

// writeNew makes a new durable file. After an error there is none.
func (d *Dir) writeNew(path string, data []byte) error {
	f, err := d.disk.create(path)
	if err != nil {
		return err
	}
	if err = failpoint.Hit("save.created"); err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = failpoint.Hit("save.written")
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		// What removing it says is of no use to anybody: Open removes it too.
		_ = d.disk.remove(path)
		return err
	}
	return nil
}

// createFile creates a file that must not exist, so that nothing planted is followed.
func createFile(path string) (syncedFile, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

// readFile reads a state file. It never waits on what is not a plain file, and never
// follows a link: those are [badFile], like a file that is too large or that somebody
// else may have put there.
func readFile(path string) ([]byte, error) {
	if err := checkPlain(os.Lstat(path)); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|openNoFollow|openNoWait, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err := checkPlain(info, err); err != nil { // it may have been exchanged since
		return nil, err
	}
	if err := checkOwner(info, filepath.Dir(path)); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxSize {
		return nil, badFile(fmt.Sprintf("it is larger than %d bytes", maxSize))
	}
	return data, nil
}

// checkPlain passes err on, and refuses what is not a plain file.
func checkPlain(info fs.FileInfo, err error) error {
	if err != nil {
		return err
	}
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return badFile("it is a directory")
	case mode&fs.ModeSymlink != 0:
		return badFile("it is a symbolic link")
	case mode&fs.ModeNamedPipe != 0:
		return badFile("it is a named pipe")
	case mode&fs.ModeSocket != 0:
		return badFile("it is a socket")
	default:
		return badFile("it is a device")
	}
}
