//go:build linux

package gates

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take on a busy machine.
const patience = time.Minute

var program string // the rouse under test

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "rouse-gates-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "rouse")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/rouse").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building rouse: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// need skips the test unless the programs are there, each followed by its Debian package.
func need(t *testing.T, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if _, err := exec.LookPath(pairs[i]); err != nil && !exists("/usr/sbin/"+pairs[i]) {
			t.Skipf("there is no %s: install Debian's package %s", pairs[i], pairs[i+1])
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// A lab is a folder with a rouse that runs in it.
type lab struct {
	t   *testing.T
	dir string
	pid int
	out *log
}

// log is what a program says. It keeps the end of it, and counts.
type log struct {
	mu    sync.Mutex
	text  bytes.Buffer
	lines int
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines += bytes.Count(b, []byte("\n"))
	if l.text.Len() < 1<<20 {
		l.text.Write(b)
	}
	return len(b), nil
}

func (l *log) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newLab(t *testing.T) *lab {
	t.Helper()
	return &lab{t: t, dir: t.TempDir(), out: &log{}}
}

// target writes hooks that keep a file while the target is awake, and returns what a config says of it.
func (l *lab) target(name, backend, more string) string {
	l.t.Helper()
	file := filepath.Join(l.dir, name)
	for hook, text := range map[string]string{
		"start": "echo start " + name + " >>" + l.dir + "/hooks; : >" + file, "stop": "echo stop " + name + " >>" + l.dir + "/hooks; rm -f " + file, "status": "test -e " + file + " || exit 3",
	} {
		if err := os.WriteFile(file+"-"+hook, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
			l.t.Fatal(err)
		}
	}
	return fmt.Sprintf("  %s:\n    backend: %s\n    hooks: {start: %s-start, stop: %s-stop, status: %s-status}\n    recheck: 0\n%s", name, backend, file, file, file, more)
}

// starts is how often hooks have started a target.
func (l *lab) starts() int {
	text, _ := os.ReadFile(filepath.Join(l.dir, "hooks")) // none: none has run
	return strings.Count(string(text), "start ")
}

// run starts a program, which is ended with the test.
func (l *lab) run(out io.Writer, argv ...string) *exec.Cmd {
	l.t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = l.dir, out, out
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	l.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			<-ended
			l.t.Errorf("%s does not end", argv[0])
		}
	})
	return cmd
}

// rouse runs it with a config, and waits until it takes clients at a port.
func (l *lab) rouse(port string, config string) {
	l.t.Helper()
	file := filepath.Join(l.dir, "rouse.yaml")
	if err := os.WriteFile(file, []byte("state-dir: "+l.dir+"/state\n"+config), 0o600); err != nil {
		l.t.Fatal(err)
	}
	if out, err := exec.Command(program, "check", "--config="+file).CombinedOutput(); err != nil {
		l.t.Fatalf("%v\n%s", err, out)
	}
	l.pid = l.run(l.out, program, "run", "--config="+file).Process.Pid
	l.t.Cleanup(func() {
		if l.t.Failed() {
			l.t.Logf("rouse's log:\n%.20000s", l.out)
		}
	})
	l.await("rouse listens", func() bool { return strings.Contains(l.out.String(), ":"+port+`"`) })
}

func (l *lab) await(what string, done func() bool) {
	l.t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatalf("waited %v until %s", patience, what)
		}
	}
}

// port finds one where nobody listens.
func port(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
}

// listens waits until somebody does.
func (l *lab) listens(port string) {
	l.t.Helper()
	l.await("a server listens", func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

// try runs a program to its end, within a time.
func (l *lab) try(stdin string, argv ...string) (string, error) {
	cmd := exec.Command("timeout", append([]string{"30"}, argv...)...)
	cmd.Dir, cmd.Stdin = l.dir, strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (l *lab) want(want string, argv ...string) {
	l.t.Helper()
	if out, err := l.try("", argv...); err != nil || !strings.Contains(out, want) {
		l.t.Errorf("%s: %v\n%s\nwant %q", strings.Join(argv, " "), err, out, want)
	}
}

func (l *lab) fails(argv ...string) {
	l.t.Helper()
	if out, err := l.try("", argv...); err == nil {
		l.t.Errorf("%s has not failed:\n%s", strings.Join(argv, " "), out)
	}
}

// web is a server that says its name and the path, at a port of its own.
func (l *lab) web(name string) (address string) {
	l.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = ln.Close() })
	go serve(ln, name)
	return ln.Addr().String()
}
