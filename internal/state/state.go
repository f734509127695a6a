// Package state keeps what must survive a crash of rouse: for each target, whether
// it may be running, in which run, since when, and when it was last in use.
//
// A [Dir] is one directory on a local disk, held by one rouse at a time through a
// kernel lock that ends with its process. In it each target has one small file: a
// header with the format's version and a checksum, then one line of JSON. A file is
// never changed in place: [Dir.Save] writes a new one beside it, syncs it, renames it
// over the old one and syncs the directory, so that a crash at any moment leaves the
// old record or the new one, whole. What is read back is not trusted: a file that is
// not exactly what Save writes is moved aside, and the target is then taken as
// possibly running. Damage costs a question to the target, never a start of rouse.
package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// A Record is what is kept of one target. All times are in UTC.
type Record struct {
	Target   string    // name of the target
	MayRun   bool      // a start has begun and no stop has been verified since
	Starting bool      // a start has begun, and how it ended is not known
	Stopping bool      // a stop has begun and has not ended well: the target may go down at any moment
	Epoch    uint64    // number of the newest run; 0 before the first and when it is not known
	Since    time.Time // when that run began
	LastUsed time.Time // when the target was last known to be in use
	InUse    bool      // somebody held the target when this was written
	Address  string    // where this run is to be dialled, when the driver learnt it; else empty
	Moves    bool      // the driver learnt where the last run was, so the configured address may be a stranger's
}

// A Dir is an open state directory. Its methods may be called by several goroutines
// at once, but the records of one target belong to one owner: of two Saves of the
// same target at the same time, either may win.
type Dir struct {
	path string
	disk disk
	now  func() time.Time

	// mu lets Close wait for the operations under way: nothing is written once the
	// lock is given up. It guards lock, which is nil after Close.
	mu   sync.RWMutex
	lock *flock.Flock
}

// Open opens the state directory at path for this process alone. It creates the
// directory (mode 0700) and its parents where they are missing, takes the lock, and
// removes what an interrupted Save left behind. The error is [ErrLocked] while another
// process holds the directory; every error names the directory and what to do.
func Open(path string) (*Dir, error) {
	d := &Dir{disk: osDisk, now: time.Now}
	if err := d.open(path); err != nil {
		return nil, fmt.Errorf("opening state directory %q: %w", path, err)
	}
	return d, nil
}

// open does the work of Open on a Dir whose disk and clock are set.
func (d *Dir) open(path string) error {
	if path == "" {
		return errors.New("it has no name; name one with --state-dir")
	}
	abs, err := filepath.Abs(path) // so that a later change of working directory does no harm
	if err != nil {
		return err
	}
	d.path = abs
	if err := d.prepare(); err != nil {
		return err
	}
	if d.lock, err = acquireLock(filepath.Join(d.path, lockName)); err != nil {
		return err
	}
	if err := d.tryWrite(); err != nil {
		return errors.Join(err, d.lock.Close())
	}
	d.removeLeftovers()
	return nil
}

// Close gives the directory up for another rouse, after the operations under way have
// ended. Later operations fail with [os.ErrClosed]. A second Close does nothing.
func (d *Dir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lock == nil {
		return nil
	}
	clearHolder(d.lock.Path())
	err := d.lock.Close()
	d.lock = nil
	if err != nil {
		return fmt.Errorf("closing state directory %q: %w", d.path, err)
	}
	return nil
}

// Path returns the absolute path of the directory.
func (d *Dir) Path() string { return d.path }

// File returns the path of the file that keeps the target's record, whether or not it
// exists.
func (d *Dir) File(target string) string {
	return filepath.Join(d.path, fileName(target))
}

// Save replaces the record of r.Target. When it returns nil the record survives a
// crash of the machine; after an error the old record, or the new one, is still whole.
// An error is never a reason not to serve: the caller goes on with what it knows.
func (d *Dir) Save(r Record) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	data, err := encode(r)
	if err == nil {
		err = d.replace(d.File(r.Target), data)
	}
	if err != nil {
		return fmt.Errorf("saving state of target %q: %w", r.Target, err)
	}
	return nil
}

// Load returns the record of the target. A target that has none yet gets one with only
// its name. Times in the future, which a clock set back leaves behind, become now.
//
// When the file cannot be used, Load returns an error beside a record that supposes the
// worst: the target may be running, and nothing else is known. The error is a
// [*DamagedError] when the file was at fault, which is then moved aside.
func (d *Dir) Load(target string) (Record, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	worst := Record{Target: target, MayRun: true}
	if d.lock == nil {
		return worst, fmt.Errorf("reading state of target %q: %w", target, os.ErrClosed)
	}
	path := d.File(target)
	r, err := d.read(path)
	if err == nil && r.Target != target {
		err = badFile(fmt.Sprintf("it is of another target, %q", shorten(r.Target)))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return Record{Target: target}, nil
	}
	if bad, ok := errors.AsType[badFile](err); ok {
		return worst, d.setAside(target, path, bad)
	}
	if err != nil {
		return worst, fmt.Errorf("reading state of target %q: %w", target, err)
	}
	return r, nil
}

// Others returns the records of targets that are not in known and may still be running:
// orphans of an earlier configuration, to warn about. The error joins what could not be
// read; the records are good beside it. Nothing is moved aside.
func (d *Dir) Others(known []string) ([]Record, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.lock == nil {
		return nil, fmt.Errorf("looking for other targets: %w", os.ErrClosed)
	}
	skip := make(map[string]bool, len(known))
	for _, name := range known {
		skip[fileName(name)] = true
	}
	entries, err := os.ReadDir(d.path)
	if err != nil {
		err = fmt.Errorf("looking for other targets: %w", err)
	}
	var orphans []Record
	for _, e := range entries {
		if filepath.Ext(e.Name()) != fileSuffix || skip[e.Name()] {
			continue
		}
		r, readErr := d.read(filepath.Join(d.path, e.Name()))
		if readErr == nil && fileName(r.Target) != e.Name() {
			readErr = badFile("its name is not the one of the target in it")
		}
		if readErr != nil {
			err = errors.Join(err, fmt.Errorf("reading state file %q: %w", e.Name(), readErr))
		} else if r.MayRun {
			orphans = append(orphans, r)
		}
	}
	return orphans, err
}

// read returns the record in the file at path, its times clamped to now.
func (d *Dir) read(path string) (Record, error) {
	data, err := d.disk.read(path)
	if err != nil {
		return Record{}, err
	}
	r, err := decode(data)
	if err != nil {
		return Record{}, err
	}
	now := d.now().UTC().Round(0) // no monotonic reading: these times come from other processes
	r.Since, r.LastUsed = earlier(r.Since, now), earlier(r.LastUsed, now)
	return r, nil
}

// earlier returns the earlier of two times.
func earlier(a, b time.Time) time.Time {
	if a.After(b) {
		return b
	}
	return a
}
