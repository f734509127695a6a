package state

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// oldRecord and newRecord are what is on the disk and what replaces it.
var (
	oldRecord = Record{Target: "web", MayRun: true, Epoch: 1, Address: "192.0.2.1:80"}
	newRecord = Record{Target: "web", Epoch: 2}
)

// A faultyDisk does the steps of a disk up to a number and fails from there on. When
// dead it stands for a process that was killed: nothing it does has any effect.
type faultyDisk struct {
	disk
	failAt int   // number of the step that fails, from 1
	err    error // what it fails with
	dead   bool  // later steps fail too
	steps  int   // done so far
}

// step counts a step and returns its error.
func (f *faultyDisk) step() error {
	f.steps++
	if f.steps == f.failAt || f.dead && f.failAt > 0 && f.steps > f.failAt {
		return f.err
	}
	return nil
}

// faulty wraps a disk.
func faulty(inner disk, failAt int, err error, dead bool) (*faultyDisk, disk) {
	f := &faultyDisk{disk: inner, failAt: failAt, err: err, dead: dead}
	outer := inner
	outer.create = func(path string) (syncedFile, error) {
		if err := f.step(); err != nil {
			return nil, err
		}
		file, err := inner.create(path)
		return &faultyFile{file, f}, err
	}
	outer.rename = func(from, to string) error { return orElse(f.step(), func() error { return inner.rename(from, to) }) }
	outer.syncDir = func(path string) error { return orElse(f.step(), func() error { return inner.syncDir(path) }) }
	outer.remove = func(path string) error { return orElse(f.step(), func() error { return inner.remove(path) }) }
	return f, outer
}

// orElse returns err, or what do returns when there is none.
func orElse(err error, do func() error) error {
	if err != nil {
		return err
	}
	return do()
}

// A faultyFile is a file on a faultyDisk.
type faultyFile struct {
	syncedFile
	disk *faultyDisk
}

// Write writes the first half even when it fails.
func (f *faultyFile) Write(p []byte) (int, error) {
	if err := f.disk.step(); err != nil {
		n, _ := f.syncedFile.Write(p[:len(p)/2])
		return n, err
	}
	return f.syncedFile.Write(p)
}

func (f *faultyFile) Sync() error { return orElse(f.disk.step(), f.syncedFile.Sync) }

// Close closes the file in any case, so that the test has no open files.
func (f *faultyFile) Close() error { return errors.Join(f.disk.step(), f.syncedFile.Close()) }

// saveSteps is the number of steps of a Save that works: create, write, sync, close,
// rename, sync of the directory.
const saveSteps = 6

func TestSaveHasTheStepsThatTheTestsBelowFail(t *testing.T) {
	d := openDir(t, t.TempDir())
	f, disk := faulty(osDisk, 0, nil, false)
	d.disk = disk
	check(t, d.Save(newRecord))
	if f.steps != saveSteps {
		t.Errorf("Save has %d steps, want %d", f.steps, saveSteps)
	}
}

func TestAFailedSaveLeavesTheOldRecordWhole(t *testing.T) {
	for step := 1; step <= saveSteps; step++ {
		t.Run(strconv.Itoa(step), func(t *testing.T) {
			d := openDir(t, t.TempDir())
			check(t, d.Save(oldRecord))
			_, d.disk = faulty(osDisk, step, syscall.ENOSPC, false)
			err := d.Save(newRecord)
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("Save = %v, want ENOSPC", err)
			}
			wantText(t, err, `saving state of target "web": `)
			d.disk = osDisk
			want := oldRecord
			if step == saveSteps { // the new one is there; only that it stays is not sure
				want = newRecord
			}
			if got, err := d.Load("web"); err != nil || got != want {
				t.Errorf("Load = %+v, %v, want %+v", got, err, want)
			}
			if got := names(t, d.Path()); !slices.Equal(got, []string{"web.state"}) {
				t.Errorf("there is %q", got)
			}
			check(t, d.Save(newRecord))
		})
	}
}

func TestAKilledSaveLeavesTheOldOrTheNewRecord(t *testing.T) {
	for step := 1; step <= saveSteps; step++ {
		path := t.TempDir()
		d, err := Open(path)
		check(t, err)
		check(t, d.Save(oldRecord))
		_, d.disk = faulty(osDisk, step, errors.New("killed"), true)
		if err := d.Save(newRecord); err == nil {
			t.Fatalf("step %d: the Save was not interrupted", step)
		}
		check(t, d.Close())
		wantOldOrNew(t, path, step == saveSteps)
	}
}

// wantOldOrNew opens a directory after a crash.
func wantOldOrNew(t *testing.T, path string, mustBeNew bool) {
	t.Helper()
	d, err := Open(path)
	check(t, err)
	got, err := d.Load("web")
	if err != nil || got != newRecord && (mustBeNew || got != oldRecord) {
		t.Errorf("Load = %+v, %v", got, err)
	}
	if left := names(t, path); !slices.Equal(left, []string{"web.state"}) {
		t.Errorf("there is %q", left)
	}
	check(t, d.Close())
}

// A simDisk is a disk in memory that can lose its power: what was not synced is then
// there or not, in part or as zeros, and each change of a name that was not synced has
// happened or not, whatever happened to the others.
type simDisk struct {
	durable map[string]*simFile // names that survive
	pending []nameChange        // changes since, in order
}

// A simFile is the content of one file.
type simFile struct {
	data   []byte
	synced bool
}

// A nameChange gives a name to a file, or takes it away when file is nil.
type nameChange struct {
	from, to string
	file     *simFile
}

func (f *simFile) Write(p []byte) (int, error) {
	f.data, f.synced = append(f.data, p...), false
	return len(p), nil
}
func (f *simFile) Sync() error  { f.synced = true; return nil }
func (f *simFile) Close() error { return nil }

// apply does a change to names.
func (c nameChange) apply(names map[string]*simFile) {
	delete(names, c.from)
	if c.file != nil {
		names[c.to] = c.file
	}
}

// current returns the names as a running process sees them.
func (s *simDisk) current() map[string]*simFile {
	names := maps.Clone(s.durable)
	for _, c := range s.pending {
		c.apply(names)
	}
	return names
}

// disk returns the steps on s.
func (s *simDisk) disk() disk {
	return disk{
		create: func(path string) (syncedFile, error) {
			f := &simFile{}
			s.pending = append(s.pending, nameChange{to: path, file: f})
			return f, nil
		},
		rename: func(from, to string) error {
			s.pending = append(s.pending, nameChange{from, to, s.current()[from]})
			return nil
		},
		remove: func(path string) error {
			s.pending = append(s.pending, nameChange{from: path})
			return nil
		},
		syncDir: func(string) error {
			s.durable, s.pending = s.current(), nil
			return nil
		},
	}
}

// afterPowerLoss returns everything that the disk may hold once power is back: for
// each subset of the pending changes, each remnant of the files that were not synced.
func (s *simDisk) afterPowerLoss() []map[string][]byte {
	var states []map[string][]byte
	for subset := range 1 << len(s.pending) {
		names := maps.Clone(s.durable)
		for i, c := range s.pending {
			if subset&(1<<i) != 0 {
				c.apply(names)
			}
		}
		for _, remnant := range []func([]byte) []byte{
			func(b []byte) []byte { return b },
			func(b []byte) []byte { return nil },
			func(b []byte) []byte { return b[:len(b)/2] },
			func(b []byte) []byte { return make([]byte, len(b)) },
		} {
			state := map[string][]byte{}
			for name, f := range names {
				state[name] = f.data
				if !f.synced {
					state[name] = remnant(f.data)
				}
			}
			states = append(states, state)
		}
	}
	return states
}

// savedOn saves newRecord over oldRecord on a simulated disk, up to a step, and
// returns what may be left. A broken disk is one that forgets to do something.
func savedOn(t *testing.T, failAt int, broken func(*disk)) []map[string][]byte {
	t.Helper()
	old, err := encode(oldRecord)
	check(t, err)
	d := openDir(t, t.TempDir())
	s := &simDisk{durable: map[string]*simFile{d.File("web"): {data: old, synced: true}}}
	inner := s.disk()
	broken(&inner)
	_, d.disk = faulty(inner, failAt, errors.New("no power"), true)
	if err := d.Save(newRecord); (err != nil) != (failAt > 0) {
		t.Fatalf("step %d: Save = %v", failAt, err)
	}
	d.disk = osDisk
	return s.afterPowerLoss()
}

func TestPowerLossLeavesTheOldOrTheNewRecord(t *testing.T) {
	n := 0
	for step := range saveSteps + 1 { // 0: none, the Save returns
		for _, content := range savedOn(t, step, func(*disk) {}) {
			path := t.TempDir()
			for name, data := range content {
				check(t, os.WriteFile(filepath.Join(path, filepath.Base(name)), data, 0o600))
			}
			wantOldOrNew(t, path, step == 0)
			n++
		}
	}
	if n < 50 {
		t.Errorf("only %d states of the disk were tried", n)
	}
}

func TestThePowerLossTestFindsMissingSyncs(t *testing.T) {
	for name, broken := range map[string]func(*disk){
		"of the file": func(d *disk) {
			create := d.create
			d.create = func(path string) (syncedFile, error) { f, err := create(path); return unsynced{f}, err }
		},
		"of the directory": func(d *disk) { d.syncDir = func(string) error { return nil } },
	} {
		found := false
		for _, content := range savedOn(t, 0, broken) {
			for path, data := range content {
				r, err := decode(data)
				found = found || filepath.Base(path) == "web.state" && (err != nil || r != newRecord)
			}
		}
		if !found {
			t.Errorf("a missing sync %s was not found", name)
		}
	}
}

// An unsynced file does not sync.
type unsynced struct{ syncedFile }

func (unsynced) Sync() error { return nil }

func TestWhatSaveSaidIsSafeOutlivesKill9(t *testing.T) {
	path := t.TempDir()
	for round := range 10 {
		c := startChild(t, "save", path)
		var said uint64
		for range 1 + 3*round {
			n, err := strconv.ParseUint(c.line(t), 10, 64)
			check(t, err)
			said = n
		}
		c.kill()
		d, err := Open(path)
		check(t, err)
		r, err := d.Load("web")
		if err != nil || r.Epoch < said {
			t.Errorf("Load = %+v, %v, but the child had saved epoch %d", r, err, said)
		}
		check(t, d.Close())
	}
}

func TestSavesOfManyTargetsDoNotMeet(t *testing.T) {
	d := openDir(t, t.TempDir())
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for epoch := range uint64(5) {
				if err := d.Save(Record{Target: fmt.Sprint("t", i), Epoch: epoch}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i := range 8 {
		if r, err := d.Load(fmt.Sprint("t", i)); err != nil || r.Epoch != 4 {
			t.Errorf("Load = %+v, %v", r, err)
		}
	}
}
