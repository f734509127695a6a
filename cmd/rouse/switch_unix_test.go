//go:build unix

package main

import (
	"strings"
	"testing"
)

// TestAPersonWakesAndStopsATarget: by commands, which tell how it goes, and by exit codes for scripts.
func TestAPersonWakesAndStopsATarget(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	r := s.start()
	r.awaitState("stopped")
	if got := rouse(t, s.dir, "wake", "web", "--state-dir=state"); got.code != exitDone || !strings.Contains(got.stdout, "web is ready") {
		t.Errorf("wake exits with %d: %s %s", got.code, got.stdout, oneLine(got.stderr))
	}
	if got := rouse(t, s.dir, "targets", "--json", "--state-dir=state"); got.code != exitDone || !strings.Contains(got.stdout, `"state": "ready"`) {
		t.Errorf("targets exits with %d: %s %s", got.code, got.stdout, oneLine(got.stderr))
	}
	c := r.dial()
	c.ask("hello")
	if got := rouse(t, s.dir, "stop", "web", "--state-dir=state"); got.code != exitFailed || !strings.Contains(got.stderr, "held by 1, and 0 wait for it") {
		t.Errorf("stop beside a client exits with %d: %s %s", got.code, got.stdout, oneLine(got.stderr))
	}
	c.leave()
	s.eventually("it is stopped", func() bool {
		got := rouse(t, s.dir, "stop", "web", "--state-dir=state")
		return got.code == exitDone && strings.Contains(got.stdout, "web is stopped")
	})
	if got := rouse(t, s.dir, "wake", "wep", "--state-dir=state"); got.code != exitFailed || !strings.Contains(got.stderr, "there is neither a target nor a group of that name") {
		t.Errorf("of an unknown name it exits with %d: %s", got.code, oneLine(got.stderr))
	}
	s.expectRuns("start stop")
	r.end()
}
