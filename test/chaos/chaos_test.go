//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/test/chaos/internal/cell"
	"github.com/rouse-proxy/rouse/test/chaos/internal/town"
)

func TestMain(m *testing.M) {
	cell.Main(work)
	if len(os.Args) > 1 && os.Args[1] == "chaos" {
		os.Args = os.Args[1:]
		main()
	}
	os.Exit(m.Run())
}

// needTools skips where no cell can be made.
func needTools(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a town is made of namespaces and mounts, which needs root")
	}
	for _, tool := range []string{"ip", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("a town needs %s: %v", tool, err)
		}
	}
	if err := exec.Command("unshare", "-mnip", "--fork", "true").Run(); err != nil {
		t.Skipf("no namespaces can be made here: %v", err)
	}
}

// TestTown is the short form of make chaos: some rounds of a fixed seed, and some of one that is drawn.
func TestTown(t *testing.T) {
	needTools(t)
	drawn := rand.Uint64N(1e9) + 1
	for _, s := range []settings{
		{seed: 1, first: 1, rounds: 9},
		{seed: drawn, first: 1, rounds: 6},
	} {
		t.Run(fmt.Sprintf("seed %d", s.seed), func(t *testing.T) {
			t.Parallel() // most of a round is waiting
			s.towns, s.race, s.limit, s.dir = 5, true, 6*time.Minute, shortDir(t)
			playIn(t, s)
		})
	}
}

// shortDir is a folder whose name leaves room for that of a socket. It stays if the test fails.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rouse-chaos-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			_ = os.RemoveAll(dir)
		}
	})
	return dir
}

func playIn(t *testing.T, s settings) {
	t.Helper()
	told := func(r *town.Result, err error) {
		switch {
		case err != nil:
			t.Error(err)
		case len(r.Violations) > 0:
			t.Errorf("seed %d, round %d, with %v (kept in %s; again with make chaos SEED=%d FIRST=%d ROUNDS=1):\n%s",
				r.Seed, r.Round, r.Nemeses, r.Dir, r.Seed, r.Round, strings.Join(r.Violations, "\n"))
		}
	}
	total, err := s.play(t.Context(), told, func(text string) { t.Log(text) })
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("seed %d: %d rounds, %d wakes, clients: %s, %d bytes right, leak %.3f", s.seed, total.rounds, total.wakes, counts(total.clients), total.bytes, total.leak())
	if total.leaks() {
		t.Errorf("the machine was billed %.3f times what was needed", total.leak())
	}
}

func TestTheSameSeedGivesTheSamePlan(t *testing.T) {
	for round := range 200 {
		a, b := town.NewPlan(7, round), town.NewPlan(7, round)
		if a.String() != b.String() {
			t.Fatalf("round %d of one seed is\n%v and\n%v", round, a, b)
		}
		if a.String() == town.NewPlan(8, round).String() {
			t.Fatalf("round %d is the same for two seeds", round)
		}
		if len(a.Acts) == 0 || len(a.Crowd) == 0 {
			t.Fatalf("round %d has nothing in it: %v", round, a)
		}
	}
}

func TestEveryNemesisHasItsTurn(t *testing.T) {
	seen := map[string]bool{}
	for round := range len(town.Nemeses()) {
		for _, name := range town.NewPlan(3, round).Names() {
			seen[name] = true
		}
	}
	for _, name := range town.Nemeses() {
		if !seen[name] {
			t.Errorf("%s is in none of the first %d rounds", name, len(town.Nemeses()))
		}
	}
}

// traces lists what a town could leave behind on the machine: mounts, interfaces, named namespaces and control groups.
func traces(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"/sys/class/net/*", "/run/netns/*", filepath.Join(parentGroup(), fmt.Sprintf("rouse-chaos-%d-*", os.Getpid()))} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, paths...)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, "rouse-chaos") || strings.Contains(line, "/run ") {
			all = append(all, line)
		}
	}
	return all
}

// TestNothingIsLeft ends rounds in the middle, by a signal that is caught and by one that is not.
func TestNothingIsLeft(t *testing.T) {
	needTools(t)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			before, dir := traces(t), shortDir(t)
			cmd := exec.Command("/proc/self/exe", "chaos", "-seed=1", "-rounds=4", "-towns=2", "-talk", "-race", "-dir="+dir)
			var out bytes.Buffer
			said := make(lineWriter, 1000)
			cmd.Stdout, cmd.Stderr = &out, said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			said.await(t, "begin ")
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			awaitNone(t, dir)
			awaitNoGroup(t, cmd.Process.Pid)
			if after := traces(t); !slices.Equal(before, after) {
				t.Errorf("before it there were\n%s\nand after it\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
			}
		})
	}
}

// lineWriter passes on what is written.
type lineWriter chan string

func (w lineWriter) Write(b []byte) (int, error) {
	select {
	case w <- string(b):
	default:
	}
	return len(b), nil
}

func (w lineWriter) await(t *testing.T, text string) {
	t.Helper()
	for deadline := time.After(3 * time.Minute); ; {
		select {
		case s := <-w:
			if strings.Contains(s, text) {
				return
			}
		case <-deadline:
			t.Fatalf("it has not said %q", text)
		}
	}
}

// awaitNone waits until no process has anything of a folder on its command line.
func awaitNone(t *testing.T, dir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		var left []string
		paths, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, path := range paths {
			if data, err := os.ReadFile(path); err == nil && bytes.Contains(data, []byte(dir)) {
				left = append(left, string(bytes.ReplaceAll(data, []byte{0}, []byte(" "))))
			}
		}
		if len(left) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("processes were left:\n%s", strings.Join(left, "\n"))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// awaitNoGroup waits until the control groups of a process are gone. They are all that kill -9 leaves, and the next run
// removes them, as soon as the kernel has forgotten their last processes.
func awaitNoGroup(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		sweepGroups()
		left, err := filepath.Glob(filepath.Join(parentGroup(), fmt.Sprintf("rouse-chaos-%d-*", pid)))
		switch {
		case err != nil:
			t.Fatal(err)
		case len(left) == 0:
			return
		case time.Now().After(deadline):
			t.Fatalf("control groups were left: %q", left)
		}
	}
}
