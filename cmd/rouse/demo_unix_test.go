//go:build unix

package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// demoStarts lets the demos of the tests choose their ports one after the other.
var demoStarts sync.Mutex

// startDemo runs the demo with a folder for temporary files of its own, and waits until
// it listens. What it says is in the child's log.
func startDemo(t testing.TB, launch func(*stage, *exec.Cmd) *child, args ...string) (s *stage, demo *child, front string) {
	t.Helper()
	demoStarts.Lock()
	defer demoStarts.Unlock()
	s = &stage{TB: t, dir: t.TempDir()}
	cmd := command(t.Context(), s.dir, append([]string{"demo"}, args...)...)
	cmd.Env = append(cmd.Env, "TMPDIR="+s.dir)
	demo = launch(s, cmd)
	return s, demo, demo.said(s, demoFront)
}

var (
	demoLine   = regexp.MustCompile(`^ *\d+\.\ds  (\w+) +(.*)$`)
	demoFront  = regexp.MustCompile(`clients connect to +(127\.0\.0\.1:\d+)`)
	demoServes = regexp.MustCompile(`\(process (\d+)\)`)
)

// words returns the first word of each line that the demo tells.
func words(log []string) []string {
	var all []string
	for _, line := range log {
		if m := demoLine.FindStringSubmatch(line); m != nil {
			all = append(all, m[1])
		}
	}
	return all
}

// said waits until the demo has said something, and returns what.
func (c *child) said(s *stage, what *regexp.Regexp) string {
	c.Helper()
	var found []string
	s.eventually("the demo says "+what.String(), func() bool {
		found = what.FindStringSubmatch(strings.Join(c.log(), "\n"))
		return found != nil
	})
	return found[len(found)-1]
}

// expectNoTrace checks that the demo's folder is gone, and the process of its service.
func (s *stage) expectNoTrace(pid int) {
	s.Helper()
	if left, err := filepath.Glob(s.path("*")); err != nil || len(left) > 0 {
		s.Errorf("the demo leaves %v, %v", left, err)
	}
	if lives(pid) {
		s.Errorf("the demo's service, process %d, still runs", pid)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

func TestDemoPlaysTheWholeJob(t *testing.T) {
	t.Parallel()
	s, demo, _ := startDemo(t, (*stage).launchTold, "--play")
	pid, err := strconv.Atoi(demo.said(s, demoServes))
	if err != nil {
		t.Fatal(err)
	}
	if code := demo.wait(); code != exitDone {
		t.Errorf("it exits with %d", code)
	}
	told := words(demo.log())
	rest := told
	for _, word := range []string{"asleep", "client", "waking", "connected", "idle", "stopping", "asleep"} {
		i := slices.Index(rest, word)
		if i < 0 {
			t.Fatalf("%q does not follow in %q", word, told)
		}
		rest = rest[i+1:]
	}
	if slices.Contains(told, "failed") || len(rest) > 0 {
		t.Errorf("it tells %q", told)
	}
	log := strings.Join(demo.log(), "\n")
	for _, want := range []string{"Good morning!", "reads: you said: hello", "rouse --help"} {
		if !strings.Contains(log, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if strings.Contains(log, "\x1b") || strings.Contains(log, "\r") {
		t.Error("it writes for a terminal, and there is none")
	}
	s.expectNoTrace(pid)
}

func TestDemoInterruptedWhileItWakesEndsClean(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			s, demo, _ := startDemo(t, (*stage).launchTold, "--play")
			pid := s.servicePID()
			demo.signal(signal)
			if code := demo.wait(); code != exitDone {
				t.Errorf("it exits with %d", code)
			}
			if told := words(demo.log()); slices.Contains(told, "connected") {
				t.Errorf("this was not in mid-wake: %q", told)
			}
			s.expectNoTrace(pid)
		})
	}
}

// servicePID waits until the demo's service boots and returns its process.
func (s *stage) servicePID() int {
	s.Helper()
	var pid int
	s.eventually("the demo's service is started", func() bool {
		files, _ := filepath.Glob(s.path("rouse-demo-*/service.pid"))
		if len(files) != 1 {
			return false
		}
		b, _ := os.ReadFile(files[0])
		line, ended := strings.CutSuffix(string(b), "\n")
		pid, _ = strconv.Atoi(line)
		return ended && pid > 1
	})
	return pid
}

func TestDemoFindsAnotherPortAndSaysWhich(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:8000")
	if err == nil {
		t.Cleanup(func() { _ = ln.Close() })
	} // else somebody else has it, which is as good
	s, demo, front := startDemo(t, (*stage).launchTold)
	if port(front) == "8000" {
		t.Errorf("it says that it listens on %s, which is taken", front)
	}
	if ln, err := net.Listen("tcp", front); err == nil {
		t.Errorf("nobody listens at %s, where clients are sent", front)
		_ = ln.Close()
	}
	demo.signal(syscall.SIGINT)
	if code := demo.wait(); code != exitDone {
		t.Errorf("it exits with %d", code)
	}
	if left, err := filepath.Glob(s.path("*")); err != nil || len(left) > 0 {
		t.Errorf("the demo leaves %v, %v", left, err)
	}
}
