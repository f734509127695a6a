//go:build unix

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A stage is where a rouse plays its life: real hooks that start and end a backend,
// and a journal that outlives every rouse. The hooks and the backend obey files:
// while hold-start, hold-stop, hold-boot or hold-down is there, the start hook, the
// stop hook, the booting or the ending backend waits; while hold-answer is there, the
// backend answers nobody.
type stage struct {
	testing.TB
	dir     string
	front   string         // the IP address to listen on, which no other test uses
	backend netip.AddrPort // where the backend will listen
}

const startHook = `#!/bin/sh
cd "$(dirname "$0")" || exit 1
echo "begin start $$" >>journal
env >environment
while [ -e hold-start ]; do sleep 0.02; done
if [ -e fail-start ]; then echo "end start $$" >>journal; echo "no room left"; exit 1; fi
if ! [ -e backend.pid ]; then
	backend </dev/null >>backend.log 2>&1 &
	echo $! >backend.pid
	echo $! >>backends
fi
echo "end start $$" >>journal
`

const stopHook = `#!/bin/sh
cd "$(dirname "$0")" || exit 1
echo "begin stop $$" >>journal
while [ -e hold-stop ]; do sleep 0.02; done
if [ -e fail-stop ]; then echo "end stop $$" >>journal; echo "it will not go"; exit 1; fi
if [ -e backend.pid ]; then
	pid=$(cat backend.pid)
	kill "$pid" 2>/dev/null
	while [ -e backend.pid ] && ! [ -e hold-down ] && kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
	[ -e hold-down ] || rm -f backend.pid
fi
echo "end stop $$" >>journal
`

func newStage(t testing.TB) *stage {
	t.Helper()
	s := &stage{TB: t, dir: t.TempDir(), front: loopback()}
	s.backend = freeAddress(t, loopback())
	write(t, s.dir, "start.sh", startHook)
	write(t, s.dir, "stop.sh", stopHook)
	t.Cleanup(s.clear)
	return s
}

// loopback returns an address of this machine, where the system has many one that
// nobody else uses.
func loopback() string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1"
	}
	return fmt.Sprintf("127.%d.%d.%d", 64+rand.N(128), rand.N(256), 1+rand.N(254))
}

// freeAddress returns an address at which nobody listens now.
func freeAddress(t testing.TB, ip string) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return netip.MustParseAddrPort(ln.Addr().String())
}

// clear lets all hooks go, waits for their end, and ends every backend.
func (s *stage) clear() {
	for _, what := range []string{"start", "stop", "boot", "down", "answer"} {
		s.release(what)
	}
	s.eventually("all hooks end", func() bool { return s.open() == 0 })
	for _, pid := range s.backends() {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			s.Error(err)
		}
	}
}

func (s *stage) path(name string) string { return filepath.Join(s.dir, name) }

func (s *stage) hold(what string) {
	s.Helper()
	if err := os.WriteFile(s.path("hold-"+what), nil, 0o600); err != nil {
		s.Fatal(err)
	}
}

func (s *stage) release(what string) {
	s.Helper()
	if err := os.Remove(s.path("hold-" + what)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.Error(err)
	}
}

// lines returns what stands in a file; none when there is no such file.
func (s *stage) lines(name string) []string {
	s.Helper()
	b, err := os.ReadFile(s.path(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.Fatal(err)
	}
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' })
}

// backends returns the process of every backend that was ever started.
func (s *stage) backends() []int {
	s.Helper()
	var pids []int
	for _, line := range s.lines("backends") {
		pid, err := strconv.Atoi(line)
		if err != nil || pid <= 1 {
			s.Fatalf("this is no process: %q", line)
		}
		pids = append(pids, pid)
	}
	return pids
}

// open is the number of hooks that have begun and not ended.
func (s *stage) open() int {
	n := 0
	for _, line := range s.lines("journal") {
		if strings.HasPrefix(line, "begin ") {
			n++
		} else {
			n--
		}
	}
	return n
}

// runs returns the hooks that were run, in order, and fails the test if two ran at a
// time.
func (s *stage) runs() string {
	s.Helper()
	var runs []string
	running := ""
	for _, line := range s.lines("journal") {
		verb, hook, _ := strings.Cut(line, " ") // hook: start 123
		switch {
		case verb == "begin" && running == "":
			running = hook
			event, _, _ := strings.Cut(hook, " ")
			runs = append(runs, event)
		case verb == "end" && running == hook:
			running = ""
		default:
			s.Fatalf("hooks overlap: %q", s.lines("journal"))
		}
	}
	return strings.Join(runs, " ")
}

// expectRuns checks which hooks were run, all of which have ended.
func (s *stage) expectRuns(want string) {
	s.Helper()
	if got := s.runs(); got != want || s.open() != 0 {
		s.Errorf("hooks: %q, %d of them still run; want %q", got, s.open(), want)
	}
}

// awaitRuns waits for the n-th begin of a hook in the journal.
func (s *stage) awaitRuns(hook string, n int) {
	s.Helper()
	s.eventually(fmt.Sprintf("%s hook number %d begins", hook, n), func() bool {
		return strings.Count(strings.Join(s.lines("journal"), "\n"), "begin "+hook) >= n
	})
}

// expectAsleep checks that nobody answers at the backend's address and that no
// backend is left; a backend that ended may take a moment to be gone.
func (s *stage) expectAsleep() {
	s.Helper()
	// The kernel may cut the connections of a process that ends a moment before it closes the port: rouse sees the one, and
	// for a millisecond the port still takes a connection.
	s.eventually("nobody answers at the backend's address", func() bool {
		conn, err := net.Dial("tcp", s.backend.String())
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	s.eventually("every backend has gone", func() bool {
		return !slices.ContainsFunc(s.backends(), lives)
	})
}

// lives reports whether a process runs; one that only waits for its parent to look
// does not.
func lives(pid int) bool {
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		_, after, _ := strings.Cut(string(stat), ") ")
		return !strings.HasPrefix(after, "Z")
	}
	return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

// eventually waits for something that other processes do and nobody tells.
func (s *stage) eventually(what string, happened func() bool) {
	s.Helper()
	for deadline := time.Now().Add(patience); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("waited for %v, and it never came: %s; journal %q", patience, what, s.lines("journal"))
		}
	}
}

// flags is the command line of a rouse on this stage, with some flags instead of
// others.
func (s *stage) flags(instead ...string) []string {
	return merge([]string{
		"--target-ip=" + s.backend.Addr().String(), "--target-port=" + strconv.Itoa(int(s.backend.Port())), "--target-name=web",
		"--hook-start-svc=./start.sh", "--hook-stop-svc=./stop.sh", "--hook-env=GORACE",
		"--proxy-ip=" + s.front, "--proxy-port=0", "--state-dir=state", "--cooldown-period=10m",
		"--log-level=debug",
	}, instead)
}
