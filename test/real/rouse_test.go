//go:build linux

package real

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A setup says how rouse is to be run.
type setup struct {
	hooks    string   // folder with start.sh, stop.sh and perhaps status.sh
	dir      string   // folder of the target: DIR of its hooks
	state    string   // folder of rouse's state; dir/state when empty
	port     string   // of the target
	flags    []string // beside those for the above
	adopting bool     // the target may run already
}

// A proxy is a rouse that runs.
type proxy struct {
	*journal
	port    string // for clients, on 127.0.0.1
	backend string // address of the target
	dir     string // the target's folder
	cmd     *exec.Cmd
	ended   chan error // of the process, capacity 1
}

// start runs rouse until the test ends, and returns once it takes clients and, unless it
// is adopting, knows that the target is asleep.
func start(t *testing.T, s setup) *proxy {
	t.Helper()
	hooks, err := filepath.Abs(s.hooks)
	if err != nil {
		t.Fatal(err)
	}
	if s.state == "" {
		s.state = filepath.Join(s.dir, "state")
	}
	p := &proxy{journal: newJournal(), backend: "127.0.0.1:" + s.port, dir: s.dir, ended: make(chan error, 1)}
	p.cmd = exec.Command(rouse, append([]string{
		"--target-name=real", "--target-ip=127.0.0.1", "--target-port=" + s.port, "--proxy-ip=127.0.0.1", "--proxy-port=0",
		"--hook-start-svc=" + filepath.Join(hooks, "start.sh"), "--hook-stop-svc=" + filepath.Join(hooks, "stop.sh"),
		"--hook-env=DIR=" + s.dir, "--state-dir=" + s.state, "--log-format=json", "--log-level=debug",
	}, s.flags...)...)
	if status := filepath.Join(hooks, "status.sh"); fileExists(status) {
		p.cmd.Args = append(p.cmd.Args, "--hook-status="+status)
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.follow(stderr)
	t.Cleanup(func() { p.end(t) })
	at := p.await(t, 0, "listening for clients")
	_, p.port, err = net.SplitHostPort(p.attr(at-1, "address"))
	if err != nil {
		t.Fatal(err)
	}
	if !s.adopting {
		p.await(t, 0, "state changed", "to", "stopped")
		p.wantAsleep(t)
	}
	return p
}

// follow reads the log until rouse has ended.
func (p *proxy) follow(stderr io.Reader) {
	p.read(stderr)
	p.ended <- p.cmd.Wait()
}

// end asks rouse to end, which it must do without an error. A rouse that was killed is
// no matter.
func (p *proxy) end(t *testing.T) {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err == nil {
		select {
		case err := <-p.ended:
			if err != nil {
				t.Errorf("rouse ended with %v", err)
			}
		case <-time.After(patience):
			t.Error("rouse does not end")
			_ = p.cmd.Process.Kill()
			<-p.ended
		}
	}
	if t.Failed() {
		t.Logf("rouse's log:\n%s", p.text())
	}
}

// kill ends rouse at once, as a crash does.
func (p *proxy) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.ended
}

// wantAsleep checks that nobody listens at the target's address.
func (p *proxy) wantAsleep(t *testing.T) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", p.backend, patience)
	if err == nil {
		conn.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("connecting to the sleeping target at %s: %v, want refused", p.backend, err)
	}
}

// wantStopped waits until rouse has stopped the target, then checks that every process of
// its server is gone and that nobody listens.
func (p *proxy) wantStopped(t *testing.T, from int) (at int) {
	t.Helper()
	at = p.await(t, from, "operation ended", "operation", "stop")
	at = p.await(t, at, "state changed", "to", "stopped")
	for _, pid := range pids(t, p.dir) {
		// It may still be on its last steps: it has given up its memory, where the hook looks, before it is a zombie.
		eventually(t, fmt.Sprintf("process %d of the target that was stopped is gone", pid), func() bool { return !alive(pid) })
	}
	p.wantAsleep(t)
	return at
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// A journal is rouse's log, as far as it has been read.
type journal struct {
	mu    sync.Mutex // guards the fields below
	lines []map[string]any
	raw   []string
	grown chan struct{} // closed and replaced when there is more
	over  bool          // there will be no more
}

func newJournal() *journal { return &journal{grown: make(chan struct{})} }

func (j *journal) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var attrs map[string]any
		decoder := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		decoder.UseNumber()
		_ = decoder.Decode(&attrs) // a line that is not JSON has no attributes
		j.append(lines.Text(), attrs, false)
	}
	j.append("(end of the log)", nil, true)
}

func (j *journal) append(raw string, attrs map[string]any, over bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.raw, j.lines, j.over = append(j.raw, raw), append(j.lines, attrs), over
	close(j.grown)
	j.grown = make(chan struct{})
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.raw, "\n")
}

// now is the place in the log behind all that has been read.
func (j *journal) now() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.lines)
}

// attr is an attribute of the line at a place.
func (j *journal) attr(at int, name string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return fmt.Sprint(j.lines[at][name])
}

// find returns the place behind the first line from a place on that has this message
// and these attributes, given as names and values; or false, and what to wait for.
func (j *journal) find(from int, msg string, attrs ...string) (at int, found, over bool, grown <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := from; i < len(j.lines); i++ {
		if matches(j.lines[i], msg, attrs) {
			return i + 1, true, j.over, nil
		}
	}
	return 0, false, j.over, j.grown
}

func matches(line map[string]any, msg string, attrs []string) bool {
	if line["msg"] != msg {
		return false
	}
	for i := 0; i < len(attrs); i += 2 {
		if fmt.Sprint(line[attrs[i]]) != attrs[i+1] {
			return false
		}
	}
	return true
}

// count says how many lines from one place to another have this message and these
// attributes.
func (j *journal) count(from, to int, msg string, attrs ...string) (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, line := range j.lines[from:to] {
		if matches(line, msg, attrs) {
			n++
		}
	}
	return n
}

// await waits for such a line, and returns the place behind it.
func (j *journal) await(t *testing.T, from int, msg string, attrs ...string) int {
	t.Helper()
	return j.awaitFor(t, patience, from, msg, attrs...)
}

func (j *journal) awaitFor(t *testing.T, limit time.Duration, from int, msg string, attrs ...string) int {
	t.Helper()
	late := time.After(limit)
	for {
		at, found, over, grown := j.find(from, msg, attrs...)
		if found {
			return at
		}
		if over {
			t.Fatalf("rouse has ended and its log does not say %q %q", msg, attrs)
		}
		select {
		case <-grown:
		case <-late:
			t.Fatalf("waited %v for rouse's log to say %q %q", limit, msg, attrs)
		}
	}
}
