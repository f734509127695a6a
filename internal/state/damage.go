package state

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	badSuffix = ".bad-"                        // follows the name of the file that was moved aside
	badTime   = "20060102T150405.000000000Z07" // follows badSuffix; sorts by time, has no colon
	keepBad   = 3                              // files moved aside that are kept of one target
)

// A DamagedError says that the record of a target could not be used because its file is
// damaged, foreign, or written by a newer rouse.
type DamagedError struct {
	Target string // name of the target
	File   string // path of the file
	Aside  string // where the file is now; empty when it could not be moved
	Reason string // what is wrong with the file
	Err    error  // why it could not be moved; nil when it was
}

// Error says in one sentence what is wrong and where the file is now.
func (e *DamagedError) Error() string {
	text := fmt.Sprintf("reading state of target %q: %s is unusable: %s", e.Target, e.File, e.Reason)
	if e.Err != nil {
		return fmt.Sprintf("%s; moving it aside: %v", text, e.Err)
	}
	return fmt.Sprintf("%s; moved to %s", text, filepath.Base(e.Aside))
}

// Unwrap returns the error of moving the file aside, or nil.
func (e *DamagedError) Unwrap() error { return e.Err }

// setAside moves the file at path away, so that somebody can look at it and nothing
// trips over it twice, and forgets the oldest of those moved before.
func (d *Dir) setAside(target, path string, reason badFile) *DamagedError {
	damaged := &DamagedError{Target: target, File: path, Reason: string(reason)}
	t := d.now().UTC()
	aside := path + badSuffix + t.Format(badTime)
	for exists(aside) { // the clock stood still or was set back
		t = t.Add(1)
		aside = path + badSuffix + t.Format(badTime)
	}
	if damaged.Err = d.disk.rename(path, aside); damaged.Err != nil {
		return damaged
	}
	damaged.Aside = aside
	d.forgetOldest(filepath.Base(path))
	return damaged
}

// forgetOldest removes all but the newest files that were moved aside from the name.
// A directory with something in it is left alone: that is not for us to delete.
func (d *Dir) forgetOldest(name string) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return // nothing depends on it; the next one tries again
	}
	var bad []string
	for _, e := range entries {
		stamp, ok := strings.CutPrefix(e.Name(), name+badSuffix)
		if _, err := time.Parse(badTime, stamp); ok && err == nil {
			bad = append(bad, e.Name())
		}
	}
	slices.Sort(bad)
	for _, old := range bad[:max(0, len(bad)-keepBad)] {
		_ = d.disk.remove(filepath.Join(d.path, old)) // as above
	}
}

// exists reports whether there is anything at path, without following a link.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
