package state

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// childRole is the environment variable that makes the test binary play a process of
// its own; see startChild.
const childRole = "ROUSE_STATE_CHILD"

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		if err := runChild(role, os.Args[1]); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// runChild is the main function of a child. It ends at the latest when its standard
// input does, which is when the test has ended.
func runChild(role, dir string) error {
	switch role {
	case "hold":
		d, err := Open(dir)
		if err != nil {
			return err
		}
		fmt.Println("held")
		_, err = io.Copy(io.Discard, os.Stdin)
		return errors.Join(err, d.Close())
	case "save":
		d, err := Open(dir)
		for epoch := uint64(1); err == nil; epoch++ {
			if err = d.Save(Record{Target: "web", Epoch: epoch}); err == nil {
				_, err = fmt.Println(epoch)
			}
		}
		return err
	case "open":
		d, err := Open(dir)
		if err != nil {
			return err
		}
		return d.Close()
	default:
		return runSystemChild(role, dir)
	}
}

// A child is a process that a test started: the test binary in a role.
type child struct {
	cmd *exec.Cmd
	out *bufio.Scanner
}

// startChild starts the test binary in a role. It is killed, by its pid, when the test
// ends.
func startChild(t *testing.T, role, dir string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0], dir)
	cmd.Env = append(os.Environ(), childRole+"="+role)
	stdin, err := cmd.StdinPipe()
	check(t, err)
	stdout, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	c := &child{cmd, bufio.NewScanner(stdout)}
	t.Cleanup(func() { c.kill(); stdin.Close() })
	return c
}

// line returns the next line that the child prints.
func (c *child) line(t *testing.T) string {
	t.Helper()
	if !c.out.Scan() {
		t.Fatalf("the child said nothing more: %v", c.out.Err())
	}
	return c.out.Text()
}

// kill ends the child as kill -9 does and waits until it is gone.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// check ends the test on an unexpected error.
func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// openDir opens a directory and closes it with the test.
func openDir(t *testing.T, path string) *Dir {
	t.Helper()
	d, err := Open(path)
	check(t, err)
	t.Cleanup(func() { check(t, d.Close()) })
	return d
}

// names returns the names of everything in a directory except the lock.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	check(t, err)
	var all []string
	for _, e := range entries {
		if e.Name() != lockName {
			all = append(all, e.Name())
		}
	}
	return all
}

// wantText fails unless the error's text has every part.
func wantText(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error is %q, want %q in it", err, part)
		}
	}
}

// sample returns a record with something in every field.
func sample() Record {
	return Record{
		Target:   "web:8000",
		MayRun:   true,
		Stopping: true,
		Epoch:    1<<64 - 1,
		Since:    time.Date(2025, 3, 1, 12, 0, 0, 123456789, time.UTC),
		LastUsed: time.Date(2025, 3, 1, 13, 0, 0, 0, time.UTC),
		InUse:    true,
		Address:  "[fe80::1%eth0]:8000",
		Moves:    true,
	}
}
