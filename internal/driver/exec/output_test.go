//go:build unix

package exec

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestOutputFileIsAppendedToAndNeverReplaced(t *testing.T) {
	r := newRig(t, "speaks", Options{})
	var first os.FileInfo
	for range 3 {
		if _, err := r.Start(t.Context(), anOp); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(r.output.path)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = info
		}
		if !os.SameFile(first, info) {
			t.Error("the output file was replaced")
		}
	}
	b, err := os.ReadFile(r.output.path)
	if err != nil || strings.Count(string(b), " start epoch 7\nspoken\nspoken again\n") != 3 {
		t.Errorf("the output file holds\n%s%v", b, err)
	}
}

// full is a file on which every write fails as on a full disk, or one like it.
func full(string) (*os.File, error) {
	if file, err := os.OpenFile("/dev/full", os.O_RDWR|os.O_APPEND, 0); err == nil {
		return file, nil
	}
	return nil, syscall.ENOSPC
}

func noMemory(string) (*os.File, error) { return nil, errors.ErrUnsupported }

func TestFullDiskKeepsNoHookFromRunningAndWriting(t *testing.T) {
	r := newRig(t, "speaks", Options{})
	r.output.open = full
	if err := r.Stop(t.Context(), anOp); err != nil {
		t.Fatal(err)
	}
	r.read("done")
	log := r.log.String()
	if strings.Count(log, "WARN") != 1 || !strings.Contains(log, "WARN hook output cannot go to its file") {
		t.Errorf("log is\n%s", log)
	}
	if memory := r.output.memory; memory != nil && !strings.Contains(log, "line=spoken again") {
		t.Errorf("what went to memory was not logged:\n%s", log)
	}
	r.output.openMemory, r.output.memory = noMemory, nil
	if err := os.Remove(r.file("done")); err != nil {
		t.Fatal(err)
	}
	if err := r.Stop(t.Context(), anOp); err != nil {
		t.Fatal(err)
	}
	r.read("done")
}

func TestStateFolderThatVanishedKeepsNoHookFromRunning(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	r := newRig(t, "address-good", Options{})
	if err := os.Remove(r.dir); err != nil {
		t.Fatal(err)
	}
	address, err := r.Start(t.Context(), anOp)
	if err != nil || address != "192.0.2.7:8443" {
		t.Errorf("start is %q, %v", address, err)
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	t.Setenv("TMPDIR", "/no/such/folder")
	if _, err := r.Start(t.Context(), anOp); err == nil { // the script cannot write to ""
		t.Error("it succeeded")
	}
	if log := r.log.String(); !strings.Contains(log, "WARN hook gets no ROUSE_OUTPUT") {
		t.Errorf("log is\n%s", log)
	}
}

func TestResultOfAnEarlierStartDoesNotCount(t *testing.T) {
	r := newRig(t, "nothing", Options{})
	if err := os.WriteFile(r.resultAt, []byte("address=192.0.2.99\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if address, err := r.Start(t.Context(), anOp); err != nil || address != "" {
		t.Errorf("start is %q, %v", address, err)
	}
}

func TestOutputTakesNoLinkAndNoPipe(t *testing.T) {
	dir := t.TempDir()
	if _, err := openOutput(symlink(t, filepath.Join(dir, "elsewhere"), filepath.Join(dir, "link"))); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("link: %v", err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openOutput(fifo); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("pipe: %v", err)
	}
	file, err := openOutput(writeHook(t, filepath.Join(dir, "open"), nil, 0o644))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode: %v, %v", info, err)
	}
}

func TestRunCutsAFileThatADaemonFills(t *testing.T) {
	d := &Driver{output: output{path: filepath.Join(t.TempDir(), "web.log"), open: openOutput, log: slog.New(slog.DiscardHandler)}}
	daemon, err := openOutput(d.output.path)
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Close()
	memory, err := openOutput(filepath.Join(t.TempDir(), "memory"))
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	d.output.memory = memory
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { d.Run(ctx) })
		for range 3 {
			for _, file := range []*os.File{daemon, memory} {
				if _, err := file.Write(make([]byte, maxOutput+1)); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(trimEvery)
			synctest.Wait()
			if size, other := sizeOf(daemon), sizeOf(memory); size != 0 || other != 0 {
				t.Errorf("%d bytes are left in the file, %d in memory", size, other)
			}
		}
		cancel()
		running.Wait()
	})
}

func TestTrimLeavesAFileToTheRunThatReadsIt(t *testing.T) {
	r := newRig(t, "nothing", Options{})
	file, readable, err := r.output.claim("test")
	if err != nil || !readable {
		t.Fatal(err)
	}
	if err := file.Truncate(maxOutput + 1); err != nil {
		t.Fatal(err)
	}
	r.output.trim()
	if size := sizeOf(file); size != maxOutput+1 {
		t.Errorf("the file has %d bytes", size)
	}
	r.output.release(file)
	r.output.trim()
	if info, err := os.Stat(r.output.path); err != nil || info.Size() != 0 {
		t.Errorf("the file has %d bytes, %v", info.Size(), err)
	}
}

func TestMissingOutputFileIsNoTroubleForTrim(t *testing.T) {
	r := newRig(t, "nothing", Options{})
	r.output.trim()
	if log := r.log.String(); log != "" || exists(r.output.path) {
		t.Errorf("log is %q", log)
	}
	r.output.open = func(string) (*os.File, error) { return nil, fs.ErrPermission }
	writeHook(t, r.output.path, make([]byte, maxOutput+1), 0o600)
	r.output.trim()
	if log := r.log.String(); !strings.Contains(log, "WARN hook output cannot be cut") {
		t.Errorf("log is %q", log)
	}
}
