package exec

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rouse-proxy/rouse/internal/driver"
)

// helpers are what the test binary does in another process; see TestMain.
var helpers = map[string]func(args []string) error{
	"start":       helpStart,
	"descriptors": helpDescriptors,
	"doomed":      helpDoomed,
}

// helper prepares the test binary to act in a role.
func helper(t *testing.T, role string, args ...string) *osexec.Cmd {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := osexec.CommandContext(t.Context(), path, args...)
	cmd.Env = append(os.Environ(), "HELPER="+role)
	return cmd
}

func TestHookGetsTheEnvironmentOfTheContractAndNothingElse(t *testing.T) {
	t.Setenv("CANARY", "secret")
	t.Setenv("LD_PRELOAD_CANARY", "secret")
	t.Setenv("PASSED", "ours")
	t.Setenv("PATH", os.Getenv("PATH"))
	t.Setenv("HOME", "/home/ours")
	r := newRig(t, "environment", Options{Env: []string{"PASSED", "SET=a=b", "HOME=/home/theirs", "ABSENT_ANYWHERE"}})
	op := driver.Op{Epoch: 1 << 63, Reason: "client \x1b[31m\n\x00192.0.2.7\xff", Address: "192.0.2.1:8000"}
	if _, err := r.Start(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSpace(r.read("environ")), "\n")
	slices.Sort(got)
	want := []string{
		"HOME=/home/theirs", "PASSED=ours", "PATH=" + os.Getenv("PATH"), "ROUSE_ADDRESS=192.0.2.1:8000",
		"ROUSE_EPOCH=9223372036854775808", "ROUSE_EVENT=start", "ROUSE_OUTPUT=" + filepath.Join(r.dir, "web.output"),
		"ROUSE_REASON=client \uFFFD192.0.2.7\uFFFD", "ROUSE_TARGET=web", "SET=a=b", "ZOO=" + r.zoo,
	}
	if !slices.Equal(got, want) {
		t.Errorf("environment is\n%q\nwant\n%q", got, want)
	}
	if err := r.Stop(t.Context(), anOp); err != nil {
		t.Fatal(err)
	}
	if got := r.read("environ"); strings.Contains(got, "ROUSE_OUTPUT") || !strings.Contains(got, "ROUSE_EVENT=stop\n") {
		t.Errorf("environment of the stop hook is\n%s", got)
	}
}

func TestHookInheritsNoDescriptorOfOurs(t *testing.T) {
	canary, err := os.Create(filepath.Join(t.TempDir(), "canary"))
	if err != nil {
		t.Fatal(err)
	}
	defer canary.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	r := newRig(t, "descriptors", Options{})
	if _, err := r.Start(t.Context(), anOp); err != nil {
		t.Fatal(err)
	}
	open := strings.Fields(r.read("descriptors"))
	if !slices.Contains(open, os.DevNull) || !slices.Contains(open, r.output.path) {
		t.Errorf("standard input and output are not among %q", open)
	}
	for _, path := range open { // a pipe may come from whoever started the test
		if path == canary.Name() || path == r.lockPath || strings.HasPrefix(path, "socket:") || strings.HasPrefix(path, "anon_inode:") {
			t.Errorf("the hook has %s", path)
		}
	}
}

// helpStart is a rouse that runs a start hook; its arguments are the folders of
// the driver and of the hook.
func helpStart(args []string) error {
	d, err := New(Options{
		Target: "web", Stem: "web", Dir: args[0], Env: []string{"ZOO=" + args[1]},
		Start: []string{animal("waits")}, Stop: []string{animal("traces")},
	})
	if err != nil {
		return err
	}
	_, err = d.Start(context.Background(), anOp)
	return err
}

func TestHookOfARouseThatWasKilledIsFoundAndOutlasted(t *testing.T) {
	r := newRig(t, "traces", Options{})
	killed := helper(t, "start", r.dir, r.zoo)
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	pid := r.pid()
	eventually(t, func() bool { return exists(r.recordPath) })
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := killed.Wait(); err == nil || !processLives(pid) {
		t.Fatalf("the rouse ended with %v, the hook lives: %v", err, processLives(pid))
	}
	result := r.waiting(func() error { return r.Stop(t.Context(), anOp) })
	if got := r.read("trace"); got != "start begins\n" {
		t.Errorf("trace is %q", got)
	}
	r.touch("go")
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	if got := r.read("trace"); got != "start begins\nstart ends\nstop \n" {
		t.Errorf("trace is %q", got)
	}
}

// helpDescriptors runs a start and a stop hook in a process that has only
// Descriptors free ones, then with none.
func helpDescriptors(args []string) error {
	log := newLogbook()
	d, err := New(Options{
		Target: "web", Stem: "web", Dir: args[0], Env: []string{"ZOO=" + args[1]}, Logger: slog.New(log),
		Start: []string{animal("address-good")}, Stop: []string{animal("speaks")},
	})
	if err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 64, Max: 64}); err != nil {
		return err
	}
	var held []*os.File
	for {
		file, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		held = append(held, file)
	}
	if err := d.Stop(context.Background(), anOp); !errors.Is(err, driver.ErrTemporary) {
		return fmt.Errorf("without descriptors: %w", err)
	}
	log = newLogbook() // that was to fail; what follows was not
	d.log, d.output.log = slog.New(log), slog.New(log)
	for _, file := range held[:Descriptors] {
		file.Close()
	}
	address, err := d.Start(context.Background(), anOp)
	if err := errors.Join(err, d.Stop(context.Background(), anOp)); err != nil || address == "" {
		return fmt.Errorf("with %d descriptors: address %q, %w", Descriptors, address, err)
	}
	if strings.Contains(log.String(), "WARN") {
		return errors.New(log.String())
	}
	return nil
}

func TestHookNeedsNoMoreDescriptorsThanSaid(t *testing.T) {
	r := newRig(t, "nothing", Options{})
	if out, err := helper(t, "descriptors", r.dir, r.zoo).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestHookThatIsBeingWrittenIsBusyForNow(t *testing.T) {
	path := copyHook(t, "speaks", t.TempDir(), 0o700)
	writer, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	r := newRig(t, "nothing", Options{Stop: []string{path}})
	err = r.Stop(t.Context(), anOp)
	if err == nil {
		t.Skip("this kernel runs files that are open for writing")
	}
	if !errors.Is(err, driver.ErrTemporary) || !errors.Is(err, syscall.ETXTBSY) {
		t.Errorf("error is %v", err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.Stop(t.Context(), anOp); err != nil {
		t.Errorf("after the writer: %v", err)
	}
}

func TestProgramForAnotherMachineIsSaidSo(t *testing.T) {
	path := writeHook(t, filepath.Join(t.TempDir(), "program"), []byte("\x7fELF\x00nonsense"), 0o700)
	r := newRig(t, "nothing", Options{Stop: []string{path}})
	err := r.Stop(t.Context(), anOp)
	if !errors.Is(err, syscall.ENOEXEC) || !strings.Contains(err.Error(), "nor a program for this machine") {
		t.Errorf("error is %v", err)
	}
}

func TestMemoryTakesTheOutputOfAFullDiskAndIsCut(t *testing.T) {
	r := newRig(t, "gigabyte", Options{})
	r.output.open = full
	if err := r.Stop(t.Context(), anOp); err == nil || !strings.Contains(err.Error(), "last output: all work") {
		t.Errorf("error is %v", err)
	}
	first := r.output.memory
	if first == nil || sizeOf(first) > maxOutput+largestResult {
		t.Fatalf("memory holds %v", first)
	}
	if _, err := first.Write(make([]byte, maxOutput+1)); err != nil {
		t.Fatal(err)
	}
	r.output.trim()
	if size := sizeOf(first); size != 0 {
		t.Errorf("%d bytes are left", size)
	}
	if err := r.Stop(t.Context(), anOp); err == nil || r.output.memory != first {
		t.Errorf("memory was replaced, or the hook failed to fail: %v", err)
	}
}

func TestProcessStatusIsReadWhateverTheProgramIsCalled(t *testing.T) {
	const rest = " 1 77 77 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 8000000 200 0 0\n"
	for text, want := range map[string]identity{
		"99 (sh) S" + rest:               {start: 123456, group: 77},
		"99 (a b) R 1 2 3 (x) Z" + rest:  {start: 123456, group: 77, zombie: true},
		"99 (\n) X" + rest:               {start: 123456, group: 77, zombie: true},
		"99 (sh) S 1 77 77":              {},
		"99 sh S" + rest:                 {},
		"":                               {},
		"99 (sh) S 1 x" + rest[5:]:       {},
		"99 (sh) S 1 77 1 1 1 1 1 1 1 1": {},
	} {
		got, err := parseStat([]byte(text))
		if got != want || (err != nil) != (want == identity{}) {
			t.Errorf("%q is %+v, %v", text, got, err)
		}
	}
	self, err := identify(os.Getpid())
	if err != nil || self.zombie || self.group != syscall.Getpgrp() {
		t.Errorf("we are %+v, %v", self, err)
	}
}
