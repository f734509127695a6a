package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// tempSuffix ends the name of a file that a Save has not yet renamed. It is not
// fileSuffix, so no target has a file of such a name.
const tempSuffix = ".tmp"

// tempName matches the names of those files and nothing that another program would
// write: --state-dir may name a directory that is not ours alone.
var tempName = regexp.MustCompile(`\` + fileSuffix + `\.[a-z2-7]{26}\` + tempSuffix + `$`)

// prepare makes the directory where it is missing, and refuses one that everybody may
// write to: who can exchange a record can tell us where to send our clients.
func (d *Dir) prepare() error {
	if err := d.makeDir(d.path); err != nil {
		return hinted(err)
	}
	info, err := os.Stat(d.path)
	if err != nil {
		return hinted(err)
	}
	if !info.IsDir() {
		return errors.New("it is not a directory; name another with --state-dir")
	}
	return checkShared(info)
}

// makeDir is [os.MkdirAll] with mode 0700 that syncs each parent it adds to: a record
// is not durable in a directory that is not.
func (d *Dir) makeDir(path string) error {
	_, err := os.Stat(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(path)
	if parent == path {
		return err
	}
	if err := d.makeDir(parent); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// A parent that we may write to but not read cannot be synced, which is no reason
	// to refuse it.
	_ = d.disk.syncDir(parent)
	return nil
}

// tryWrite creates and removes a file, to learn now and not at the first start of a
// target that the directory cannot be written to. A full disk is left for Save to
// report: rouse serves without.
func (d *Dir) tryWrite() error {
	temp := tempPath(filepath.Join(d.path, "open"+fileSuffix))
	f, err := d.disk.create(temp)
	if isFull(err) {
		return nil
	}
	if err != nil {
		return hinted(err)
	}
	return hinted(errors.Join(f.Close(), d.disk.remove(temp)))
}

// removeLeftovers removes the files of Saves that a crash interrupted. Under the lock
// none of them is anybody's. One that cannot be removed does no harm.
func (d *Dir) removeLeftovers() {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.Type().IsRegular() && tempName.MatchString(e.Name()) {
			_ = d.disk.remove(filepath.Join(d.path, e.Name()))
		}
	}
}

// hinted adds to an error of the operating system what the user can do about it.
func hinted(err error) error {
	const other = "or name another directory with --state-dir"
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; give the user that rouse runs as the right to write there, %s", err, other)
	case isReadOnly(err):
		return fmt.Errorf("%w; make it writable, %s", err, other)
	case isNotDir(err):
		return fmt.Errorf("%w; part of the path is a file: move it away, %s", err, other)
	case isFull(err):
		return fmt.Errorf("%w; make room, %s", err, other)
	default:
		return fmt.Errorf("%w; if that cannot be mended, name another directory with --state-dir", err)
	}
}
