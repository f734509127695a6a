//go:build unix

package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestRousesWithPortsOfTheirOwnRunSideBySide(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	var rouses []*child
	var stages []*stage
	for range 2 {
		s := newStage(t)
		cmd := command(t.Context(), s.dir, s.flags("--state-dir=remove", "--proxy-port="+port(freeAddress(t, s.front).String()))...)
		cmd.Env = append(cmd.Env, "XDG_STATE_HOME="+home)
		stages, rouses = append(stages, s), append(rouses, s.launch(cmd))
	}
	for _, r := range rouses {
		c := r.dial()
		c.ask("hello")
		c.leave()
	}
	folders, err := os.ReadDir(home + "/rouse")
	if err != nil || len(folders) != 2 {
		t.Errorf("the state directories are %v, %v; want one for each", folders, err)
	}
	for i, r := range rouses {
		r.end()
		stages[i].expectRuns("start")
	}
}

// port returns the port of an address.
func port(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

func TestSecondRouseOnTheSameListenerIsToldWhoHasIt(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	at := "--proxy-port=" + port(freeAddress(t, s.front).String())
	first := s.launch(command(t.Context(), s.dir, s.flags("--state-dir=remove", at)...))
	c := first.dial()
	c.ask("hello")

	// Without a state directory of its own it meets the first one there.
	checkFailure(t, rouse(t, s.dir, s.flags("--state-dir=remove", "--log-level=info", at)...),
		fmt.Sprintf("another rouse holds it (pid %d); end that one, or give this one a directory of its own with --state-dir", first.cmd.Process.Pid))
	// With one it meets it at the port.
	checkFailure(t, rouse(t, s.dir, s.flags("--state-dir=other", "--log-level=info", at)...),
		first.address()+": bind: address already in use; another program listens there: end it, or choose another port to listen on (--proxy-port)")
	// The name of the state directory does not matter, only which one it is.
	if err := os.Symlink(".local/state/rouse/"+s.front+"_"+port(first.address()), s.path("alias")); err != nil {
		t.Fatal(err)
	}
	checkFailure(t, rouse(t, s.dir, s.flags("--state-dir=alias", "--log-level=info")...), "another rouse holds it (pid "+strconv.Itoa(first.cmd.Process.Pid)+")")

	c.ask("still there")
	c.leave()
	first.end()
	s.expectRuns("start")
}

// clientsUnderLimit is far more than 64 descriptors allow at once.
const clientsUnderLimit = 50

func TestClientsBeyondTheDescriptorLimitWaitAndAreServedInTheEnd(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	began := time.Now()
	cmd := command(t.Context(), s.dir, s.flags("--cooldown-period=300ms")...)
	cmd.Args = append([]string{"sh", "-c", `ulimit -n 64 && exec "$@"`, "sh"}, cmd.Args...)
	cmd.Path = "/bin/sh"
	// Under the race detector io.Copy drops pipes at random, and the collector closes them.
	cmd.Env = append(cmd.Env, "GOGC=1", "GOMEMLIMIT=1")
	r := s.launch(cmd)

	clients := make([]*client, clientsUnderLimit)
	for i := range clients {
		clients[i] = r.dial()
		clients[i].say(fmt.Sprint("hello ", i))
	}
	// As each leaves another one comes in, while those who are in are served on.
	clients[0].hear("hello 0")
	for i, c := range clients[1:] {
		c.hear(fmt.Sprint("hello ", i+1))
		clients[i].ask("still there")
		clients[i].leave()
	}
	clients[clientsUnderLimit-1].leave()

	r.awaitState("ready")
	r.awaitState("stopped")
	s.expectRuns("start stop")
	s.expectAsleep()
	r.end()
	checkQuiet(t, r, time.Since(began))
}

// checkQuiet checks that the limit was told, but not for each client.
func checkQuiet(t *testing.T, r *child, elapsed time.Duration) {
	t.Helper()
	log := strings.Join(r.log(), "\n")
	told := strings.Count(log, "at the limit of clients, new ones wait")
	if most := 1 + int(elapsed/(5*time.Second)); told < 1 || told > most {
		t.Errorf("the limit was told %d times in %v, want 1 to %d", told, elapsed, most)
	}
	for _, bad := range []string{"too many open files", `"level":"WARN","msg":"cannot accept`, `"level":"ERROR"`, "client refused"} {
		if strings.Contains(log, bad) {
			t.Errorf("the log has %q in it", bad)
		}
	}
}
