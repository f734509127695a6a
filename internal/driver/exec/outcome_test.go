//go:build linux || darwin

package exec

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
)

// keptOutcome returns a result as a keeper writes it.
func keptOutcome(change func(*outcome)) outcome {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	o := outcome{Format: outcomeFormat, Event: "start", Epoch: anOp.Epoch, PID: 4711, Began: began, Ended: began.Add(3 * time.Second)}
	change(&o)
	return o
}

func text(t *testing.T, o outcome) string {
	t.Helper()
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestResultThatNobodyShouldHaveWrittenIsIgnored(t *testing.T) {
	bad := map[string]func(*outcome){
		"other format": func(o *outcome) { o.Format++ },
		"other event":  func(o *outcome) { o.Event = "status" },
		"no event":     func(o *outcome) { o.Event = "" },
		"process":      func(o *outcome) { o.PID = -1 },
		"limit":        func(o *outcome) { o.Within = -1 },
		"code":         func(o *outcome) { o.Code = 256 },
		"signal":       func(o *outcome) { o.Signal = -9 },
		"error":        func(o *outcome) { o.Errno = -1 },
		"cut":          func(o *outcome) { o.Cut = "short" },
		"log":          func(o *outcome) { o.LogAt = -1 },
		"address":      func(o *outcome) { o.Left.Address = "a b" },
		"other form":   func(o *outcome) { o.Left.Address = "[2001:db8::1]" },
		"key":          func(o *outcome) { o.Left.Unknown = []string{"\x1b[31m"} },
	}
	texts := map[string]string{
		"empty": "", "no json": "pid 17\n", "array": "[]", "huge": strings.Repeat(" ", largestOutcome+1),
		"cut file": text(t, keptOutcome(func(*outcome) {}))[:60],
	}
	for name, change := range bad {
		texts[name] = text(t, keptOutcome(change))
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "nothing", Options{})
			writeHook(t, r.outcomePath, []byte(text), 0o600)
			r.expectIgnored()
		})
	}
}

// expectIgnored checks that the result counts for nothing, and harms no next hook.
func (r *rig) expectIgnored() {
	r.t.Helper()
	if got, err := r.Resume(r.t.Context(), anOp); err != nil || got != (driver.Outcome{}) {
		r.t.Errorf("outcome is %+v, %v", got, err)
	}
	if log := r.log.String(); !strings.Contains(log, "WARN result of a hook ignored") {
		r.t.Errorf("log is\n%s", log)
	}
	if _, err := r.Start(r.t.Context(), anOp); err != nil {
		r.t.Error(err)
	}
	if got, err := r.Resume(r.t.Context(), anOp); err != nil || got != (driver.Outcome{Action: "start"}) {
		r.t.Errorf("after a start: outcome is %+v, %v", got, err)
	}
}

// TestStopOfARunThatWasFoundLaterIsNotTakenForDone: a stop has succeeded, somebody else has started the target, and rouse
// dies when it has noted that it stops it again, before it has begun to.
func TestStopOfARunThatWasFoundLaterIsNotTakenForDone(t *testing.T) {
	r := newRig(t, "nothing", Options{})
	found := time.Now()
	for before, want := range map[time.Duration]driver.Outcome{time.Minute: {}, -time.Minute: {Action: "stop"}} {
		stop := keptOutcome(func(o *outcome) { o.Event, o.Ended, o.Left = "stop", found.Add(-before), left{} })
		if err := replaceFile(r.outcomePath, stop); err != nil {
			t.Fatal(err)
		}
		op := anOp
		op.Since = found
		if got, err := r.Resume(t.Context(), op); err != nil || got != want {
			t.Errorf("%v before the run was found: outcome is %+v, %v", before, got, err)
		}
	}
}

func TestResultBehindALinkOrAPipeIsIgnored(t *testing.T) {
	for name, plant := range map[string]func(t *testing.T, path string){
		"link": func(t *testing.T, path string) {
			elsewhere := writeHook(t, filepath.Join(t.TempDir(), "elsewhere"), []byte(text(t, keptOutcome(func(*outcome) {}))), 0o600)
			symlink(t, elsewhere, path)
		},
		"pipe": func(t *testing.T, path string) {
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "nothing", Options{})
			plant(t, r.outcomePath)
			r.expectIgnored()
		})
	}
}

func TestResultThatIsAFolderKeepsNoHookFromRunning(t *testing.T) {
	r := newRig(t, "speaks", Options{})
	if err := os.MkdirAll(filepath.Join(r.outcomePath, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := r.Stop(t.Context(), anOp); err != nil {
		t.Fatal(err)
	}
	r.read("done")
	if log := r.log.String(); !strings.Contains(log, "WARN result of an earlier hook cannot be removed") {
		t.Errorf("log is\n%s", log)
	}
}

func TestLockThatCannotBeTakenKeepsNoHookFromRunning(t *testing.T) {
	for name, plant := range map[string]func(string) error{
		"folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"link":   func(path string) error { return os.Symlink("/dev/null", path) },
		"pipe":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "speaks", Options{})
			if err := plant(r.lockPath); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := r.Stop(t.Context(), anOp); err != nil {
					t.Fatal(err)
				}
			}
			r.read("done")
			if log := r.log.String(); strings.Count(log, "WARN hooks run without a lock") != 1 {
				t.Errorf("log is\n%s", log)
			}
		})
	}
}

func TestResultSaysWhatAnErrorWouldHaveSaid(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*outcome)
		text   string
		is     error
	}{
		"not started":  {func(o *outcome) { o.Errno = int(syscall.ENOEXEC) }, "exec format error (neither a script that begins with #! nor", syscall.ENOEXEC},
		"no process":   {func(o *outcome) { o.Errno = int(syscall.EAGAIN) }, "try again", driver.ErrTemporary},
		"not seen":     {func(o *outcome) { o.Lost = "waiting for it: no child" }, "waiting for it: no child", nil},
		"by order":     {func(o *outcome) { o.Cut, o.Cause = cutByOrder, "enough" }, "was ended after 3s: enough (a hook must return: ", nil},
		"core":         {func(o *outcome) { o.Signal, o.Core = int(syscall.SIGABRT), true }, "signal: aborted (core dumped)", nil},
		"inner signal": {func(o *outcome) { o.Code = 137 }, "exit status 137 (a command in it was ended by signal 9)", nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "nothing", Options{})
			if err := replaceFile(r.outcomePath, keptOutcome(c.change)); err != nil {
				t.Fatal(err)
			}
			got, err := r.Resume(t.Context(), anOp)
			if err != nil || got.Action != "start" || got.Err == nil || !strings.Contains(got.Err.Error(), c.text) {
				t.Fatalf("outcome is %+v, %v", got, err)
			}
			if c.is != nil && !errors.Is(got.Err, c.is) {
				t.Errorf("error is %v, and not %v", got.Err, c.is)
			}
		})
	}
}

func TestResultIsThatOfTheNewestAction(t *testing.T) {
	r := newRig(t, "address-good", Options{Stop: []string{animal("exit-1")}})
	if _, err := r.Start(t.Context(), anOp); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Resume(t.Context(), anOp); err != nil || got != (driver.Outcome{Action: "start", Address: "192.0.2.7:8443"}) {
		t.Errorf("outcome is %+v, %v", got, err)
	}
	failed := r.Stop(t.Context(), anOp)
	got, err := r.Resume(t.Context(), anOp)
	if err != nil || got.Action != "stop" || got.Err == nil || got.Err.Error() != failed.Error() {
		t.Errorf("outcome is %+v, %v\nwant %v", got, err, failed)
	}
}

func TestHookLeftRunningTellsTheNextRouseItsResult(t *testing.T) {
	r := newRig(t, "told", Options{})
	if err := r.outlive(driver.ErrDetach); !errors.Is(err, driver.ErrDetach) {
		t.Fatalf("error is %v", err)
	}
	next := r.next(Options{})
	writeHook(t, r.file("address"), []byte("address=192.0.2.7\n"), 0o600)
	asked := next.waiting(func() error {
		got, err := next.Resume(t.Context(), anOp)
		if got != (driver.Outcome{Action: "start", Address: "192.0.2.7"}) {
			err = errors.Join(err, got.Err, errors.New("address is "+got.Address))
		}
		return err
	})
	r.touch("go")
	if err := <-asked; err != nil {
		t.Error(err)
	}
	if exists(r.resultAt) {
		t.Error("the file in ROUSE_OUTPUT was left behind")
	}
}

// FuzzParseOutcome proves that whatever is taken for a result is safe to tell.
func FuzzParseOutcome(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := parseOutcome(b)
		if err != nil {
			return
		}
		for _, text := range append([]string{o.Lost, o.Cause, o.Left.Bad, o.Left.Address, o.text()}, o.Left.Unknown...) {
			if !safe(text) || len(text) > longestFact+len(more) {
				t.Errorf("%q is not safe to tell", text)
			}
		}
		if failed := o.err(hook{argv: []string{"/hook"}}, ""); (failed == nil) != o.done() {
			t.Errorf("done: %v, but %v", o.done(), failed)
		}
		again, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseOutcome(again); err != nil {
			t.Errorf("what was taken is not taken again: %v", err)
		}
	})
}
