package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	hooks "github.com/rouse-proxy/rouse/internal/driver/exec"
)

// patience bounds every wait of these tests. It is long because it only says that
// something will never happen.
const patience = 30 * time.Second

// canary is a secret in the environment of every rouse that the tests run.
const canary = "canary-9f31c7"

// TestMain makes two programs of the test binary: rouse itself, and backend, the
// server that sleeps behind it.
func TestMain(m *testing.M) {
	hooks.RunKeeper()
	if err := flag.Set("test.parallel", "6"); err != nil { // they mostly wait; -parallel still wins
		panic(err)
	}
	testscript.Main(m, map[string]func(){"rouse": main, "backend": backend})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("TOKEN", canary)
			env.Setenv("GORACE", gorace())
			return nil
		},
	})
}

// An outcome is what a run of rouse left that ended by itself.
type outcome struct {
	stdout, stderr string
	code           int
}

// command returns a rouse that lives in dir, with no more of our environment than it needs.
func command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "rouse", args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LOCALAPPDATA=" + filepath.Join(dir, "local"),
		"TOKEN=" + canary, "GORACE=" + gorace(),
	}
	cmd.WaitDelay = patience
	return cmd
}

// gorace keeps a program with the race detector from sleeping a second before it ends.
func gorace() string { return os.Getenv("GORACE") + " atexit_sleep_ms=0" }

// rouse runs the program in dir until it ends.
func rouse(t testing.TB, dir string, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := command(ctx, dir, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatalf("rouse %q: %v", args, err)
	}
	if ctx.Err() != nil {
		t.Errorf("rouse %q did not end", args)
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// write puts an executable file into a folder and returns its path.
func write(t testing.TB, folder, name, text string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// exists reports whether there is anything at path.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// backend is a server that answers each line with "echo " and the line, at the
// address that the start hook passes on. It lives in the folder of its stage and
// obeys the files there: while hold-boot exists it does not listen yet, while
// hold-down exists it serves on although it was told to end, and while hold-answer exists
// it answers nobody.
func backend() {
	const longestLife = 3 * time.Minute // of one whose test was killed
	time.AfterFunc(longestLife, func() { os.Exit(1) })
	told, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	defer os.Remove("backend.pid")
	if !released("hold-boot", told.Done()) {
		return
	}
	ln, err := net.Listen("tcp", os.Getenv("ROUSE_ADDRESS"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	go serveEcho(ln)
	<-told.Done()
	released("hold-down", nil)
}

// released waits until a file has gone; false means that end came first.
func released(file string, end <-chan struct{}) bool {
	for exists(file) {
		select {
		case <-end:
			return false
		case <-time.After(5 * time.Millisecond):
		}
	}
	return true
}

func serveEcho(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go echo(conn)
	}
}

func echo(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		released("hold-answer", nil)
		if _, err := fmt.Fprintf(conn, "echo %s\n", lines.Text()); err != nil {
			return
		}
	}
}

// oneLine shortens output for a message.
func oneLine(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", " ⏎ ") }
