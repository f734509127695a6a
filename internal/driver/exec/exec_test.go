//go:build unix

package exec

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	osexec "os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/rouse-proxy/rouse/internal/driver"
)

func TestNewListsEverythingThatIsWrong(t *testing.T) {
	_, err := New(Options{
		Status: []string{"/no/such/status"},
		Env:    []string{"GOOD", "1BAD=secret", "ROUSE_EVENT=secret", "=secret", "NUL=secret\x00"},
	})
	if err == nil {
		t.Fatal("it succeeded")
	}
	for _, want := range []string{
		"a target needs a name", "hooks need a state folder", "there is no start hook", "there is no stop hook",
		`checking status hook: "/no/such/status" does not exist`,
		`environment entry "1BAD"`, `environment entry "ROUSE_EVENT"`, `environment entry ""`, `environment entry "NUL"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "GOOD") {
		t.Errorf("error tells too much:\n%v", err)
	}
}

func TestNewWarnsOfDoubtfulPermissions(t *testing.T) {
	path := copyHook(t, "nothing", t.TempDir(), 0o770)
	r := newRig(t, "nothing", Options{Ready: []string{path}})
	want := fmt.Sprintf("WARN hook permissions are doubtful target=web hook=probe why=%q may be changed by its group", path)
	if log := r.log.String(); log != want {
		t.Errorf("log is\n%s\nwant\n%s", log, want)
	}
}

func TestOnlyADriverWithAStatusHookReports(t *testing.T) {
	if _, ok := newRig(t, "nothing", Options{}).Driver.Driver().(driver.Reporter); ok {
		t.Error("it is a reporter without a status hook")
	}
	with := newRig(t, "nothing", Options{Status: []string{animal("nothing")}}).Driver.Driver()
	if _, ok := with.(driver.Reporter); !ok {
		t.Error("it is no reporter in spite of its status hook")
	}
}

func TestStatusHookSaysRunningOrStoppedOrThatItCannotTell(t *testing.T) {
	for script, want := range map[string]struct {
		running, temporary bool
		err                string
	}{
		"nothing":  {running: true},
		"exit-3":   {},
		"exit-75":  {temporary: true, err: "running status hook"},
		"exit-1":   {err: "exit status 1; last output: this went wrong (a status hook exits 0 for running and 3 for stopped)"},
		"killed":   {err: "signal: killed (a status hook exits 0"},
		"exit-127": {err: "was not found"},
	} {
		t.Run(script, func(t *testing.T) {
			r := newRig(t, "nothing", Options{Status: []string{animal(script)}})
			running, err := r.Driver.Driver().(driver.Reporter).Report(t.Context(), anOp)
			if running != want.running || errors.Is(err, driver.ErrTemporary) != want.temporary || (err != nil) != (want.err != "") {
				t.Errorf("report is %v, %v", running, err)
			}
			if err != nil && !strings.Contains(err.Error(), want.err) {
				t.Errorf("error is %v, want %q in it", err, want.err)
			}
			if log := r.log.String(); strings.Contains(log, "INFO") {
				t.Errorf("a question is logged aloud:\n%s", log)
			}
		})
	}
}

func TestBusyCommandSaysYesOrNoOrThatItCannotTell(t *testing.T) {
	if _, err := newRig(t, "nothing", Options{}).Busy(t.Context(), anOp); err == nil {
		t.Error("busy or not without a command")
	}
	for script, want := range map[string]struct {
		busy bool
		err  string
	}{
		"nothing": {busy: true}, "exit-1": {}, "exit-3": {},
		"exit-75": {err: "running busy hook"}, "killed": {err: "a busy command exits 0 for busy, and 1 or 3 for not busy"}, "exit-127": {err: "was not found"},
	} {
		busy, err := newRig(t, "nothing", Options{Busy: []string{animal(script)}}).Busy(t.Context(), anOp)
		if busy != want.busy || (err != nil) != (want.err != "") || err != nil && !strings.Contains(err.Error(), want.err) {
			t.Errorf("%s: %v, %v; want %v", script, busy, err, want)
		}
	}
}

func TestReadinessCommandSaysYesByExitCode0Only(t *testing.T) {
	if err := newRig(t, "nothing", Options{}).Ready(t.Context(), anOp); err == nil {
		t.Error("ready without a command")
	}
	if err := newRig(t, "nothing", Options{Ready: []string{animal("nothing")}}).Ready(t.Context(), anOp); err != nil {
		t.Error(err)
	}
	r := newRig(t, "nothing", Options{Ready: []string{animal("exit-1")}})
	err := r.Ready(t.Context(), anOp)
	if err == nil || !strings.HasPrefix(err.Error(), "running probe hook ") {
		t.Errorf("error is %v", err)
	}
	if log := r.log.String(); !strings.HasPrefix(log, "DEBUG hook output target=web hook=probe line=this went wrong") {
		t.Errorf("log is\n%s", log)
	}
}

func TestQuestionIsToldToEndWhenRouseEnds(t *testing.T) {
	r := newRig(t, "nothing", Options{Ready: []string{animal("hangs")}})
	ctx, cancel := context.WithCancelCause(t.Context())
	result := make(chan error, 1)
	go func() { result <- r.Ready(ctx, anOp) }()
	pid := r.pid()
	if exists(r.recordPath) {
		t.Error("a question left a record")
	}
	cancel(driver.ErrDetach)
	if err := <-result; !errors.Is(err, driver.ErrDetach) {
		t.Errorf("error is %v", err)
	}
	eventually(t, func() bool { return !processLives(pid) })
}

// TestNextHookWaitsForAQuestionThatIsStillEnding: it was told to end, but nobody waited for that.
func TestNextHookWaitsForAQuestionThatIsStillEnding(t *testing.T) {
	r := newRig(t, "nothing", Options{Ready: []string{animal("ignores-term")}})
	ctx, cancel := context.WithCancelCause(t.Context())
	result := make(chan error, 1)
	go func() { result <- r.Ready(ctx, anOp) }()
	pid := r.pid()
	cancel(driver.ErrDetach)
	if err := <-result; !errors.Is(err, driver.ErrDetach) {
		t.Errorf("error is %v", err)
	}
	if err := r.Stop(t.Context(), anOp); err != nil {
		t.Errorf("error is %v", err)
	}
	if processLives(pid) {
		t.Error("the stop hook ran beside a question")
	}
}

func TestContextThatHasEndedStartsNothing(t *testing.T) {
	r := newRig(t, "speaks", Options{})
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(driver.ErrDetach)
	if err := r.Stop(ctx, anOp); !errors.Is(err, driver.ErrDetach) {
		t.Errorf("error is %v", err)
	}
	if exists(r.file("done")) {
		t.Error("the hook ran")
	}
}

func TestHookThatBecameUnsafeIsNotRun(t *testing.T) {
	path := copyHook(t, "speaks", t.TempDir(), 0o700)
	r := newRig(t, "nothing", Options{Stop: []string{path}})
	copyHook(t, "speaks", strings.TrimSuffix(path, "/speaks"), 0o777)
	err := r.Stop(t.Context(), anOp)
	if err == nil || !strings.Contains(err.Error(), "may be changed by anyone") || exists(r.file("done")) {
		t.Errorf("error is %v; hook ran: %v", err, exists(r.file("done")))
	}
}

func TestLaunchThatMaySucceedLaterIsTemporary(t *testing.T) {
	for errno, want := range map[syscall.Errno]struct {
		temporary bool
		tries     int
		text      string
	}{
		syscall.EAGAIN:  {true, 1, "try again"},
		syscall.ENOMEM:  {true, 1, "try again"},
		syscall.EMFILE:  {true, 1, "try again"},
		syscall.ENFILE:  {true, 1, "try again"},
		syscall.ETXTBSY: {true, busyTries, "try again"},
		syscall.ENOEXEC: {false, 1, "(neither a script that begins with #! nor a program for this machine)"},
		syscall.E2BIG:   {false, 1, "(the arguments and the environment are too long)"},
		syscall.EACCES:  {false, 1, "permission denied"},
	} {
		r := newRig(t, "nothing", Options{})
		r.keeper = ""
		tries := 0
		r.launch = func(*osexec.Cmd) error {
			tries++
			return &fs.PathError{Op: "fork/exec", Path: "hook", Err: errno}
		}
		err := r.Stop(t.Context(), anOp)
		if errors.Is(err, driver.ErrTemporary) != want.temporary || tries != want.tries || !errors.Is(err, errno) {
			t.Errorf("%v: error is %v after %d tries", errno, err, tries)
		}
		if err != nil && !strings.HasSuffix(err.Error(), want.text) {
			t.Errorf("%v: error is %v, want %q in it", errno, err, want.text)
		}
	}
}

func TestBusyFileIsTriedAgainAtOnce(t *testing.T) {
	r := newRig(t, "speaks", Options{})
	r.keeper = ""
	tries := 0
	r.launch = func(cmd *osexec.Cmd) error {
		if tries++; tries < 3 {
			return syscall.ETXTBSY
		}
		return cmd.Start()
	}
	if err := r.Stop(t.Context(), anOp); err != nil || !exists(r.file("done")) {
		t.Errorf("error is %v", err)
	}
}

func TestDriverWorksWithoutALogger(t *testing.T) {
	d, err := New(Options{Target: "web", Stem: "web", Dir: privateDir(t), Start: []string{animal("nothing")}, Stop: []string{animal("many-lines")}})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Stop(t.Context(), anOp); err == nil || d.grace != defaultGrace || d.log.Enabled(t.Context(), slog.LevelError) {
		t.Errorf("error is %v, grace %v", err, d.grace)
	}
}
