//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// An entry is one line of rouse's log.
type entry struct {
	Time                                                                       time.Time
	Level, Msg, Target, Address, From, To, Cause, Operation, Client, Err, Line string
	Clients                                                                    int
}

// A child is a rouse that runs, and what it has said.
type child struct {
	testing.TB
	cmd  *exec.Cmd
	long time.Duration // how long a line of its log may take
	done chan struct{} // closed once it has ended and everything it said is here

	mu    sync.Mutex // guards the fields below
	raw   []string   // what it has said, by line
	fresh chan struct{}
	read  map[string]int // per kind of wait: how many lines were looked at
}

// start runs a rouse on the stage and waits until it listens.
func (s *stage) start(instead ...string) *child {
	s.Helper()
	c := s.launch(command(s.Context(), s.dir, s.flags(instead...)...))
	c.address()
	return c
}

// launch starts a rouse, whose log is what it writes to stderr.
func (s *stage) launch(cmd *exec.Cmd) *child {
	s.Helper()
	stderr, err := cmd.StderrPipe()
	if err != nil {
		s.Fatal(err)
	}
	return s.begin(cmd, stderr)
}

// launchTold starts a rouse, whose log is what it writes to stdout and stderr.
func (s *stage) launchTold(cmd *exec.Cmd) *child {
	s.Helper()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		s.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	return s.begin(cmd, stdout)
}

// begin starts a child that says things in out.
func (s *stage) begin(cmd *exec.Cmd, out io.Reader) *child {
	s.Helper()
	c := &child{TB: s.TB, cmd: cmd, long: patience, done: make(chan struct{}), fresh: make(chan struct{}), read: map[string]int{}}
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(c.clear)
	go c.listen(out)
	return c
}

// listen collects what the child says until it ends.
func (c *child) listen(out io.Reader) {
	defer close(c.done)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		c.mu.Lock()
		c.raw = append(c.raw, lines.Text())
		close(c.fresh)
		c.fresh = make(chan struct{})
		c.mu.Unlock()
	}
	_ = c.cmd.Wait() // the code is looked at by those who want to know
}

// clear ends the child if the test has not, and shows its log if the test failed.
func (c *child) clear() {
	_ = c.cmd.Process.Kill() // it may have ended
	<-c.done
	if c.Failed() {
		c.Logf("log of process %d:\n%s", c.cmd.Process.Pid, strings.Join(c.log(), "\n"))
	}
}

// log returns what the child has said so far.
func (c *child) log() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.raw)
}

// await waits for a log line, from the last one on that the same kind of wait has found.
func (c *child) await(kind string, match func(entry) bool) entry {
	c.Helper()
	timeout := time.After(c.long)
	for ended := false; ; {
		c.mu.Lock()
		fresh := c.fresh
		for c.read[kind] < len(c.raw) {
			var e entry
			line := c.raw[c.read[kind]]
			c.read[kind]++
			if json.Unmarshal([]byte(line), &e) == nil && match(e) {
				c.mu.Unlock()
				return e
			}
		}
		c.mu.Unlock()
		if ended {
			c.Fatalf("rouse has ended, and never said: %s", kind)
		}
		select {
		case <-fresh:
		case <-c.done:
			ended = true
		case <-timeout:
			c.Fatalf("waited for %v, and it never said: %s", c.long, kind)
		}
	}
}

// awaitMsg waits for the next line with the message.
func (c *child) awaitMsg(msg string) entry {
	c.Helper()
	return c.await("message "+msg, func(e entry) bool { return e.Msg == msg })
}

// awaitState waits until the target enters the state. Calls look at the log in order:
// what an earlier call passed by is not found again.
func (c *child) awaitState(state string) entry {
	c.Helper()
	return c.await("state", func(e entry) bool { return e.Msg == "state changed" && e.To == state })
}

// address returns where the child listens.
func (c *child) address() string {
	c.Helper()
	at := ""
	for _, line := range c.log() {
		var e entry
		if json.Unmarshal([]byte(line), &e) == nil && e.Msg == "listening for clients" {
			at = e.Address
		}
	}
	if at == "" {
		at = c.awaitMsg("listening for clients").Address
	}
	return at
}

// signal sends the child a signal.
func (c *child) signal(s os.Signal) {
	c.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.Fatal(err)
	}
}

// wait waits for the child's end and returns its exit code; -1 means that a signal ended it.
func (c *child) wait() int {
	c.Helper()
	select {
	case <-c.done:
		return c.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		c.Fatalf("it has not ended after %v", patience)
		return 0
	}
}

// end ends the child as a service manager does and checks that it ends well.
func (c *child) end() {
	c.Helper()
	c.signal(syscall.SIGTERM)
	if code := c.wait(); code != exitDone {
		c.Errorf("it exits with %d, want %d", code, exitDone)
	}
}

// crash ends the child in the middle of whatever it does.
func (c *child) crash() {
	c.Helper()
	c.signal(syscall.SIGKILL)
	c.wait()
}

// A client talks to the backend through rouse.
type client struct {
	testing.TB
	*net.TCPConn
	lines *bufio.Reader
}

// dial connects a client to the child.
func (c *child) dial() *client {
	c.Helper()
	return dialTo(c.TB, c.address())
}

func dialTo(t testing.TB, address string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, conn.(*net.TCPConn), 2*patience)
}

// newClient makes a client of a connection, for no longer than life.
func newClient(t testing.TB, conn *net.TCPConn, life time.Duration) *client {
	t.Helper()
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(life)); err != nil {
		t.Fatal(err)
	}
	return &client{t, conn, bufio.NewReader(conn)}
}

// say sends a line; it does not wait for the answer.
func (c *client) say(word string) {
	c.Helper()
	if _, err := io.WriteString(c, word+"\n"); err != nil {
		c.Fatal(err)
	}
}

// hear waits for the answer to what was said.
func (c *client) hear(word string) {
	c.Helper()
	if line, err := c.lines.ReadString('\n'); err != nil || line != "echo "+word+"\n" {
		c.Fatalf("the answer to %q is %q, %v", word, line, err)
	}
}

// ask says something and waits for the answer.
func (c *client) ask(word string) {
	c.Helper()
	c.say(word)
	c.hear(word)
}

// leave ends the client.
func (c *client) leave() {
	c.Helper()
	if err := c.Close(); err != nil {
		c.Error(err)
	}
}

// expectReset checks that rouse cuts the client, which must not look like a clean end.
func (c *client) expectReset() {
	c.Helper()
	if b, err := c.lines.ReadByte(); !errors.Is(err, syscall.ECONNRESET) {
		c.Errorf("the client reads %q, %v; want a reset", b, err)
	}
}
