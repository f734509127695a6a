package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A cgroup limits the memory of what is put into it, that of its sockets in the kernel included.
type cgroup struct {
	testing.TB
	dir string
	v2  bool
}

// newCgroup makes one below our own, or skips the test where it may not.
func newCgroup(t *testing.T, limit int) *cgroup {
	t.Helper()
	g, err := findCgroup()
	if err != nil {
		t.Skipf("memory cgroups: %v", err)
	}
	g.TB = t
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		t.Skipf("memory cgroups: %v", err)
	}
	t.Cleanup(g.remove)
	if g.v2 {
		err = errors.Join(g.set("memory.max", limit), g.set("memory.swap.max", 0))
	} else {
		err = errors.Join(g.set("memory.limit_in_bytes", limit), g.set("memory.kmem.tcp.limit_in_bytes", limit))
	}
	if err != nil {
		t.Skipf("memory cgroups: %v", err)
	}
	return g
}

// remove waits for the last process to have gone: keepers of hooks outlive rouse by a moment, and are no children of ours.
func (g *cgroup) remove() {
	err := os.Remove(g.dir)
	for by := time.Now().Add(patience); errors.Is(err, syscall.EBUSY) && time.Now().Before(by); err = os.Remove(g.dir) {
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		g.Error(err)
	}
}

// findCgroup finds the place for a new one: below ours, in whichever version has the memory.
func findCgroup() (*cgroup, error) {
	ours, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	name := fmt.Sprint("rouse-test-", os.Getpid())
	for line := range strings.Lines(string(ours)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(part) != 3 {
			continue
		}
		if strings.Contains(","+part[1]+",", ",memory,") {
			return &cgroup{dir: filepath.Join("/sys/fs/cgroup/memory", part[2], name)}, nil
		}
	}
	if b, err := os.ReadFile("/sys/fs/cgroup/cgroup.subtree_control"); err != nil || !bytes.Contains(b, []byte("memory")) {
		return nil, fmt.Errorf("the kernel shows neither version of them at the usual place: %w", errors.Join(err, errors.ErrUnsupported))
	}
	return &cgroup{dir: filepath.Join("/sys/fs/cgroup", name), v2: true}, nil // at the top, where processes are no hindrance
}

func (g *cgroup) set(name string, value int) error {
	return os.WriteFile(filepath.Join(g.dir, name), []byte(strconv.Itoa(value)), 0o644)
}

// wrap makes a program that puts itself into the cgroup, and becomes the one that is named by its arguments.
func (g *cgroup) wrap(args []string) []string {
	return append([]string{"sh", "-c", `echo $$ >"$0" && exec "$@"`, filepath.Join(g.dir, "cgroup.procs")}, args...)
}

// number reads a file that has one number, or the one behind a word.
func (g *cgroup) number(name, word string) int {
	g.Helper()
	b, err := os.ReadFile(filepath.Join(g.dir, name))
	if err != nil {
		g.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if word == "" || len(f) == 2 && f[0] == word {
			n, err := strconv.Atoi(f[len(f)-1])
			if err != nil {
				g.Fatal(err)
			}
			return n
		}
	}
	g.Fatalf("%s says nothing about %q", name, word)
	return 0
}

// sockets is how many bytes sockets hold in the kernel.
func (g *cgroup) sockets() int {
	g.Helper()
	if g.v2 {
		return g.number("memory.stat", "sock")
	}
	return g.number("memory.kmem.tcp.usage_in_bytes", "")
}

// peak is the most that was used.
func (g *cgroup) peak() int {
	g.Helper()
	if g.v2 {
		return g.number("memory.peak", "")
	}
	return g.number("memory.max_usage_in_bytes", "")
}

// kills is how often the kernel has killed a process here.
func (g *cgroup) kills() int {
	g.Helper()
	if g.v2 {
		return g.number("memory.events", "oom_kill")
	}
	return g.number("memory.oom_control", "oom_kill")
}
