//go:build linux

package town

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/rouse-proxy/rouse/test/chaos/internal/street"
)

const (
	restartPause  = 100 * time.Millisecond // as a service manager would wait
	startPatience = 60 * time.Second       // until rouse takes clients, whatever goes on
	endPatience   = 40 * time.Second       // until rouse has ended after SIGTERM: its drain, and an operation under way
)

// A rouse is the program under test, kept running as a service manager would keep it.
type rouse struct {
	binary string
	args   []string
	house  *street.House
	dir    string // for its log and core
	cgroup string // of the processes that it may have; empty: none
	tell   func(string)
	offset time.Duration // of its clocks; turn guards it

	turn sync.Mutex // whoever ends, stops or restarts it holds this meanwhile

	mu     sync.Mutex // guards what follows
	now    *life      // nil before the first
	wanted bool       // it is to go on
	dead   []span     // when nobody was there; the last may be open
	deaths []death    // that nobody had asked for
	runs   int
}

// A life is one run of rouse.
type life struct {
	cmd   *exec.Cmd
	log   *os.File
	ready chan struct{} // closed when it takes clients
	over  chan struct{} // closed when it has ended
}

// A span is from begin to end; a zero end is still to come.
type span struct{ begin, end time.Time }

// A death is an end of rouse that nobody asked for.
type death struct {
	at  time.Time
	how string
}

// start runs rouse and waits until it takes clients. Where that fails it tries again, as long as patience lasts.
func (r *rouse) start() error {
	deadline := time.Now().Add(startPatience)
	for {
		l, err := r.launch()
		if err == nil {
			select {
			case <-l.ready:
				r.arrived()
				return nil
			case <-l.over:
				err = errors.New("it ended")
			case <-time.After(time.Until(deadline)):
				return fmt.Errorf("rouse does not take clients within %v", startPatience)
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("starting rouse for %v: %w", startPatience, err)
		}
		time.Sleep(restartPause)
	}
}

// launch starts a run.
func (r *rouse) launch() (*life, error) {
	l := &life{cmd: exec.Command(r.binary, r.args...), ready: make(chan struct{}), over: make(chan struct{})}
	if r.offset > 0 {
		l.cmd = exec.Command("unshare", append(append(otherClock(int(r.offset.Seconds())), r.binary), r.args...)...)
	}
	l.cmd.Dir = r.dir
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	l.cmd.Env = append(os.Environ(), "GOTRACEBACK=all")
	stderr, err := l.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if l.log, err = os.OpenFile(filepath.Join(r.dir, "rouse.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
		return nil, err
	}
	if err := r.enter(l.cmd); err != nil {
		l.log.Close()
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now, r.wanted = l, true
	r.runs++
	go r.follow(l, stderr)
	return l, nil
}

// enter starts the process in its house, and in its control group from its first thread on.
func (r *rouse) enter(cmd *exec.Cmd) error {
	if err := r.house.Start(cmd); err != nil {
		return fmt.Errorf("starting rouse: %w", err)
	}
	if r.cgroup == "" {
		return nil
	}
	if err := os.WriteFile(filepath.Join(r.cgroup, "cgroup.procs"), fmt.Append(nil, cmd.Process.Pid), 0o644); err != nil {
		_ = cmd.Process.Kill()
		return fmt.Errorf("putting rouse into its control group: %w", err)
	}
	return nil
}

// follow copies the log of a run, and notices its end.
func (r *rouse) follow(l *life, stderr io.Reader) {
	defer l.log.Close()
	lines := bufio.NewReader(stderr)
	for told := false; ; {
		line, err := lines.ReadBytes('\n')
		_, _ = l.log.Write(line)
		if !told && bytes.Contains(line, []byte(`"msg":"listening for clients"`)) {
			told = true
			close(l.ready)
		}
		if err != nil {
			break
		}
	}
	how := "exit status 0"
	if err := l.cmd.Wait(); err != nil {
		how = err.Error()
	}
	r.ended(l, how)
}

// ended accounts for the end of a run. One that nobody wanted is begun anew.
func (r *rouse) ended(l *life, how string) {
	r.mu.Lock()
	surprise := r.wanted && r.now == l
	if surprise {
		r.wanted = false
		r.deaths = append(r.deaths, death{time.Now(), how})
		r.vanished()
	}
	r.mu.Unlock()
	close(l.over)
	if surprise && isClosed(l.ready) { // else whoever starts it sees to it
		r.tell("rouse has ended by itself: " + how)
		go r.revive()
	}
}

// revive starts rouse again after a death.
func (r *rouse) revive() {
	r.turn.Lock()
	defer r.turn.Unlock()
	r.mu.Lock()
	running := r.wanted
	r.mu.Unlock()
	if running {
		return // somebody else has
	}
	time.Sleep(restartPause)
	if err := r.start(); err != nil {
		r.tell(err.Error())
	}
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// vanished and arrived keep the account of when nobody was there. vanished needs mu.
func (r *rouse) vanished() {
	if n := len(r.dead); n == 0 || !r.dead[n-1].end.IsZero() {
		r.dead = append(r.dead, span{begin: time.Now()})
	}
}

func (r *rouse) arrived() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.dead); n > 0 && r.dead[n-1].end.IsZero() {
		r.dead[n-1].end = time.Now()
	}
}

// pid returns the process, 0 if there is none.
func (r *rouse) pid() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now == nil || isClosed(r.now.over) {
		return 0
	}
	return r.now.cmd.Process.Pid
}

// settled waits until the run of now takes clients, or has ended.
func (r *rouse) settled(ctx context.Context) {
	r.mu.Lock()
	l := r.now
	r.mu.Unlock()
	if l == nil {
		return
	}
	select {
	case <-l.ready:
	case <-l.over:
	case <-ctx.Done():
	}
}

// signal sends a signal to the run of now.
func (r *rouse) signal(s syscall.Signal) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now == nil {
		return os.ErrProcessDone
	}
	return r.now.cmd.Process.Signal(s)
}

// kill ends it as a crash does.
func (r *rouse) kill() {
	over := r.unwant()
	_ = r.signal(syscall.SIGKILL)
	<-over
}

// end asks it to end, and waits.
func (r *rouse) end() error {
	over := r.unwant()
	_ = r.signal(syscall.SIGTERM)
	select {
	case <-over:
	case <-time.After(endPatience):
		_ = r.signal(syscall.SIGQUIT) // its log will say what it is at
		select {
		case <-over:
		case <-time.After(5 * time.Second):
			_ = r.signal(syscall.SIGKILL)
			<-over
		}
		return fmt.Errorf("rouse does not end within %v of SIGTERM", endPatience)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if state := r.now.cmd.ProcessState; state.ExitCode() != 0 {
		return fmt.Errorf("rouse ended after SIGTERM with %v", state)
	}
	return nil
}

// unwant says that the run of now is to end.
func (r *rouse) unwant() (over chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wanted = false
	r.vanished()
	return r.now.over
}
