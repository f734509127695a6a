package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestATargetWithoutAFileIsNew(t *testing.T) {
	d := openDir(t, t.TempDir())
	got, err := d.Load("web")
	if want := (Record{Target: "web"}); err != nil || got != want {
		t.Errorf("Load = %+v, %v, want %+v", got, err, want)
	}
}

func TestARecordOutlivesTheDir(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made", "with", "parents")
	d, err := Open(path)
	check(t, err)
	check(t, d.Save(Record{Target: "web:8000", Epoch: 7}))
	check(t, d.Save(sample()))
	check(t, d.Close())
	d = openDir(t, path)
	if got, err := d.Load("web:8000"); err != nil || got != sample() {
		t.Errorf("Load = %+v, %v, want %+v", got, err, sample())
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the directory has mode %v, %v; others may look into it", info.Mode(), err)
	}
	if info, err := os.Stat(d.File("web:8000")); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the file has mode %v, %v; others may look into it", info.Mode(), err)
	}
}

func TestTimesInTheFutureBecomeNow(t *testing.T) {
	d := openDir(t, t.TempDir())
	now := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	d.now = func() time.Time { return now }
	check(t, d.Save(sample()))
	want := sample()
	want.Since, want.LastUsed = now, now
	if got, err := d.Load(want.Target); err != nil || got != want {
		t.Errorf("Load = %+v, %v, want %+v", got, err, want)
	}
}

func TestEveryDamagedFileIsSetAsideAndTheWorstSupposed(t *testing.T) {
	good, err := encode(sample())
	check(t, err)
	all := damages(good)
	if len(all) < 200 {
		t.Fatalf("only %d damages", len(all))
	}
	d := openDir(t, t.TempDir())
	path := d.File(sample().Target)
	for _, damage := range all {
		check(t, os.WriteFile(path, damage.data, 0o600))
		t.Run(damage.name, func(t *testing.T) { wantSetAside(t, d, sample().Target) })
	}
	if got := names(t, d.Path()); len(got) != keepBad {
		t.Errorf("%d files are kept: %q, want %d", len(got), got, keepBad)
	}
	check(t, d.Save(sample()))
	if got, err := d.Load(sample().Target); err != nil || got != sample() {
		t.Errorf("after all that Load = %+v, %v", got, err)
	}
}

// wantSetAside loads a target whose file is damaged.
func wantSetAside(t *testing.T, d *Dir, target string) {
	t.Helper()
	before, err := os.Lstat(d.File(target))
	check(t, err)
	got, err := d.Load(target)
	if want := (Record{Target: target, MayRun: true}); got != want {
		t.Fatalf("Load = %+v, want %+v", got, want)
	}
	damaged, ok := errors.AsType[*DamagedError](err)
	if !ok || damaged.Err != nil || damaged.Reason == "" {
		t.Fatalf("the error is %v, want a DamagedError", err)
	}
	after, err := os.Lstat(damaged.Aside)
	check(t, err)
	if !os.SameFile(before, after) || exists(d.File(target)) {
		t.Fatalf("%s was not moved to %s", d.File(target), damaged.Aside)
	}
	if again, err := d.Load(target); err != nil || again != (Record{Target: target}) {
		t.Fatalf("the second Load = %+v, %v, want a new target", again, err)
	}
}

func TestTheRecordOfAnotherTargetIsDamage(t *testing.T) {
	d := openDir(t, t.TempDir())
	check(t, d.Save(sample()))
	check(t, os.Rename(d.File(sample().Target), d.File("db")))
	wantSetAside(t, d, "db")
}

func TestADirectoryInPlaceOfTheFileIsDamage(t *testing.T) {
	d := openDir(t, t.TempDir())
	check(t, os.MkdirAll(filepath.Join(d.File("web"), "full"), 0o700))
	wantSetAside(t, d, "web")
	for range 2 * keepBad { // pushes the directory out, which is not for us to delete
		check(t, os.WriteFile(d.File("web"), nil, 0o600))
		wantSetAside(t, d, "web")
	}
	if full, err := filepath.Glob(d.File("web") + badSuffix + "*/full"); err != nil || len(full) != 1 {
		t.Errorf("the directory's content is gone: %q, %v", full, err)
	}
}

func TestAFileThatIsTooLargeIsNotReadToItsEnd(t *testing.T) {
	d := openDir(t, t.TempDir())
	check(t, os.WriteFile(d.File("web"), nil, 0o600))
	check(t, os.Truncate(d.File("web"), 1<<40)) // a hole, which takes no space
	_, err := d.Load("web")
	wantText(t, err, "it is larger than 65536 bytes")
}

func TestDamageSaysWhereTheFileIs(t *testing.T) {
	d := openDir(t, t.TempDir())
	d.now = func() time.Time { return time.Date(2025, 6, 1, 8, 30, 0, 5, time.FixedZone("x", 3600)) }
	check(t, os.WriteFile(d.File("web"), nil, 0o600))
	_, err := d.Load("web")
	want := fmt.Sprintf(`reading state of target "web": %s is unusable: it is empty; `+
		`moved to web.state.bad-20250601T073000.000000005Z`, d.File("web"))
	if err == nil || err.Error() != want {
		t.Errorf("the error is %q, want %q", err, want)
	}
}

func TestDamageIsNeverReplacedByALaterOneAtTheSameTime(t *testing.T) {
	d := openDir(t, t.TempDir())
	d.now = func() time.Time { return time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC) }
	for i := range keepBad {
		check(t, os.WriteFile(d.File("web"), make([]byte, i), 0o600))
		wantSetAside(t, d, "web")
	}
	if got := names(t, d.Path()); len(got) != keepBad {
		t.Errorf("there are %q, want %d files", got, keepBad)
	}
}

func TestSettingAsideTouchesNoOtherTarget(t *testing.T) {
	d := openDir(t, t.TempDir())
	// Each has a name that looks like something of target "web".
	others := []string{"web.state.bad-20200101T000000.000000000Z", "web.state", "web.state.bad-x", "web2"}
	for _, name := range others {
		check(t, d.Save(Record{Target: name}))
	}
	for range 2 * keepBad {
		check(t, os.WriteFile(d.File("web"), nil, 0o600))
		wantSetAside(t, d, "web")
	}
	for _, name := range others {
		if !exists(d.File(name)) {
			t.Errorf("the file of %q is gone", name)
		}
	}
}

func TestAReadErrorSupposesTheWorstAndLeavesTheFile(t *testing.T) {
	for _, cause := range []error{syscall.EIO, syscall.EACCES} {
		d := openDir(t, t.TempDir())
		check(t, d.Save(sample()))
		d.disk.read = func(path string) ([]byte, error) {
			return nil, &fs.PathError{Op: "read", Path: path, Err: cause}
		}
		got, err := d.Load(sample().Target)
		if want := (Record{Target: sample().Target, MayRun: true}); got != want || !errors.Is(err, cause) {
			t.Errorf("Load = %+v, %v, want %+v and %v", got, err, want, cause)
		}
		if !exists(d.File(sample().Target)) {
			t.Errorf("after %v the file was moved", cause)
		}
	}
}

func TestDamageThatCannotBeMovedIsStillReported(t *testing.T) {
	d := openDir(t, t.TempDir())
	check(t, os.WriteFile(d.File("web"), nil, 0o600))
	d.disk.rename = func(string, string) error { return syscall.EROFS }
	got, err := d.Load("web")
	if want := (Record{Target: "web", MayRun: true}); got != want {
		t.Errorf("Load = %+v, want %+v", got, want)
	}
	damaged, ok := errors.AsType[*DamagedError](err)
	if !ok || damaged.Aside != "" || !errors.Is(err, syscall.EROFS) {
		t.Errorf("the error is %#v", err)
	}
	wantText(t, err, "it is empty; moving it aside: ")
}

func TestOthersReturnsOrphansThatMayRun(t *testing.T) {
	d := openDir(t, t.TempDir())
	for _, r := range []Record{
		{Target: "known", MayRun: true}, {Target: "Orphan/1", MayRun: true, Epoch: 3}, {Target: "stopped"},
		{Target: strings.Repeat("long", 100), MayRun: true},
	} {
		check(t, d.Save(r))
	}
	check(t, os.WriteFile(d.File("damaged"), nil, 0o600))
	check(t, os.WriteFile(filepath.Join(d.Path(), "notes.txt"), nil, 0o600))
	check(t, os.Mkdir(d.File("folder"), 0o700))
	moved, err := os.ReadFile(d.File("known"))
	check(t, err)
	check(t, os.WriteFile(d.File("copy"), moved, 0o600))

	got, err := d.Others([]string{"known", "new"})
	wantText(t, err, `"damaged.state": it is empty`, `"folder.state": it is a directory`, `"copy.state": its name is not`)
	slices.SortFunc(got, func(a, b Record) int { return strings.Compare(a.Target, b.Target) })
	want := []Record{{Target: "Orphan/1", MayRun: true, Epoch: 3}, {Target: strings.Repeat("long", 100), MayRun: true}}
	if !slices.Equal(got, want) {
		t.Errorf("Others = %+v, want %+v", got, want)
	}
	if n := len(strings.Split(err.Error(), "\n")); n != 3 {
		t.Errorf("the error has %d lines, want 3: %v", n, err)
	}
	if !exists(d.File("damaged")) {
		t.Error("Others moved a file")
	}
}

func TestAClosedDirDoesNothing(t *testing.T) {
	d := openDir(t, t.TempDir())
	check(t, d.Close())
	if err := d.Save(sample()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Save = %v", err)
	}
	if r, err := d.Load("web"); !errors.Is(err, os.ErrClosed) || !r.MayRun {
		t.Errorf("Load = %+v, %v", r, err)
	}
	if _, err := d.Others(nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Others = %v", err)
	}
	if got := names(t, d.Path()); len(got) != 0 {
		t.Errorf("there is %q", got)
	}
}
