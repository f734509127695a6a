//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package exec

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rouse-proxy/rouse/internal/failpoint"
	"github.com/rouse-proxy/rouse/internal/threads"
)

// keeperWord is the first argument of a keeper.
const keeperWord = "keep-hook"

// Descriptors of a keeper that its hook does not get. The socket to rouse is its
// standard input, which saves rouse one; the other two standard ones are the hook's.
const (
	controlFD = 0
	lockFD    = 3
)

// dispatched says that this program calls RunKeeper. One that does not would begin
// its own work anew if it were run as a keeper, so it gets none.
var dispatched atomic.Bool

// RunKeeper must be the first thing that main does. In a process that was started
// as the keeper of a hook it does that work and does not return; in every other it
// returns at once, and hooks get keepers from then on.
func RunKeeper() {
	if len(os.Args) < 2 || os.Args[1] != keeperWord {
		dispatched.Store(true)
		return
	}
	if err := keep(); err != nil {
		fmt.Fprintln(os.Stderr, "rouse: keeping a hook:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// A keeping is the work of one keeper.
type keeping struct {
	plan
	out    *json.Encoder // to rouse, which may have gone
	orders chan order
	ended  chan error
	cmd    *osexec.Cmd
	result outcome
}

// keep does the work of a keeper. Until the plan has come whole nothing is started,
// so rouse may give up a keeper that is not ready, or die itself.
func keep() error {
	if _, err := syscall.GetsockoptInt(controlFD, syscall.SOL_SOCKET, syscall.SO_TYPE); err != nil {
		return fmt.Errorf("it is started by rouse only: %w", err)
	}
	syscall.CloseOnExec(lockFD)
	standFast()
	nameProcess()
	threads.Warm(2) // while nothing has been started yet: one that is refused later would end the keeper
	if err := syscall.SetNonblock(controlFD, true); err != nil {
		return fmt.Errorf("its socket to rouse: %w", err)
	}
	control := os.NewFile(controlFD, "control")
	k := &keeping{out: json.NewEncoder(control), orders: make(chan order, 1), ended: make(chan error, 1)}
	k.say(message{Ready: planFormat})
	in := json.NewDecoder(control)
	if err := in.Decode(&k.plan); err != nil {
		return fmt.Errorf("no plan came: %w", err)
	}
	if len(k.Argv) == 0 {
		return errors.New("the plan names no hook")
	}
	k.point("keep-planned")
	k.result = outcome{Format: outcomeFormat, Event: k.Event, Epoch: k.Epoch, LogAt: k.LogAt}
	go k.obey(in)
	if k.start() {
		k.say(message{PID: k.result.PID})
		k.watch()
	}
	k.finish()
	return nil
}

// standFast catches what would end the keeper, and lets it pass. Signals that were
// ignored stay so: the hook inherits that.
func standFast() {
	nothing := make(chan os.Signal, 1)
	for _, s := range []os.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGPIPE, syscall.SIGALRM,
		syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGVTALRM, syscall.SIGPROF, syscall.SIGXCPU, syscall.SIGXFSZ,
	} {
		if !signal.Ignored(s) {
			signal.Notify(nothing, s)
		}
	}
}

// point is one at which a test can end the keeper.
func (k *keeping) point(name string) {
	if failpoint.On {
		failpoint.Pass(k.Event + "." + name)
	}
}

// say is best effort: rouse may have ended.
func (k *keeping) say(m message) { _ = k.out.Encode(m) }

// obey waits for the order to end the hook. The end of rouse is none.
func (k *keeping) obey(in *json.Decoder) {
	var o order
	if in.Decode(&o) == nil {
		k.orders <- o
	}
}

// start starts the hook, and writes down which process it is.
func (k *keeping) start() bool {
	argv, env := converted[string](k.Argv), converted[string](k.Env)
	for try := 1; ; try++ {
		k.cmd = &osexec.Cmd{
			Path: argv[0], Args: argv, Env: env,
			Stdout: os.Stdout, Stderr: os.Stderr, SysProcAttr: ownGroup(),
		}
		k.result.Began = time.Now()
		err := k.cmd.Start()
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.ETXTBSY) || try == busyTries {
			k.result.refuse(err)
			return false
		}
		time.Sleep(pollEvery)
	}
	k.point("keep-started")
	k.result.PID = k.cmd.Process.Pid
	k.result.Within = k.Left
	r := record{Event: k.Event, PID: k.result.PID, Epoch: k.Epoch, Began: k.result.Began.Round(0), Deadline: k.Deadline}
	if err := noteHook(string(k.Record), r); err != nil {
		k.say(message{Warning: notRecorded, Err: err.Error()})
	}
	k.point("keep-recorded")
	go k.wait()
	return true
}

func (k *keeping) wait() { k.ended <- k.cmd.Wait() }

// refuse notes that the hook was not started.
func (o *outcome) refuse(err error) {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		o.Errno = int(errno)
		return
	}
	o.Lost = err.Error()
}

// watch waits for the end of the hook, and ends it when its time is up or rouse
// says so. It does not return before the hook's own process has ended.
func (k *keeping) watch() {
	var tick <-chan time.Time
	var deadline <-chan time.Time
	if !k.Deadline.IsZero() {
		deadline = time.After(k.Left)
	}
	end := ending{pid: k.result.PID, grace: k.Grace}
	gone, stuck := false, false
	begin := func(cut, cause string) {
		if end.begun() || len(k.ended) > 0 { // it ended in time
			return
		}
		k.result.Cut, k.result.Cause = cut, cause
		tick = time.Tick(pollEvery)
		end.next()
	}
	for {
		select {
		case err := <-k.ended:
			k.result.see(err)
			if gone = true; stuck || !end.begun() {
				return
			}
		case o := <-k.orders:
			begin(cutByOrder, o.Cause)
		case <-deadline:
			begin(cutByDeadline, "")
		case <-tick:
			if gone && !groupLives(end.pid) {
				return
			}
		case <-end.due:
			if end.next() {
				continue
			}
			if gone {
				return
			}
			stuck, end.due = true, nil
			k.say(message{Stuck: true})
		}
	}
}

// see notes how the process ended.
func (o *outcome) see(err error) {
	o.Ended = time.Now()
	if err == nil {
		return
	}
	exit, ok := errors.AsType[*osexec.ExitError](err)
	if !ok {
		o.Lost = fmt.Sprintf("waiting for it: %v", err)
		return
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	switch {
	case !ok:
		o.Lost = err.Error()
	case status.Signaled():
		o.Signal, o.Core = int(status.Signal()), status.CoreDump()
	default:
		o.Code = status.ExitStatus()
	}
}

// finish leaves the result for the next rouse before it lets go of the lock, and
// tells this one.
func (k *keeping) finish() {
	k.point("keep-ended")
	if k.Logged {
		k.result.LogEnd = sizeOf(os.Stdout)
	}
	if r := &k.result; k.Result != "" && r.PID != 0 {
		if r.done() {
			r.Left = readLeft(string(k.Result))
		}
		removeResult(string(k.Result))
	}
	if err := replaceFile(string(k.Outcome), k.result); err != nil {
		k.say(message{Warning: "result of a hook cannot be kept; after a crash it would be missing", Err: err.Error()})
	}
	k.point("keep-written")
	if err := removeFile(string(k.Record)); err != nil {
		k.say(message{Warning: "record of a hook cannot be removed", Err: err.Error()})
	}
	if k.Locked {
		_ = syscall.Flock(lockFD, syscall.LOCK_UN) // the end of the process does it too
	}
	k.point("keep-freed")
	k.say(message{Outcome: &k.result})
}
