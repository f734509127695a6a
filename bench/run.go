//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rouse-proxy/rouse/bench/internal/candidate"
	"github.com/rouse-proxy/rouse/bench/internal/course"
	"github.com/rouse-proxy/rouse/bench/internal/procfs"
	"github.com/rouse-proxy/rouse/bench/internal/report"
)

// measure does the whole: build, run, write.
func (s settings) measure(ctx context.Context) (err error) {
	start := time.Now()
	dir, remove, err := course.Scratch()
	if err != nil {
		return err
	}
	defer remove()
	if err := s.prepare(ctx, dir); err != nil {
		return err
	}
	run := &report.Run{Date: start.Format("2006-01-02"), Command: command(), Setup: s.options.Setup(), Machine: machine()}
	run.Setup.Quick = s.quick
	run.Machine.DescriptorLimit = s.options.Limit
	if run.Machine.BusyBefore, err = busy(ctx, 2*time.Second); err != nil {
		return err
	}
	before, err := procfs.Now()
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, s.limit)
	err = course.Run(limited, s.options, run)
	cancel()
	if err == nil && s.firsts > 0 {
		err = s.firstBytes(ctx, run)
	}
	after, _ := procfs.Now()
	stolen := after.Stolen - before.Stolen
	run.Machine.StolenPercent = 100 * float64(stolen) / max(1, float64(after.Busy-before.Busy+after.Idle-before.Idle+stolen))
	run.Took = time.Since(start).Round(time.Second).String()
	if kept := s.keep(run); kept != nil {
		return errors.Join(err, kept)
	}
	if err != nil {
		return err
	}
	fmt.Println("took", run.Took)
	return s.publish(run)
}

// prepare builds rouse if need be, and completes the options.
func (s *settings) prepare(ctx context.Context, dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if s.rouse == "" {
		s.rouse, s.options.Symbols = filepath.Join(dir, "rouse"), filepath.Join(dir, "rouse-symbols")
		if err := errors.Join(build(ctx, s.rouse, "-s -w"), build(ctx, s.options.Symbols, "")); err != nil {
			return err
		}
	}
	s.rouse, err = filepath.Abs(s.rouse)
	if err != nil {
		return err
	}
	o := &s.options
	o.Self, o.Dir, o.Log = self, dir, os.Stderr
	if o.Limit, err = raiseLimit(); err != nil {
		return err
	}
	o.Candidates, o.Wakers = candidate.All(s.rouse), candidate.Wakers(s.rouse)
	if name, path, ok := strings.Cut(s.also, "="); ok {
		if path, err = filepath.Abs(path); err != nil {
			return err
		}
		o.Candidates = append(o.Candidates, candidate.Rouse(name, path))
		o.Wakers = append(o.Wakers, candidate.Rouse(name, path, "--settle=0"))
	}
	if names := split(s.with); len(names) > 0 {
		other := func(c candidate.Candidate) bool { return !slices.Contains(names, c.Name) }
		o.Candidates, o.Wakers = slices.DeleteFunc(o.Candidates, other), slices.DeleteFunc(o.Wakers, other)
	}
	return nil
}

// build makes rouse from this tree.
func build(ctx context.Context, path, ldflags string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags="+ldflags, "-o", path, "./cmd/rouse")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building rouse: %w: %s", err, out)
	}
	return nil
}

// raiseLimit takes as many descriptors as may be had, for us and for our children.
func raiseLimit() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("reading the descriptor limit: %w", err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("raising the descriptor limit: %w", err)
	}
	if limit.Cur < 1024 {
		return 0, fmt.Errorf("the descriptor limit is %d; the benchmarks need 1024", limit.Cur)
	}
	return int(min(limit.Cur, 1<<20)), nil
}

// firstBytes runs the benchmark that wakes the daemon again and again.
func (s settings) firstBytes(ctx context.Context, run *report.Run) error {
	if len(s.options.Only) > 0 && !slices.Contains(s.options.Only, "first") {
		return nil
	}
	fmt.Fprintln(os.Stderr, "wakes one after another, by BenchmarkFirstByte")
	cmd := exec.CommandContext(ctx, "go", "test", "-run=^$", "-bench=FirstByte",
		"-benchtime="+strconv.Itoa(s.firsts)+"x", "./internal/app")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // go ends the test with itself
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "BenchmarkFirstByte failed: %v: %s\n", err, out)
		run.LeftOut = append(run.LeftOut, report.Subject{Name: "BenchmarkFirstByte", About: err.Error()})
		return nil
	}
	run.Readings = report.ParseReadings(string(out))
	return nil
}

// keep writes the raw results.
func (s settings) keep(run *report.Run) error {
	text, err := json.Marshal(run)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.raw), 0o755); err != nil {
		return err
	}
	return os.WriteFile(s.raw, append(text, '\n'), 0o644)
}

// busy tells what percent of the machine others use while we do nothing.
func busy(ctx context.Context, d time.Duration) (float64, error) {
	before, err := procfs.Now()
	if err != nil {
		return 0, err
	}
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(d):
	}
	after, err := procfs.Now()
	used, free := after.Busy-before.Busy, after.Idle-before.Idle
	return 100 * float64(used) / max(1, float64(used+free)), err
}

// machine describes where we are.
func machine() report.Machine {
	m := report.Machine{Cores: runtime.NumCPU(), Go: runtime.Version() + " " + runtime.GOARCH}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
				m.CPU = strings.TrimSpace(value)
			}
		}
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		kb, _ := procfs.Field(string(text), "MemTotal")
		m.MemoryMB = kb >> 10
	}
	var names unix.Utsname
	if unix.Uname(&names) == nil {
		m.Kernel = unix.ByteSliceToString(names.Release[:])
	}
	return m
}

// command is how to do this again: `make bench` builds the program in bin.
func command() string {
	args := os.Args[1:]
	if len(args) == 0 {
		return "make bench"
	}
	return "make bench BENCHFLAGS='" + strings.Join(args, " ") + "'"
}

// pageWriter binds the page's images.
func pageWriter(run *report.Run, images string) func(io.Writer) error {
	return func(w io.Writer) error { return run.Write(w, images) }
}

// create writes a file whole, or says why not.
func create(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
