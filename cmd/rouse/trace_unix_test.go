//go:build unix

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rouse-proxy/rouse/internal/trace"
)

// TestTraceOfALifeKeepsAllRules: through a wake, a stop, deaths in three phases and an end in order.
func TestTraceOfALifeKeepsAllRules(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	r := s.start("--trace=trace.jsonl", "--cooldown-period=300ms")
	c := r.dial()
	c.ask("hello")
	c.leave()
	r.awaitState("ready")
	r.awaitState("stopped")
	c = r.dial()
	c.ask("again")
	s.eventually("the trace tells of the second client", func() bool {
		return strings.Count(strings.Join(s.lines("trace.jsonl"), "\n"), "client connected") == 2
	})
	r.crash() // under a client

	s.hold("stop")
	r = s.start("--trace=trace.jsonl", "--cooldown-period=300ms")
	s.awaitRuns("stop", 2)
	s.awaitRecord()
	r.crash() // while it stops
	s.release("stop")

	r = s.start("--trace=trace.jsonl", "--cooldown-period=300ms", "--drain-timeout=0", "--on-exit=stop")
	r.dial().ask("and again")
	r.end() // cuts the client, and stops the target before its cooldown is over
	s.expectAsleep()

	got := rouse(t, s.dir, "trace", "check", "trace.jsonl")
	t.Logf("\n%s", got.stdout)
	if got.code != exitDone || got.stderr != "" || !strings.HasSuffix(got.stdout, "\nfine: no rule was broken\n") {
		t.Errorf("it exits with %d and says %s%s\nabout\n%s", got.code, got.stdout, got.stderr, strings.Join(s.lines("trace.jsonl"), "\n"))
	}
	var report trace.Report
	if err := json.Unmarshal([]byte(rouse(t, s.dir, "trace", "check", "--json", "trace.jsonl").stdout), &report); err != nil {
		t.Fatal(err)
	}
	if report.Runs != 3 || report.Crashes != 2 || len(report.Targets) != 1 || report.Targets[0].Wakes < 3 || report.Targets[0].Clients != 3 {
		t.Errorf("counted %+v, %+v", report, report.Targets[0])
	}
	if info, err := os.Stat(s.path("trace.jsonl")); err != nil || info.Mode() != 0o600 {
		t.Errorf("the trace has mode %v, %v", info.Mode(), err)
	}
}

// TestTraceIsWrittenToNothingElse: the wrong name is told before anything is started.
func TestTraceIsWrittenToNothingElse(t *testing.T) {
	dir := t.TempDir()
	const script = "#!/bin/sh\nexit 0\n"
	for _, hook := range []string{"start.sh", "stop.sh"} {
		write(t, dir, hook, script)
		if err := os.Chmod(filepath.Join(dir, hook), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	got := rouse(t, dir, "--target-ip=127.0.0.1", "--target-port=9", "--proxy-port=0", "--hook-start-svc=./start.sh", "--hook-stop-svc=./stop.sh",
		"--state-dir=state", "--trace=start.sh")
	text, err := os.ReadFile(filepath.Join(dir, "start.sh"))
	if got.code != exitFailed || !strings.Contains(got.stderr, "holds something else than a trace") || err != nil || string(text) != script {
		t.Errorf("it exits with %d, want %d: %s%s\nand the hook is now %q, %v", got.code, exitFailed, got.stdout, got.stderr, text, err)
	}
}
