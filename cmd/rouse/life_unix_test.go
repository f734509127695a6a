//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

func TestClientWakesTheTargetAndTheCooldownStopsIt(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	r := s.start("--cooldown-period=500ms")
	r.awaitState("stopped")
	s.expectRuns("")
	for _, word := range []string{"first", "second"} {
		c := r.dial()
		c.ask(word)
		c.ask(word + " again")
		r.awaitState("ready")
		c.leave()
		r.awaitState("stopped")
		s.expectAsleep()
	}
	s.expectRuns("start stop start stop")
	r.end()
	s.expectRuns("start stop start stop")
}

func TestSignalEndsAnIdleRouse(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		s := newStage(t)
		r := s.start("--drain-timeout=10m")
		r.signal(signal)
		if code := r.wait(); code != exitDone {
			t.Errorf("after %v it exits with %d", signal, code)
		}
		s.expectRuns("")
	}
}

// TestEndOfTheTerminalEndsRouseInOrder: it drains, and the target is stopped if that is asked for.
func TestEndOfTheTerminalEndsRouseInOrder(t *testing.T) {
	if signal.Ignored(syscall.SIGHUP) {
		t.Skip("whoever runs this test ignores SIGHUP, and so does rouse")
	}
	t.Parallel()
	s := newStage(t)
	r := s.start("--drain-timeout=10m", "--on-exit=stop")
	c := r.dial()
	c.ask("before")
	r.signal(syscall.SIGHUP)
	r.awaitMsg("ending")
	c.ask("after")
	c.leave()
	if code := r.wait(); code != exitDone {
		t.Errorf("it exits with %d", code)
	}
	s.expectRuns("start stop")
	s.expectAsleep()
}

func TestSignalLetsLiveClientsGoOnAndTakesNoNewOnes(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	r := s.start("--drain-timeout=10m")
	c := r.dial()
	c.ask("before")
	r.signal(syscall.SIGTERM)
	r.awaitMsg("ending")
	s.eventually("new clients are refused", func() bool {
		conn, err := net.Dial("tcp", r.address())
		if err == nil {
			_ = conn.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	c.ask("after")
	c.leave()
	if code := r.wait(); code != exitDone {
		t.Errorf("it exits with %d", code)
	}
	s.expectRuns("start")
}

func TestDrainTimeoutCutsLiveClients(t *testing.T) {
	t.Parallel()
	for _, drain := range []string{"0", "500ms"} {
		s := newStage(t)
		r := s.start("--drain-timeout=" + drain)
		c := r.dial()
		c.ask("hello")
		r.signal(syscall.SIGTERM)
		c.expectReset()
		if code := r.wait(); code != exitDone {
			t.Errorf("it exits with %d", code)
		}
		s.expectRuns("start")
	}
}

func TestDrainTimeoutCutsWaitingClientsAndTheNextRunFindsTheHook(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.hold("start")
	r := s.start("--drain-timeout=200ms")
	c := r.dial()
	c.say("hello")
	s.awaitRuns("start", 1)
	r.signal(syscall.SIGTERM)
	c.expectReset()
	if code := r.wait(); code != exitDone {
		t.Errorf("it exits with %d", code)
	}
	r = s.start("--cooldown-period=200ms")
	r.awaitMsg("waiting for a hook that was left running")
	s.release("start")
	s.finish(r, "start stop")
}

// finish waits until a new run has put the target to sleep, and ends it.
func (s *stage) finish(r *child, runs string) {
	s.Helper()
	r.awaitState("stopping")
	r.awaitState("stopped")
	s.expectAsleep()
	s.expectRuns(runs)
	r.end()
	s.expectRuns(runs)
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	r := s.start("--drain-timeout=10m", "--on-exit=stop")
	c := r.dial()
	c.ask("hello")
	r.signal(syscall.SIGTERM)
	r.awaitMsg("ending")
	r.signal(syscall.SIGTERM)
	if code := r.wait(); code != -1 {
		t.Errorf("it exits with %d, want the end by a signal", code)
	}
	s.expectRuns("start")
	s.finish(s.start("--cooldown-period=200ms"), "start stop")
}

func TestOnExitStopStopsTheTarget(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	r := s.start("--on-exit=stop")
	r.end() // nothing runs: nothing is stopped
	s.expectRuns("")
	r = s.start("--on-exit=stop")
	c := r.dial()
	c.ask("hello")
	c.leave()
	r.awaitMsg("cooldown begins")
	r.end()
	s.expectRuns("start stop")
	s.expectAsleep()
}

func TestOnExitStopThatFailsIsToldAndFails(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	r := s.start("--on-exit=stop", "--stop-timeout=3s")
	c := r.dial()
	c.ask("hello")
	c.leave()
	r.awaitMsg("cooldown begins")
	write(t, s.dir, "fail-stop", "")
	r.signal(syscall.SIGTERM)
	if code := r.wait(); code != exitFailed {
		t.Errorf("it exits with %d, want %d", code, exitFailed)
	}
	last := r.log()[len(r.log())-1]
	if want := `rouse: ending: target "web" may still be running, and the next run of rouse will find it: stopping target "web": `; !strings.HasPrefix(last, want) {
		t.Errorf("it ends with %s\nwant %s", last, want)
	}
	if !strings.Contains(strings.Join(r.log(), "\n"), "it will not go") {
		t.Error("what the hook said is nowhere in the log")
	}
}

func TestOnExitKeepLeavesTheTargetToTheNextRun(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	r := s.start("--on-exit=keep")
	c := r.dial()
	c.ask("hello")
	c.leave()
	r.awaitMsg("cooldown begins")
	r.end()
	s.expectRuns("start")

	r = s.start("--on-exit=keep")
	if e := r.awaitState("ready"); e.Cause != "found it up" {
		t.Errorf("it is ready because of %q", e.Cause)
	}
	c = r.dial()
	c.ask("still there")
	c.leave()
	r.end()
	s.expectRuns("start")
	s.finish(s.start("--cooldown-period=200ms"), "start stop")
}

func TestStartThatFailsResetsItsClientAndIsTold(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	write(t, s.dir, "fail-start", "")
	r := s.start("--cooldown-period=200ms")
	c := r.dial()
	c.say("hello")
	c.expectReset()
	e := r.awaitMsg("client refused")
	if want := `starting target "web": running start hook "` + s.path("start.sh") + `": exit status 1; last output: no room left`; e.Err != want {
		t.Errorf("the client was refused with %s\nwant %s", e.Err, want)
	}
	r.awaitState("failed") // the stop hook that cleans up has ended, and writes to no file any more
	r.end()
}

func TestLogLinesAreJSONWhenNobodyWatches(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"auto", "json"} {
		s := newStage(t)
		r := s.start("--log-format="+format, "--log-level=debug", "--cooldown-period=200ms")
		c := r.dial()
		c.ask("hello")
		c.leave()
		r.awaitState("ready")
		r.awaitState("stopped")
		r.end()
		for _, line := range r.log() {
			var fields map[string]any
			if err := json.Unmarshal([]byte(line), &fields); err != nil || fields["time"] == nil || fields["level"] == nil || fields["msg"] == nil {
				t.Errorf("%s: this line is no JSON, or lacks something: %s", format, line)
			}
		}
	}
}

// TestLogThatNobodyReadsHoldsUpNeitherClientsNorTheEnd, whether its reader sleeps or
// has gone.
func TestLogThatNobodyReadsHoldsUpNeitherClientsNorTheEnd(t *testing.T) {
	t.Parallel()
	t.Run("sleeps", func(t *testing.T) { t.Parallel(); ignoreLog(t, false) })
	t.Run("has gone", func(t *testing.T) { t.Parallel(); ignoreLog(t, true) })
}

func ignoreLog(t *testing.T, gone bool) {
	const clients = 400 // their lines fill the pipe
	s := newStage(t)
	at := freeAddress(t, s.front).String()
	log, stderr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := command(t.Context(), s.dir, s.flags("--proxy-port="+port(at), "--on-exit=stop")...)
	cmd.Stderr = stderr
	r := s.begin(cmd, strings.NewReader(""))
	_ = stderr.Close() // the child has its own
	if gone {
		_ = log.Close()
	}
	s.eventually("it listens", func() bool {
		conn, err := net.Dial("tcp", at)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	for range clients {
		c := dialTo(t, at)
		c.ask("hello")
		c.leave()
	}
	r.signal(syscall.SIGTERM)
	if code := r.wait(); code != exitDone {
		t.Errorf("it exits with %d", code)
	}
	s.expectAsleep()
}
