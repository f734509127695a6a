package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFrozenRouseSeesItsClientsFirst stops the process for longer than the cooldown. A client connects meanwhile: the kernel
// takes it, and rouse cannot know. After the thaw the cooldown is over, and the client is there (R15, F3).
func TestFrozenRouseSeesItsClientsFirst(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	r := s.start("--cooldown-period=1s")
	c := r.dial()
	c.ask("hello")
	for range 3 {
		c.leave()
		r.awaitMsg("cooldown begins")
		r.signal(syscall.SIGSTOP)
		time.Sleep(time.Second) // the freeze itself, not a wait for something to happen
		c = r.dial()
		c.say("anybody there?")
		time.Sleep(1500 * time.Millisecond)
		r.signal(syscall.SIGCONT)
		c.hear("anybody there?")
		s.expectRuns("start")
	}
	c.leave()
	s.finish(r, "start stop")
}

// TestForksThatAreRefusedHealByThemselves: no more processes are to be had when a client wakes the target, and again when
// it is to be stopped. Nothing is lost but time.
func TestForksThatAreRefusedHealByThemselves(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can run rouse as a user who has no other processes, whose number could then be limited")
	}
	if _, err := exec.LookPath("prlimit"); err != nil {
		t.Skip("there is no prlimit here")
	}
	t.Parallel()
	s := newStage(t)
	s.giveAway()
	cmd := command(t.Context(), s.dir, s.flags("--cooldown-period=300ms")...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: loner}
	r := s.launch(cmd)
	r.awaitState("stopped")

	s.limitProcesses(r, 1) // it has more already
	c := r.dial()
	c.say("hello")
	var crowd []*client // which keeps it busy on as many threads as it has
	for range 100 {
		crowd = append(crowd, r.dial())
	}
	for range 3 {
		r.awaitMsg("will try again")
	}
	s.expectRuns("")
	s.limitProcesses(r, 1000)
	c.hear("hello")
	for _, one := range crowd {
		one.ask("me too")
		one.leave()
	}

	s.limitProcesses(r, 1)
	c.leave()
	r.awaitState("stopping")
	r.awaitMsg("will try again")
	s.expectRuns("start")
	s.limitProcesses(r, 1000)
	r.awaitState("stopped")
	s.expectRuns("start stop")
	s.expectAsleep()
	r.end()
}

// loner is a user who has no processes.
var loner = &syscall.Credential{Uid: 54793, Gid: 54793}

// giveAway makes the stage loner's, and the programs of the tests everybody's.
func (s *stage) giveAway() {
	s.Helper()
	do := func(err error) {
		s.Helper()
		if err != nil {
			s.Fatal(err)
		}
	}
	rouse, err := exec.LookPath("rouse")
	do(err)
	for _, path := range []string{rouse, s.dir} {
		for dir := filepath.Dir(path); len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
			do(os.Chmod(dir, 0o755))
		}
	}
	do(filepath.WalkDir(s.dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, int(loner.Uid), int(loner.Gid))
	}))
}

// limitProcesses limits how many the child's user may have, as far as the child is asked.
func (s *stage) limitProcesses(c *child, n int) {
	s.Helper()
	cmd := exec.CommandContext(s.Context(), "prlimit", "--pid="+strconv.Itoa(c.cmd.Process.Pid), "--nproc="+strconv.Itoa(n)+":")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: loner} // who may change the limits of their own
	if out, err := cmd.CombinedOutput(); err != nil {
		s.Fatalf("%v: %s", err, out)
	}
}

// TestFullDiskCostsNoClient: nothing can be written to the state directory. Rouse says so and serves, stops what it has
// started, and the next one, which knows nothing, adopts what it finds (G1, G3).
func TestFullDiskCostsNoClient(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small file system")
	}
	t.Parallel()
	s := newStage(t)
	if err := os.Mkdir(s.path("state"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := s.onFullDisk("--cooldown-period=10m")
	c := r.dial()
	c.ask("hello")
	c.leave()
	r.await("the trouble", func(e entry) bool {
		return e.Level == "ERROR" && strings.HasPrefix(e.Msg, "state not saved") && strings.Contains(e.Err, "no space left on device")
	})
	r.crash()
	s.expectRuns("start")

	r = s.onFullDisk("--cooldown-period=300ms")
	if e := r.awaitState("ready"); e.Cause != "found it up" {
		t.Errorf("it is ready because of %q", e.Cause)
	}
	s.finish(r, "start stop")
}

// onFullDisk starts a rouse in whose eyes the state directory is a file system without room.
func (s *stage) onFullDisk(instead ...string) *child {
	s.Helper()
	cmd := command(s.Context(), s.dir, s.flags(instead...)...)
	cmd.Args = append([]string{"sh", "-c", `mount -t tmpfs -o size=16k,mode=0700 none state && : >state/lock &&
		{ dd if=/dev/zero of=state/fill bs=4k 2>/dev/null; exec "$@"; }`, "sh"}, cmd.Args...)
	cmd.Path = "/bin/sh"
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS} // the mount is nobody else's, and ends with it
	r := s.launch(cmd)
	if !s.mounts(r) {
		s.Skip("this system does not let root mount a file system")
	}
	r.address()
	return r
}

// mounts says whether the child got as far as rouse.
func (s *stage) mounts(r *child) bool {
	s.Helper()
	ended := false
	s.eventually("it has mounted, or given up", func() bool {
		select {
		case <-r.done:
			ended = true
		default:
		}
		return ended || len(r.log()) > 0
	})
	return !ended
}

// TestStateThatIsDamagedOrGoneCostsNoMachine: the record of a target that runs is lost in one of several ways while rouse is
// dead. The next one finds it, and stops it when nobody uses it (G2, G3).
func TestStateThatIsDamagedOrGoneCostsNoMachine(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(path string) error{
		"gone":      func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
		"empty":     func(path string) error { return os.Truncate(path, 0) },
		"cut":       func(path string) error { return os.Truncate(path, 20) },
		"zeros":     func(path string) error { return os.WriteFile(path, make([]byte, 300), 0o600) },
		"directory": func(path string) error { _ = os.Remove(path); return os.Mkdir(path, 0o700) },
		"not ours":  func(path string) error { return os.WriteFile(path, []byte("{\"may run\":false}\n"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			r := s.start()
			c := r.dial()
			c.ask("hello")
			c.leave()
			r.awaitMsg("cooldown begins")
			r.crash()
			if err := damage(s.path("state/web.state")); err != nil {
				t.Fatal(err)
			}
			s.finish(s.start("--cooldown-period=300ms"), "start stop")
		})
	}
}
