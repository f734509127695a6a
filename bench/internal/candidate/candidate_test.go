//go:build linux

package candidate

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

var place = Place{
	Dir: "/tmp/x", Limit: 20000,
	Listen: netip.MustParseAddrPort("127.0.0.20:1001"), Backend: netip.MustParseAddrPort("127.0.0.60:2002"),
}

// text is all that a command tells its program.
func text(c Command) string {
	var all strings.Builder
	all.WriteString(strings.Join(c.Args, "\n"))
	for _, file := range c.Files {
		all.WriteString("\n" + file)
	}
	return all.String()
}

func TestConfigurationsSayWhatTheTablesClaim(t *testing.T) {
	for name, c := range map[string]struct {
		build       func(string, Place) Command
		want, never []string
	}{
		"haproxy": {haproxy(""), []string{"mode tcp", "nbthread 2", "bind 127.0.0.20:1001", "server target 127.0.0.60:2002", "maxconn 9900"}, []string{"splice", "pipesize"}},
		"tuned":   {haproxy(spliced), []string{"option splice-request", "option splice-response", "tune.pipesize 1048576"}, nil},
		"retry":   {haproxy(retrying), []string{"retries 3000", "timeout connect 20ms"}, []string{"splice"}},
		"nginx": {nginx, []string{"listen 127.0.0.20:1001 reuseport", "proxy_pass 127.0.0.60:2002;", "proxy_half_close on;",
			"worker_processes 2;", "pid /tmp/x/nginx.pid;"}, []string{"user root"}},
		"socat":  {socat, []string{"TCP4-LISTEN:1001,bind=127.0.0.20,fork", "TCP4:127.0.0.60:2002"}, nil},
		"proxyd": {proxyd, []string{"--connections-max=20000", "127.0.0.60:2002"}, nil},
		"rouse": {func(path string, p Place) Command { return rouseCommand(path, p, []string{"--settle=0"}) },
			[]string{"--target-ip=127.0.0.60", "--target-port=2002", "--proxy-ip=127.0.0.20", "--proxy-port=1001",
				"--hook-start-svc=/tmp/x/nothing.sh", "--state-dir=/tmp/x/state", "--settle=0", "exit 0"}, nil},
	} {
		got := text(c.build("/bin/program", place))
		for _, part := range c.want {
			if !strings.Contains(got, part) {
				t.Errorf("%s: no %q in\n%s", name, part, got)
			}
		}
		for _, part := range c.never {
			if strings.Contains(got, part) {
				t.Errorf("%s: %q in\n%s", name, part, got)
			}
		}
	}
}

func TestEachCandidateHasItsName(t *testing.T) {
	var names []string
	for _, c := range append(All("/no/rouse"), Wakers("/no/rouse")...) {
		if c.About == "" || slices.Contains(names[:max(0, len(names)-3)], c.Name) && c.Name != "rouse" {
			t.Errorf("candidate %q: about %q", c.Name, c.About)
		}
		names = append(names, c.Name)
	}
	if err := (Candidate{Name: "direct"}).Missing(); err != nil {
		t.Errorf("the direct way is missing: %v", err)
	}
	if err := Rouse("rouse", "/no/rouse").Missing(); err == nil {
		t.Error("a program that is not there is not missed")
	}
}

// script runs a shell script as a candidate would run.
func script(t *testing.T, body string) *Process {
	t.Helper()
	p := place
	p.Dir = t.TempDir()
	c := Command{Path: "/bin/sh", Args: []string{filepath.Join(p.Dir, "it.sh")}, Files: map[string]string{"it.sh": body}}
	proc, err := Start(c, p, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proc.Stop)
	return proc
}

func TestStopEndsTheWholeGroup(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	p := script(t, "sleep 600 & echo $! >"+pidFile+".new; mv "+pidFile+".new "+pidFile+"; wait")
	var pid int
	err := p.Ready(func() error {
		text, err := os.ReadFile(pidFile)
		if err != nil {
			return err
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err
	}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	p.Stop()
	if p.Ended() == nil {
		t.Error("it is alive after Stop")
	}
	gone := func() error {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err == nil && !strings.Contains(string(stat), ") Z ") {
			return errors.New("alive")
		}
		return nil
	}
	for until := time.Now().Add(time.Minute); gone() != nil; {
		if time.Now().After(until) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatalf("its child %d lives", pid)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestACandidateThatEndsTellsWhy(t *testing.T) {
	p := script(t, "echo no such option; exit 1")
	err := p.Ready(func() error { return errors.New("refused") }, time.Minute)
	if err == nil || !strings.Contains(err.Error(), "no such option") {
		t.Errorf("Ready = %v", err)
	}
}
