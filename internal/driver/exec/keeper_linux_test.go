package exec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
)

func TestNextRouseLearnsHowTheHookOfAKilledOneEnded(t *testing.T) {
	for name, c := range map[string]struct {
		orders    map[string]string
		address   string
		err       string
		temporary bool
	}{
		"done":         {},
		"with address": {orders: map[string]string{"address": "address=192.0.2.7:8443\n"}, address: "192.0.2.7:8443"},
		"bad address":  {orders: map[string]string{"address": "address=a b\n"}, err: `left in ROUSE_OUTPUT: line 1: address "a b"`},
		"failed":       {orders: map[string]string{"code": "1"}, err: "exit status 1; last output: the last word"},
		"again":        {orders: map[string]string{"code": "75"}, err: "exit status 75 (try again); last output: the last word", temporary: true},
		"not found":    {orders: map[string]string{"code": "127"}, err: "(a command in it was not found; "},
		"killed":       {orders: map[string]string{"kill": ""}, err: "signal: killed; last output: the last word"},
		"no address":   {orders: map[string]string{"code": "1", "address": "address=192.0.2.7\n"}, err: "exit status 1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "told", Options{Status: []string{animal("nothing")}})
			for file, text := range c.orders {
				r.order(file, text)
			}
			r.orphaned("told", 0)
			var got driver.Outcome
			asked := r.waiting(func() (err error) {
				got, err = r.Driver.Driver().(driver.Resumer).Resume(t.Context(), anOp)
				return err
			})
			r.touch("go")
			if err := <-asked; err != nil {
				t.Fatal(err)
			}
			if got.Action != "start" || got.Address != c.address || (got.Err == nil) != (c.err == "") || errors.Is(got.Err, driver.ErrTemporary) != c.temporary {
				t.Errorf("outcome is %+v", got)
			}
			if got.Err != nil && (!strings.Contains(got.Err.Error(), c.err) || !strings.Contains(got.Err.Error(), `start hook "`+animal("told"))) {
				t.Errorf("error is %v", got.Err)
			}
			other, err := r.Resume(t.Context(), driver.Op{Epoch: anOp.Epoch + 1})
			if err != nil || other != (driver.Outcome{}) {
				t.Errorf("of another epoch: %+v, %v", other, err)
			}
			for _, path := range []string{r.recordPath, r.resultAt, r.outcomePath + ".tmp", r.recordPath + ".tmp"} {
				if exists(path) {
					t.Errorf("%s was left behind", path)
				}
			}
		})
	}
}

func TestRouseKilledAtAnyMomentLeavesNoHookOrOneWithAResult(t *testing.T) {
	r := newRig(t, "alone", Options{})
	const rounds = 45
	for i := range rounds {
		c := doomed{Dir: r.dir, Zoo: r.zoo, Script: "alone", Epoch: uint64(i + 1)}
		switch i {
		case 0, 1:
			c.Dies = "before"
		case 2, 3:
			c.Dies = "after"
		}
		r.killWhile(c, time.Duration(i*i)*20*time.Microsecond)
		got, err := r.Resume(t.Context(), driver.Op{Epoch: c.Epoch})
		if err != nil {
			t.Fatal(err)
		}
		trace, _ := os.ReadFile(r.file("trace"))
		began := strings.Contains(string(trace), fmt.Sprintf("%d begins\n%d ends\n", c.Epoch, c.Epoch))
		want := driver.Outcome{}
		if began {
			want = driver.Outcome{Action: "start", Address: fmt.Sprintf("192.0.2.%d", c.Epoch)}
		}
		if got != want || c.Dies != "" && began {
			t.Errorf("round %d: outcome is %+v, want %+v", i, got, want)
		}
		if strings.Count(string(trace), "begins") != strings.Count(string(trace), "ends") || strings.Contains(string(trace), "overlaps") {
			t.Fatalf("round %d: trace is\n%s", i, trace)
		}
	}
}

func TestDeadlineHoldsAfterTheDeathOfRouse(t *testing.T) {
	for _, script := range []string{"hangs", "ignores-term", "child-ignores-term"} {
		t.Run(script, func(t *testing.T) {
			r := newRig(t, script, Options{})
			r.orphaned(script, 500*time.Millisecond)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			got, err := r.Resume(ctx, anOp)
			if err != nil || got.Action != "start" || !errors.Is(got.Err, context.DeadlineExceeded) || errors.Is(got.Err, driver.ErrTemporary) {
				t.Errorf("outcome is %+v, %v", got, err)
			}
			if got.Err != nil && !strings.Contains(got.Err.Error(), "ms (a hook must return: ") {
				t.Errorf("error is %v", got.Err)
			}
			pid := r.pid()
			eventually(t, func() bool { return !processLives(pid) })
		})
	}
}

func TestSignalsEndNeitherKeeperNorHook(t *testing.T) {
	r := newRig(t, "told", Options{})
	rouse := r.begun("told", 0)
	hook := r.pid()
	keeper := parent(t, hook)
	if keeper == rouse.Process.Pid || keeper == os.Getpid() {
		t.Fatalf("the parent of the hook is %d", keeper)
	}
	if err := syscall.Kill(-rouse.Process.Pid, syscall.SIGINT); err != nil { // as Ctrl-C does
		t.Fatal(err)
	}
	_ = rouse.Wait()
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGPIPE, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM} {
		if err := syscall.Kill(-keeper, s); err != nil {
			t.Errorf("%v: %v", s, err)
		}
	}
	asked := r.waiting(func() error {
		got, err := r.Resume(t.Context(), anOp)
		if got != (driver.Outcome{Action: "start"}) {
			err = fmt.Errorf("outcome is %+v, %w", got, err)
		}
		return err
	})
	r.touch("go")
	if err := <-asked; err != nil {
		t.Error(err)
	}
	eventually(t, func() bool { return !processLives(keeper) })
}

func TestKeeperIsGoneAndTheLockFreeWhileADaemonLivesOn(t *testing.T) {
	r := newRig(t, "daemon-holds-stdout", Options{})
	if _, err := r.Start(t.Context(), anOp); err != nil {
		t.Fatal(err)
	}
	held, err := openLock(r.lockPath)
	if err != nil {
		t.Fatal(err)
	}
	defer held.drop()
	if free, err := held.try(); !free || err != nil {
		t.Errorf("the lock is free: %v, %v", free, err)
	}
}

func TestHookInheritsUnderAKeeperWhatItWouldWithout(t *testing.T) {
	signal.Ignore(syscall.SIGHUP) // as nohup does
	defer signal.Reset(syscall.SIGHUP)
	mask := syscall.Umask(0o027)
	defer syscall.Umask(mask)
	r := newRig(t, "context", Options{})
	if err := r.Stop(t.Context(), anOp); err != nil {
		t.Fatal(err)
	}
	kept := r.read("context")
	r.keeper = ""
	if err := r.Stop(t.Context(), anOp); err != nil {
		t.Fatal(err)
	}
	if direct := r.read("context"); kept != direct || !strings.Contains(direct, "0027") {
		t.Errorf("under a keeper:\n%s\nwithout:\n%s", kept, direct)
	}
}

func TestHookOfAKilledKeeperIsOutlasted(t *testing.T) {
	r := newRig(t, "told", Options{})
	earlier := keptOutcome(func(o *outcome) { o.Code = 1 }) // of the same epoch
	if err := replaceFile(r.outcomePath, earlier); err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() {
		_, err := r.Start(t.Context(), anOp)
		result <- err
	}()
	hook := r.pid()
	eventually(t, func() bool { return exists(r.recordPath) })
	if err := syscall.Kill(parent(t, hook), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return strings.Contains(r.log.String(), "waiting for a hook that was left running") })
	r.touch("go")
	err := <-result
	if !errors.Is(err, driver.ErrTemporary) || !strings.Contains(err.Error(), "its keeper was ended") {
		t.Errorf("error is %v", err)
	}
	if got := r.read("trace"); got != "start begins\nstart ends\n" {
		t.Errorf("trace is %q", got)
	}
	if got, err := r.Resume(t.Context(), anOp); err != nil || got != (driver.Outcome{}) {
		t.Errorf("outcome is %+v, %v", got, err)
	}
}

// On a full disk there is no record of the hook, but rouse has been told its process.
func TestHookOfAKilledKeeperIsOutlastedWithoutARecord(t *testing.T) {
	began := make(chan HookRun, 10)
	r := newRig(t, "told", Options{Told: func(run HookRun) { began <- run }})
	if err := os.MkdirAll(r.recordPath+".tmp/in-the-way", 0o700); err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() {
		_, err := r.Start(t.Context(), anOp)
		result <- err
	}()
	hook := (<-began).PID
	if exists(r.recordPath) {
		t.Fatal("there is a record")
	}
	if err := syscall.Kill(parent(t, hook), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		return len(result) > 0 || strings.Contains(r.log.String(), "waiting for a hook that was left running")
	})
	if len(result) > 0 {
		t.Fatalf("the start ended while its hook ran: %v", <-result)
	}
	r.touch("go")
	if err := <-result; !errors.Is(err, driver.ErrTemporary) {
		t.Errorf("error is %v", err)
	}
	if run := <-began; !run.Ended || run.PID != hook {
		t.Errorf("told of %+v, not of the end of %d", run, hook)
	}
}

func TestHookWhoseRouseAndKeeperWereKilledIsOutlasted(t *testing.T) {
	r := newRig(t, "traces", Options{})
	rouse := r.begun("told", 0)
	keeper := parent(t, r.pid())
	kill9(t, rouse)
	if err := syscall.Kill(keeper, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return !processLives(keeper) })
	result := r.waiting(func() error { return r.Stop(t.Context(), anOp) })
	r.touch("go")
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	if got := r.read("trace"); got != "start begins\nstart ends\nstop \n" {
		t.Errorf("trace is %q", got)
	}
}

func TestHookOfAKeeperThatWasStoppedIsEnded(t *testing.T) {
	for _, script := range []string{"hangs", "ignores-term"} {
		t.Run(script, func(t *testing.T) {
			r := newRig(t, script, Options{})
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			result := make(chan error, 1)
			go func() { result <- r.Stop(ctx, anOp) }()
			pid := r.pid()
			eventually(t, func() bool { return exists(r.recordPath) })
			rec, err := r.readRecord()
			if err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(parent(t, rec.PID), syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			cause := errors.New("enough")
			cancel(cause)
			if err := <-result; !errors.Is(err, cause) {
				t.Errorf("error is %v", err)
			}
			eventually(t, func() bool { return !processLives(pid) })
		})
	}
}

func TestKeeperWithoutAWholePlanStartsNothing(t *testing.T) {
	r := newRig(t, "speaks", Options{})
	whole, err := json.Marshal(plan{Event: "start", Argv: []raw{raw(animal("speaks"))}, Env: []raw{raw("ZOO=" + r.zoo)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"", string(whole[:len(whole)-1]), "{}", "nonsense"} {
		cmd := osexec.CommandContext(t.Context(), r.keeper, keeperWord)
		cmd.Args[0] = os.Args[0]
		ours, theirs, err := socketPair()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stdin = theirs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		theirs.Close()
		if _, err := ours.WriteString(part); err != nil {
			t.Fatal(err)
		}
		ours.Close()
		if err := cmd.Wait(); err == nil || exists(r.file("done")) {
			t.Errorf("plan %q: %v", part, err)
		}
	}
}

func TestPlanLargerThanASocketTakes(t *testing.T) {
	var env []string
	for i := range 20 {
		env = append(env, fmt.Sprintf("V%d=%s", i, strings.Repeat("x", 100<<10)))
	}
	r := newRig(t, "nothing", Options{Env: env})
	if _, err := r.Start(t.Context(), anOp); err != nil && !errors.Is(err, syscall.E2BIG) {
		t.Error(err)
	}
}

func TestResumeWhoseTimeIsUpCannotTell(t *testing.T) {
	r := newRig(t, "told", Options{})
	r.orphaned("told", 0)
	ctx, cancel := context.WithCancelCause(t.Context())
	asked := r.waiting(func() error {
		got, err := r.Resume(ctx, anOp)
		if got != (driver.Outcome{}) {
			err = fmt.Errorf("outcome is %+v", got)
		}
		return err
	})
	cause := errors.New("enough")
	cancel(cause)
	if err := <-asked; !errors.Is(err, cause) {
		t.Errorf("error is %v", err)
	}
	if got, err := r.Resume(ctx, anOp); !errors.Is(err, cause) {
		t.Errorf("outcome is %+v, %v", got, err)
	}
	r.touch("go")
	if got, err := r.Resume(t.Context(), anOp); err != nil || got.Action != "start" || got.Err != nil {
		t.Errorf("outcome is %+v, %v", got, err)
	}
}

func TestKeeperGetsPathsAndEnvironmentByteForByte(t *testing.T) {
	dir := filepath.Join(privateDir(t), "caf\xe9")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	hook := filepath.Join(dir, "\xff.sh")
	script := "#!/bin/sh\necho \"$1 $V\" >\"$ZOO/said\"\necho address=192.0.2.7 >\"$ROUSE_OUTPUT\"\n"
	if err := os.WriteFile(hook, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, "nothing", Options{Dir: dir, Start: []string{hook, "\xfe<"}, Env: []string{"V=\xfd"}})
	if address, err := r.Start(t.Context(), anOp); err != nil || address != "192.0.2.7" {
		t.Fatalf("start is %q, %v", address, err)
	}
	if got := r.read("said"); got != "\xfe< \xfd\n" {
		t.Errorf("the hook got %q", got)
	}
	if !exists(r.outcomePath) || exists(r.resultAt) {
		t.Error("the keeper has left its files elsewhere")
	}
}

func TestKeeperThatAPersonStartsEnds(t *testing.T) {
	r := newRig(t, "nothing", Options{})
	cmd := osexec.CommandContext(t.Context(), r.keeper, keeperWord)
	cmd.Args[0] = os.Args[0]
	typed, err := cmd.StdinPipe() // and nobody types
	if err != nil {
		t.Fatal(err)
	}
	defer typed.Close()
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "started by rouse only") {
		t.Errorf("%v: %s", err, out)
	}
}
