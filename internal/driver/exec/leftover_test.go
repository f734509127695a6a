//go:build linux || darwin

package exec

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	osexec "os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
)

// detach starts the hook of r, which waits for a file, and leaves it running.
func (r *rig) detach() {
	r.t.Helper()
	if err := r.outlive(driver.ErrDetach); !errors.Is(err, driver.ErrDetach) {
		r.t.Fatalf("error is %v", err)
	}
	if pid := r.pid(); !processLives(pid) {
		r.t.Fatalf("process %d has ended", pid)
	}
	eventually(r.t, func() bool { return exists(r.recordPath) }) // its keeper may be about to write it
}

// waiting starts an operation in the background and returns once it waits for a
// leftover.
func (r *rig) waiting(op func() error) <-chan error {
	r.t.Helper()
	result := make(chan error, 1)
	go func() { result <- op() }()
	eventually(r.t, func() bool { return strings.Contains(r.log.String(), "waiting for a hook that was left running") })
	return result
}

// next is the driver of the next rouse: the same folders, another object.
func (r *rig) next(o Options) *rig {
	o.Dir = r.dir
	o.Env = []string{"ZOO=" + r.zoo}
	after := newRig(r.t, "traces", o)
	after.zoo = r.zoo
	return after
}

func TestHookLeftRunningIsFoundAndOutlastedByTheNextRouse(t *testing.T) {
	first := newRig(t, "waits", Options{})
	first.detach()
	second := first.next(Options{})
	result := second.waiting(func() error { return second.Stop(t.Context(), anOp) })
	if got := first.read("trace"); got != "start begins\n" {
		t.Errorf("trace is %q", got)
	}
	first.touch("go")
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	if got := first.read("trace"); got != "start begins\nstart ends\nstop \n" {
		t.Errorf("trace is %q", got)
	}
	if strings.Count(second.log.String(), "waiting for a hook") != 1 {
		t.Errorf("log is\n%s", second.log)
	}
}

func TestQuestionsWaitForALeftoverToo(t *testing.T) {
	first := newRig(t, "waits", Options{})
	first.detach()
	second := first.next(Options{Status: []string{animal("nothing")}, Ready: []string{animal("nothing")}})
	report := second.Driver.Driver().(driver.Reporter).Report
	asked := second.waiting(func() error {
		_, err := report(t.Context(), anOp)
		return errors.Join(err, second.Ready(t.Context(), anOp))
	})
	first.touch("go")
	if err := <-asked; err != nil {
		t.Error(err)
	}
}

func TestOperationWhoseTimeALeftoverUsesUpMayBeTriedAgain(t *testing.T) {
	first := newRig(t, "waits", Options{})
	first.detach()
	for cause, temporary := range map[error]bool{errors.New("enough"): true, driver.ErrDetach: false} {
		second := first.next(Options{})
		ctx, cancel := context.WithCancelCause(t.Context())
		result := second.waiting(func() error { return second.Stop(ctx, anOp) })
		cancel(cause)
		err := <-result
		if !errors.Is(err, cause) || errors.Is(err, driver.ErrTemporary) != temporary {
			t.Errorf("error is %v", err)
		}
		if !exists(second.recordPath) {
			t.Error("the record of a running hook was removed")
		}
	}
}

// A bystander is a process of the test that a record may point at.
type bystander struct {
	record
	child int // a process of its group, or itself
	gone  chan struct{}
}

func newBystander(t *testing.T, script string, group bool) *bystander {
	t.Helper()
	zoo := t.TempDir()
	cmd := &osexec.Cmd{Path: animal(script), Args: []string{script}, Env: []string{"ZOO=" + zoo, "PATH=" + os.Getenv("PATH")}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: group}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b := &bystander{gone: make(chan struct{})}
	go func() {
		defer close(b.gone)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-b.gone
	})
	r := rig{t: t, zoo: zoo}
	b.child = r.pid() // from now on the script ignores what it ignores
	t.Cleanup(func() { endProcess(t, r.read("pid")) })
	id, err := identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	b.record = record{
		Event: "start", PID: cmd.Process.Pid, Start: id.start, Boot: bootID(), Epoch: 6,
		Began: time.Now().Add(-time.Hour), Deadline: time.Now().Add(-time.Second),
	}
	return b
}

func (b *bystander) lives() bool {
	select {
	case <-b.gone:
		return false
	default:
		return true
	}
}

func TestLeftoverPastItsDeadlineIsEnded(t *testing.T) {
	for _, script := range []string{"hangs", "ignores-term", "child-ignores-term", "stops-itself"} {
		for name, late := range map[string]time.Duration{"just": 0, "long ago": time.Hour} {
			t.Run(script+" "+name, func(t *testing.T) {
				r := newRig(t, "nothing", Options{})
				b := newBystander(t, script, true)
				b.Deadline = time.Now().Add(-late)
				if err := replaceFile(r.recordPath, b.record); err != nil {
					t.Fatal(err)
				}
				if err := r.Stop(t.Context(), anOp); err != nil {
					t.Fatal(err)
				}
				<-b.gone
				eventually(t, func() bool { return !processLives(b.child) })
			})
		}
	}
}

func TestClockThatWasSetBackGivesALeftoverNoMoreThanItsTime(t *testing.T) {
	later := time.Now().Add(1000 * time.Hour)
	r := record{Began: later, Deadline: later.Add(time.Minute)}
	if left, limited := r.left(); left != time.Minute || !limited {
		t.Errorf("left are %v, %v", left, limited)
	}
	if left, limited := (record{Began: time.Now()}).left(); limited {
		t.Errorf("without a deadline are left %v", left)
	}
}

func TestRecordThatIsNotOursHarmsNobody(t *testing.T) {
	b := newBystander(t, "hangs", true)
	member := newBystander(t, "hangs", false)
	change := func(f func(*record)) string {
		r := b.record
		f(&r)
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for name, c := range map[string]struct {
		text string
		warn bool
	}{
		"empty":         {"", true},
		"cut":           {change(func(*record) {})[:40], true},
		"no json":       {"pid 17\n", true},
		"huge":          {strings.Repeat(" ", largestRecord+1), true},
		"other event":   {change(func(r *record) { r.Event = "status" }), true},
		"init":          {change(func(r *record) { r.PID = 1 }), true},
		"all":           {change(func(r *record) { r.PID = -1 }), true},
		"ourselves":     {change(func(r *record) { r.PID = os.Getpid() }), true},
		"no start time": {change(func(r *record) { r.Start = 0 }), true},
		"not a leader":  {change(func(r *record) { *r = member.record }), true},
		"other process": {change(func(r *record) { r.Start++ }), false},
		"other boot":    {change(func(r *record) { r.Boot = "another" }), false},
		"gone":          {change(func(r *record) { r.PID = 1<<22 + 1 }), false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "speaks", Options{})
			if err := os.WriteFile(r.recordPath, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := r.Stop(t.Context(), anOp); err != nil {
				t.Fatal(err)
			}
			r.read("done")
			if warned := strings.Contains(r.log.String(), "WARN record of a running hook ignored"); warned != c.warn {
				t.Errorf("log is\n%s", r.log)
			}
			if exists(r.recordPath) || !b.lives() || !member.lives() {
				t.Errorf("record is there: %v, bystanders live: %v, %v", exists(r.recordPath), b.lives(), member.lives())
			}
		})
	}
}

func TestRecordSaysWhatRuns(t *testing.T) {
	r := newRig(t, "waits", Options{})
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, nil)
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- r.Stop(ctx, anOp) }()
	pid := r.pid()
	eventually(t, func() bool { return exists(r.recordPath) })
	b, err := os.ReadFile(r.recordPath)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseRecord(b)
	deadline, _ := ctx.Deadline()
	if err != nil || got.PID != pid || got.Event != "stop" || got.Epoch != 7 || got.Boot != bootID() || !got.Deadline.Equal(deadline) {
		t.Errorf("record is %+v, %v", got, err)
	}
	if lives, err := got.lives(); !lives || err != nil {
		t.Errorf("it lives: %v, %v", lives, err)
	}
	r.touch("go")
	if err := <-result; err != nil {
		t.Error(err)
	}
}

func TestHookThatCannotBeRecordedRunsAllTheSame(t *testing.T) {
	r := newRig(t, "hangs", Options{})
	r.recordPath = r.dir + "/gone/web.hook"
	if err := r.outlive(errors.New("enough")); err == nil || strings.Contains(err.Error(), "no such file") {
		t.Errorf("error is %v", err)
	}
	if log := r.log.String(); strings.Count(log, "WARN running hook cannot be recorded") != 1 {
		t.Errorf("log is\n%s", log)
	}
}
