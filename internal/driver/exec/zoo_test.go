//go:build unix

package exec

import (
	"context"
	"errors"
	"os"
	osexec "os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
)

// A visit is one run of a hook of the zoo as a start hook, and what must come of
// it.
type visit struct {
	script  string
	fails   string // in the error; empty: it must succeed
	logs    string // in the log; empty: anything
	address string // what Start returns
	is      error  // what the error is
}

var visits = []visit{
	{script: "nothing"},
	{script: "slow", logs: "INFO hook output target=web hook=start line=one moment"},
	{script: "exit-1", fails: "exit status 1; last output: this went wrong", logs: "line=this went wrong"},
	{script: "exit-3", fails: "exit status 3"},
	{script: "exit-75", fails: "exit status 75 (try again); last output: no capacity in this zone", is: driver.ErrTemporary},
	{script: "exit-126", fails: "exit status 126 (a command in it could not be run)"},
	{script: "exit-127", fails: "exit status 127 (a command in it was not found; a hook gets PATH, HOME and"},
	{script: "exit-137", fails: "exit status 137 (a command in it was ended by signal 9)"},
	{script: "killed", fails: "signal: killed"},
	{script: "closes-stdio"},
	{script: "reads-stdin"},
	{script: "needs-tty", fails: "exit status 1; last output: no terminal"},
	{script: "gigabyte", fails: "last output: all work and no play | all work and no play", logs: "INFO hook output suppressed target=web hook=start lines=200"},
	{script: "gigabyte-one-line", fails: "last output: the end of it", logs: "line=\uFFFD…"}, // its end is not logged if it takes long,
	{script: "many-lines", fails: "line 995 | line 996 | line 997 | line 998 | line 999", logs: "line=line 199\nINFO hook output suppressed"},
	{script: "no-newline", fails: "last output: no newline here", logs: "line=no newline here"},
	{script: "nuls", fails: "last output: a\uFFFDb", logs: "line=a\uFFFDb"},
	{script: "ansi", fails: "last output: red plain\uFFFD", logs: "line=red plain\uFFFD"},
	{script: "forges-log", fails: "last output: fine\uFFFDlevel=ERROR msg=forged \uFFFD txt.exe"},
	{script: "invalid-utf8", fails: "last output: caf\uFFFD \uFFFD é", logs: "line=caf\uFFFD \uFFFD é"},
	{script: "long-line", fails: "last output: short", logs: "xxx…\nINFO hook output target=web hook=start line=short"},
	{script: "cuts-output", fails: "last output: second", logs: "line=second"},
	{script: "address-good", address: "192.0.2.7:8443"},
	{script: "address-moved", address: "[2001:db8::1]:443"},
	{script: "address-unknown-key", address: "192.0.2.7", logs: "WARN hook left unknown keys in ROUSE_OUTPUT target=web hook=start keys=[zone]"},
	{script: "address-bad", fails: `left in ROUSE_OUTPUT: line 1: address "$(reboot)": the host is neither an IP address nor a DNS name`},
	{script: "address-empty", fails: `line 1: address "": it is empty`},
	{script: "address-twice", fails: `line 2: "address" stands there twice`},
	{script: "address-huge", fails: "it is larger than 4096 bytes"},
	{script: "address-of-failure", fails: "exit status 1"},
	{script: "output-removed"},
	{script: "output-fifo", fails: "it is not a regular file"},
	{script: "output-link", fails: "too many levels of symbolic links"},
}

func TestZooOfHooks(t *testing.T) {
	for _, v := range visits {
		t.Run(v.script, func(t *testing.T) {
			r := newRig(t, v.script, Options{})
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			address, err := r.Start(ctx, anOp)
			r.checkVisit(v, address, err)
		})
	}
}

func (r *rig) checkVisit(v visit, address string, err error) {
	r.t.Helper()
	if address != v.address {
		r.t.Errorf("address is %q, want %q", address, v.address)
	}
	switch {
	case v.fails == "" && err != nil:
		r.t.Errorf("it failed: %v", err)
	case v.fails != "" && (err == nil || !strings.Contains(err.Error(), v.fails)):
		r.t.Errorf("error is %v\nwant %q in it", err, v.fails)
	case err != nil && len(err.Error()) > 4<<10:
		r.t.Errorf("the error has %d bytes", len(err.Error()))
	}
	if got := errors.Is(err, driver.ErrTemporary); got != (v.is != nil) {
		r.t.Errorf("temporary is %v: %v", got, err)
	}
	if log := r.log.String(); !strings.Contains(log, v.logs) || len(log) > 2*maxLogged {
		r.t.Errorf("log of %d bytes:\n%.2000s\nwant %q in it", len(log), log, v.logs)
	}
	if info, err := os.Stat(r.output.path); err != nil || info.Size() > maxOutput+largestResult || info.Mode().Perm() != 0o600 {
		r.t.Errorf("output file: %v, %v", info, err)
	}
	for _, left := range []string{r.recordPath, r.recordPath + ".tmp", r.resultAt} {
		if exists(left) {
			r.t.Errorf("%s was left behind", left)
		}
	}
}

func TestDaemonLeftBehindDelaysNobodyAndLives(t *testing.T) {
	for _, script := range []string{"forks-away", "daemon-holds-stdout", "daemon-writes", "daemon-setsid"} {
		t.Run(script, func(t *testing.T) {
			if _, err := osexec.LookPath("setsid"); err != nil && script == "daemon-setsid" {
				t.Skip("there is no setsid command here")
			}
			r := newRig(t, script, Options{})
			ctx, cancel := context.WithTimeout(t.Context(), patience) // the daemons live far longer
			defer cancel()
			if _, err := r.Start(ctx, anOp); err != nil {
				t.Fatal(err)
			}
			if pid := r.pid(); !processLives(pid) {
				t.Errorf("daemon %d has gone", pid)
			}
			if exists(r.recordPath) {
				t.Error("the record of the hook was left behind")
			}
		})
	}
}

func TestDaemonLeftBehindMayWriteOnAfterItsHookAndItsLogWereCut(t *testing.T) {
	r := newRig(t, "daemon-writes", Options{})
	if _, err := r.Start(t.Context(), anOp); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(r.output.path, maxOutput+1); err != nil {
		t.Fatal(err)
	}
	r.output.trim()
	r.touch("go")
	eventually(t, func() bool { return exists(r.file("spoken")) })
	b, err := os.ReadFile(r.output.path)
	if err != nil || string(b) != "the daemon speaks\n" {
		t.Errorf("the output file holds %q, %v", b, err)
	}
	if pid := r.pid(); !processLives(pid) {
		t.Errorf("daemon %d has gone", pid)
	}
}

// outlive starts a hook that does not end, and ends its context once the hook has
// written a process number.
func (r *rig) outlive(cause error) error {
	r.t.Helper()
	ctx, cancel := context.WithCancelCause(r.t.Context())
	defer cancel(nil)
	result := make(chan error, 1)
	go func() {
		_, err := r.Start(ctx, anOp)
		result <- err
	}()
	r.pid()
	cancel(cause)
	return <-result
}

func TestHookThatDoesNotEndIsEndedWithItsGroup(t *testing.T) {
	scripts := []string{"hangs", "ignores-term", "child-ignores-term", "exits-0-on-term", "stops-itself"}
	for _, script := range scripts {
		t.Run(script, func(t *testing.T) {
			r := newRig(t, script, Options{})
			cause := errors.New("enough")
			err := r.outlive(cause)
			if !errors.Is(err, cause) || errors.Is(err, driver.ErrTemporary) {
				t.Errorf("error is %v", err)
			}
			if err == nil || !strings.Contains(err.Error(), ": enough (a hook must return: put the server in the background") {
				t.Errorf("error is %v", err)
			}
			if script == "hangs" && (err == nil || !strings.HasSuffix(err.Error(), "; last output: going to hang")) {
				t.Errorf("error is %v", err)
			}
			pid := r.pid() // SIGKILL was sent to it, but it may still be on its way
			eventually(t, func() bool { return !processLives(pid) })
			if exists(r.recordPath) {
				t.Error("the record of the hook was left behind")
			}
		})
	}
}

func TestHookPastItsTimeIsSaidSo(t *testing.T) {
	r := newRig(t, "hangs", Options{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err := r.Stop(ctx, anOp)
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, driver.ErrTemporary) {
		t.Errorf("error is %v", err)
	}
	want := regexp.MustCompile(`did not finish within (1s|\d+ms) \(a hook must return once the stop is asked for, or`)
	if !want.MatchString(err.Error()) {
		t.Errorf("error is %v\nwant %v", err, want)
	}
}

func TestHookThatCannotBeEndedIsGivenUp(t *testing.T) {
	const nobody = 1<<22 + 1 // more than Linux has
	p := &process{
		cmd:  &osexec.Cmd{Process: &os.Process{Pid: nobody}},
		hook: hook{event: "stop", lasts: true}, grace: time.Millisecond, ended: make(chan error),
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	err := p.follow(ctx)
	if err == nil || !strings.HasSuffix(err.Error(), ": enough; process 4194305 could not be ended") || p.gone {
		t.Errorf("error is %v", err)
	}
}

func TestProcessOutsideTheGroupEscapesAndIsNotWaitedFor(t *testing.T) {
	if _, err := osexec.LookPath("setsid"); err != nil {
		t.Skip("there is no setsid command here")
	}
	r := newRig(t, "hangs-setsid", Options{})
	if err := r.outlive(errors.New("enough")); err == nil {
		t.Error("it succeeded")
	}
	if pid := r.pid(); !processLives(pid) {
		t.Errorf("process %d has gone", pid)
	}
}

func TestHookChangesNothingOfOurs(t *testing.T) {
	r := newRig(t, "changes-cwd-umask", Options{})
	before, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	mask := syscall.Umask(0o027)
	defer syscall.Umask(mask)
	if _, err := r.Start(t.Context(), anOp); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Getwd(); err != nil || after != before {
		t.Errorf("working directory is %q, %v", after, err)
	}
	if now := syscall.Umask(0o027); now != 0o027 {
		t.Errorf("umask is %o", now)
	}
}

func TestHookMayBeReplacedWhileItRuns(t *testing.T) {
	path := copyHook(t, "replaces-itself", t.TempDir(), 0o755)
	r := newRig(t, "nothing", Options{Start: []string{path}})
	if _, err := r.Start(t.Context(), anOp); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Start(t.Context(), anOp); err == nil || !strings.HasSuffix(err.Error(), "exit status 1; last output: the new one") {
		t.Errorf("error is %v", err)
	}
}
