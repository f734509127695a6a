//go:build unix

package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/fakecloud"
	"github.com/rouse-proxy/rouse/internal/fakecloud/remote"
	"github.com/rouse-proxy/rouse/internal/trace"
)

const (
	cooldown = 300 * time.Millisecond
	patience = 60 * time.Second // with what nobody tells us; a shared machine may be slow
	machine  = "web"
)

// A stage has a cloud with one machine, and a rouse before it that is started again whenever it dies.
type stage struct {
	t      *testing.T
	dir    string
	cloud  *fakecloud.Cloud
	target string // where the machine is before its first start
	front  string // where clients connect
	status bool   // there is a status hook
	plan   string // what ROUSE_FAILPOINT says

	mu     sync.Mutex // guards the fields below
	cmd    *exec.Cmd  // the rouse that runs
	over   bool       // it is not started again
	deaths int
	ended  chan struct{} // closed when none runs any more
}

// open begins a life in which the plan is to happen; an empty one is none.
func open(t *testing.T, plan string, status bool) *stage {
	t.Helper()
	s := &stage{t: t, dir: t.TempDir(), plan: plan, status: status, ended: make(chan struct{})}
	s.openCloud()
	s.hook("start.sh")
	s.hook("stop.sh")
	s.hook("status.sh")
	s.front = freeAddress(t)
	go s.keepUp()
	t.Cleanup(s.close)
	return s
}

func (s *stage) openCloud() {
	s.cloud = fakecloud.New(fakecloud.Options{Listen: func(a string) (net.Listener, error) { return net.Listen("tcp", a) }})
	s.t.Cleanup(s.cloud.Close)
	s.target = freeAddress(s.t)
	err := s.cloud.Add(fakecloud.Plan{
		Name: machine, Address: s.target, Moves: true, Boot: 60 * time.Millisecond, Late: 30 * time.Millisecond,
		Halt: 60 * time.Millisecond, Allowance: cooldown,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	ln, err := net.Listen("unix", s.path("cloud"))
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- remote.Serve(ctx, s.cloud, ln) }()
	s.t.Cleanup(func() { cancel(); <-served })
}

// freeAddress is on a loopback address that nobody else uses.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 64+rand.N(128), rand.N(256), 1+rand.N(200)))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func (s *stage) path(name string) string { return filepath.Join(s.dir, name) }

func (s *stage) hook(name string) {
	text := fmt.Sprintf("#!/bin/sh\nexec %s hook --socket %s --poll 5ms %s\n", cloudHook, s.path("cloud"), machine)
	if err := os.WriteFile(s.path(name), []byte(text), 0o700); err != nil {
		s.t.Fatal(err)
	}
}

// keepUp runs rouse, and runs it again as a service manager would, until the life is over. The plan is for all of them,
// and happens once.
func (s *stage) keepUp() {
	defer close(s.ended)
	for s.begin() {
		_ = s.cmd.Wait() // how it ended is in the log and in the trace
		s.mu.Lock()
		s.deaths++
		s.mu.Unlock()
	}
}

// begin starts a rouse, unless the life is over.
func (s *stage) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	ip, port, _ := net.SplitHostPort(s.target)
	frontIP, frontPort, _ := net.SplitHostPort(s.front)
	args := []string{
		"--target-ip=" + ip, "--target-port=" + port, "--target-name=" + machine, "--hook-start-svc=./start.sh", "--hook-stop-svc=./stop.sh",
		"--proxy-ip=" + frontIP, "--proxy-port=" + frontPort, "--cooldown-period=" + cooldown.String(), "--settle=0",
		"--state-dir=state", "--trace=trace.jsonl", "--log-level=debug", "--log-format=json",
	}
	if s.status {
		args = append(args, "--hook-status=./status.sh")
	}
	log, err := os.OpenFile(s.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Error(err)
		return false
	}
	defer log.Close()
	s.cmd = exec.Command(rouse, args...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr, s.cmd.SysProcAttr = s.dir, log, log, tied()
	s.cmd.Env = append(os.Environ(), "ROUSE_FAILPOINT="+s.plan, "ROUSE_FAILPOINT_ONCE="+s.path("happened"), "ROUSE_FAILPOINT_LOG="+s.path("points"))
	if err := s.cmd.Start(); err != nil {
		s.t.Error(err)
		return false
	}
	return true
}

// close ends the rouse that runs, by its process.
func (s *stage) close() {
	s.mu.Lock()
	s.over = true
	cmd := s.cmd
	s.mu.Unlock()
	if cmd != nil {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	}
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.t.Errorf("rouse does not end")
		_ = cmd.Process.Kill()
		<-s.ended
	}
	if s.t.Failed() {
		s.show("log")
		s.show("trace.jsonl")
	}
}

func (s *stage) show(name string) {
	b, err := os.ReadFile(s.path(name))
	s.t.Logf("%s: %v\n%s", name, err, b)
}

// happened says whether the plan has come about.
func (s *stage) happened() bool {
	_, err := os.Stat(s.path("happened"))
	return err == nil
}

// points is how often each failpoint was passed.
func (s *stage) points() map[string]int {
	b, err := os.ReadFile(s.path("points"))
	if err != nil {
		s.t.Fatal(err)
	}
	counts := map[string]int{}
	for name := range strings.FieldsSeq(string(b)) {
		counts[name]++
	}
	return counts
}

// told is the newest state that the trace tells.
func (s *stage) told() string {
	b, err := os.ReadFile(s.path("trace.jsonl"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Fatal(err)
	}
	state := ""
	for line := range bytes.Lines(b) {
		var l trace.Line
		switch {
		case json.Unmarshal(line, &l) != nil:
		case l.Kind == "rouse began":
			state = "unknown"
		case l.Kind == "state changed":
			state = l.To
		}
	}
	return state
}

// await waits for what nobody tells.
func (s *stage) await(what string, happened func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); !happened(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited for %v, and it never came: %s", patience, what)
		}
	}
}

// in says whether the machine is in a state.
func (s *stage) in(state fakecloud.State) bool {
	d, err := s.cloud.Describe(context.Background(), machine)
	return err == nil && d.State == state
}

// asleep waits until the machine is off and rouse knows it.
func (s *stage) asleep() {
	s.t.Helper()
	s.await("the machine is off, and rouse knows it", func() bool { return s.in(fakecloud.Stopped) && s.told() == "stopped" })
}

// judge ends the life and holds it against the promises.
func (s *stage) judge() {
	s.t.Helper()
	s.asleep()
	s.close()
	r, err := s.cloud.Read(context.Background(), machine)
	switch {
	case err != nil:
		s.t.Fatal(err)
	case r.State != fakecloud.Stopped, r.Stranded, r.Overlaps+r.UnderClient > 0, r.StrangerBytes > 0, r.Wanted > 0, len(r.Problems) > 0:
		s.t.Errorf("the judge says: %+v", r)
	}
	report, err := trace.CheckFiles([]string{s.path("trace.jsonl")}, trace.CheckOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	if !report.OK() {
		var b strings.Builder
		_ = report.Write(&b)
		s.t.Errorf("the trace:\n%s", b.String())
	}
}

// A client tries again as people do, until it has been served once.
type client struct {
	net.Conn
	done func()
}

// visit connects and asks until it is answered, and returns the connection.
func (s *stage) visit(who string) client {
	s.t.Helper()
	done, err := s.cloud.Need(machine, who)
	if err != nil {
		s.t.Fatal(err)
	}
	var last error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", s.front)
		if err != nil {
			last = err
			continue
		}
		_ = conn.SetDeadline(deadline)
		if last = ask(conn, who); last == nil {
			return client{conn, done}
		}
		if !s.mayEnd(last) {
			s.t.Fatalf("client %s: %v", who, last)
		}
		_ = conn.Close()
	}
	s.t.Fatalf("client %s was never served: %v", who, last)
	return client{}
}

// mayEnd says whether that is how a client may end that is not served: with a reset. When rouse itself is killed the
// kernel ends its connections, and may do so cleanly.
func (s *stage) mayEnd(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, io.EOF) && strings.Contains(s.plan, "=kill") && s.happened()
}

// ask sends a word and expects it back.
func ask(conn net.Conn, word string) error {
	if _, err := io.WriteString(conn, word); err != nil {
		return err
	}
	got := make([]byte, len(word))
	if _, err := io.ReadFull(conn, got); err != nil {
		return err
	}
	if string(got) != word {
		return fmt.Errorf("answered %q instead of %q", got, word)
	}
	return nil
}

func (c client) leave() { _ = c.Close(); c.done() }
