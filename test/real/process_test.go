//go:build linux

package real

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take on a busy machine.
const patience = time.Minute

// need skips the test unless every program is there; programs are followed by their
// Debian package.
func need(t *testing.T, programsAndPackages ...string) {
	t.Helper()
	for i := 0; i < len(programsAndPackages); i += 2 {
		program, pkg := programsAndPackages[i], programsAndPackages[i+1]
		found, err := filepath.Glob(program) // finds absolute paths only
		if _, lookErr := exec.LookPath(program); lookErr != nil && (err != nil || len(found) == 0) {
			t.Skipf("there is no %s: install Debian's package %s", program, pkg)
		}
	}
}

// newDir returns a folder for one test, with a short path that every user may pass
// through. When the test ends no process may be left in it.
func newDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(root, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, p := range processesIn(dir) {
			if !t.Failed() {
				t.Errorf("still there at the end of the test: %v", p)
			}
			p.end()
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// A process is one of ours: it works in a folder of a test, or was given one.
type process struct {
	pid  int
	args string
}

func (p process) String() string { return fmt.Sprintf("process %d: %s", p.pid, p.args) }

func (p process) end() { _ = syscall.Kill(p.pid, syscall.SIGKILL) }

// processesIn finds the living processes whose arguments name dir or that work in it.
func processesIn(dir string) (found []process) {
	entries, _ := filepath.Glob("/proc/[0-9]*")
	for _, entry := range entries {
		pid, err := strconv.Atoi(filepath.Base(entry))
		if err != nil || pid == os.Getpid() || !alive(pid) {
			continue
		}
		args, _ := os.ReadFile(filepath.Join(entry, "cmdline"))
		cwd, _ := os.Readlink(filepath.Join(entry, "cwd"))
		if bytes.Contains(args, []byte(dir)) || strings.HasPrefix(cwd+"/", dir+"/") {
			found = append(found, process{pid, string(bytes.ReplaceAll(args, []byte{0}, []byte{' '}))})
		}
	}
	return found
}

// alive says whether a process runs. A zombie has ended, and waits for its parent only.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat[max(0, bytes.LastIndexByte(stat, ')')):]), " ")
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

// pids are those of all servers that the start hook has started in dir.
func pids(t *testing.T, dir string) (all []int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "pids"))
	if err != nil {
		t.Fatal(err)
	}
	for word := range strings.FieldsSeq(string(text)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, pid)
	}
	return all
}

// wantAlive returns the pid of the newest server, which must run.
func wantAlive(t *testing.T, dir string) int {
	t.Helper()
	all := pids(t, dir)
	pid := all[len(all)-1]
	if !alive(pid) {
		t.Fatalf("the server's process %d is gone", pid)
	}
	return pid
}

// eventually waits for a condition that only another process brings about.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v until %s", patience, what)
		}
	}
}

// run executes a program to its end. It must succeed.
func run(t *testing.T, cmd *exec.Cmd) (stdout, stderr string) {
	t.Helper()
	var out, problems bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &out
	}
	cmd.Stderr = &problems
	cmd.WaitDelay = patience
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, out.String(), problems.String())
	}
	return out.String(), problems.String()
}

// command prepares a program that is ended with the test, or when it takes too long.
func command(t *testing.T, stdin io.Reader, argv ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin = stdin
	return cmd
}

// script prepares a script of testdata with the folder that it works in.
func script(t *testing.T, dir, name string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := command(t, nil, filepath.Join("testdata", name))
	cmd.Env = append(os.Environ(), append(env, "DIR="+dir)...)
	return cmd
}

// freePort finds a port where nobody listens, and that the system does not give to
// outgoing connections.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(20000 + rand.IntN(12000))
		if ln, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			ln.Close()
			return port
		}
	}
	t.Fatal("found no free port")
	return ""
}

// pipes starts a program that is spoken with, and ends it with the test.
func pipes(t *testing.T, cmd *exec.Cmd) (in io.WriteCloser, out io.Reader) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if out, err = cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // whoever cares has waited already
	})
	return in, out
}
