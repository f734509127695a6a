//go:build unix

package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
)

// entryOf writes a stage as an entry below targets:.
func (s *stage) entryOf(name, more string) string {
	return fmt.Sprintf("  %s:\n    backend: %s\n    cooldown: 500ms\n    hooks: {start: %s, stop: %s, env: {GORACE: , SECRET: hunter2}}\n%s",
		name, s.backend, s.path("start.sh"), s.path("stop.sh"), more)
}

// startFile runs a rouse on the stage, as a file says, and waits until it listens.
func (s *stage) startFile(text string) *child {
	s.Helper()
	if err := os.WriteFile(s.path("rouse.yaml"), []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
	c := s.launch(command(s.Context(), s.dir, "run", "--config=rouse.yaml"))
	c.address()
	return c
}

// awaitTarget waits for a state of one target.
func (c *child) awaitTarget(name, state string) {
	c.Helper()
	c.await("state of "+name, func(e entry) bool { return e.Msg == "state changed" && e.Target == name && e.To == state })
}

// TestTargetsOfOneFileWakeAndStopByThemselves: two targets behind three listeners. The clients of one target count
// together, whichever listener they came by (C14), and not for the other.
func TestTargetsOfOneFileWakeAndStopByThemselves(t *testing.T) {
	t.Parallel()
	web, db := newStage(t), newStage(t)
	first, second, third := freeAddress(t, web.front), freeAddress(t, web.front), freeAddress(t, db.front)
	r := web.startFile("state-dir: state\nlog-level: debug\ntargets:\n" + web.entryOf("web", "") + db.entryOf("db", "") +
		fmt.Sprintf("listeners:\n- {listen: [%s, %s], target: web}\n- {listen: %s, target: db}\n", first, second, third))
	r.awaitTarget("web", "stopped")
	r.awaitTarget("db", "stopped")

	one, two := dialTo(t, first.String()), dialTo(t, second.String())
	one.ask("first")
	two.ask("second")
	web.expectRuns("start")
	db.expectRuns("")
	one.leave()

	// A whole life of the other target takes longer than the cooldown of the first.
	three := dialTo(t, third.String())
	three.ask("third")
	three.leave()
	r.awaitTarget("db", "stopping")
	r.awaitTarget("db", "stopped")
	db.expectRuns("start stop")
	db.expectAsleep()
	two.ask("still here")
	web.expectRuns("start")

	two.leave()
	r.awaitTarget("web", "stopping")
	r.awaitTarget("web", "stopped")
	web.expectRuns("start stop")
	web.expectAsleep()
	r.end()
	db.expectRuns("start stop")
	if env := strings.Join(web.lines("environment"), "\n"); !strings.Contains(env, "SECRET=hunter2") {
		t.Errorf("the hook has no secret: %q", env)
	}
	if said := strings.Join(r.log(), "\n"); strings.Contains(said, "hunter2") || strings.Contains(said, canary) {
		t.Errorf("a secret is logged:\n%s", said)
	}
}

// TestFlagsAndTheirFileAreOneRouse: who moves from flags to the file that init writes finds the state of before.
func TestFlagsAndTheirFileAreOneRouse(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	flags := []string{
		"--target-ip=" + s.backend.Addr().String(), fmt.Sprint("--target-port=", s.backend.Port()), "--hook-start-svc=./start.sh",
		"--hook-stop-svc=./stop.sh", "--hook-env=GORACE", "--proxy-ip=" + s.front, fmt.Sprint("--proxy-port=", freeAddress(t, s.front).Port()),
	}
	r := s.launch(command(t.Context(), s.dir, flags...))
	c := dialTo(t, r.address())
	c.ask("by flags")
	r.crash()

	if got := rouse(t, s.dir, append([]string{"init", "--output=rouse.yaml"}, flags...)...); got.code != exitDone {
		t.Fatalf("init says %s", oneLine(got.stderr))
	}
	r = s.launch(command(t.Context(), s.dir, "run")) // ./rouse.yaml
	c = dialTo(t, r.address())
	c.ask("by file")
	c.leave()
	r.end()
	s.expectRuns("start") // the target of before was adopted
	if taken := r.log(); strings.Contains(strings.Join(taken, "\n"), "no longer configured") {
		t.Errorf("the state of before is not known: %q", taken)
	}
}

// TestAProblemOnThisMachineIsToldOfAFile: what only shows when rouse starts has its place in the file.
func TestAProblemOnThisMachineIsToldOfAFile(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	taken, err := net.Listen("tcp", net.JoinHostPort(s.front, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	text := "state-dir: state\ntargets:\n" + s.entryOf("web", "") + fmt.Sprintf("listeners:\n- {listen: %s, target: web}\n", taken.Addr())
	write(t, s.dir, "rouse.yaml", text)
	got := rouse(t, s.dir, "run")
	if want := "another program listens there"; got.code != exitFailed || !strings.Contains(got.stderr, want) {
		t.Errorf("it exits with %d and says %s, want %q", got.code, oneLine(got.stderr), want)
	}
	if strings.Contains(got.stderr, "--") || !strings.Contains(got.stderr, "(listen)") {
		t.Errorf("it names a flag that rouse run does not have: %s", oneLine(got.stderr))
	}
	write(t, s.dir, "rouse.yaml", strings.Replace(text, s.path("stop.sh"), s.path("none.sh"), 1))
	for _, command := range []string{"run", "check"} {
		got := rouse(t, s.dir, command)
		if want := "rouse.yaml:6:"; got.code != exitUsage || !strings.Contains(got.stderr, want) || !strings.Contains(got.stderr, "does not exist\n") {
			t.Errorf("%s exits with %d and says %s, want %q", command, got.code, oneLine(got.stderr), want)
		}
	}
}

// TestAFileThatAnybodyMayReplaceIsRefused: it says which programs are run, as ./rouse.yaml does in whatever folder one is.
func TestAFileThatAnybodyMayReplaceIsRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	write(t, s.dir, "rouse.yaml", "state-dir: state\ntargets:\n"+s.entryOf("web", "")+"listeners:\n- {listen: 127.0.0.1:0, target: web}\n")
	open := s.path("open")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(s.path("rouse.yaml"), open+"/rouse.yaml"); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"run", "check"} {
		got := rouse(t, open, command)
		if want := "can be replaced by anyone"; got.code != exitUsage || !strings.Contains(got.stderr, want) {
			t.Errorf("%s exits with %d and says %s, want %q", command, got.code, oneLine(got.stderr), want)
		}
	}
}
