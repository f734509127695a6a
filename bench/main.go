//go:build linux

// Command bench measures rouse beside other TCP proxies and writes BENCHMARKS.md, plots and
// the raw results. It is also, as sub-commands that it starts itself, the load generator and
// the backend. Run it with `make bench`, on a machine that does nothing else.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/rouse-proxy/rouse/bench/internal/backend"
	"github.com/rouse-proxy/rouse/bench/internal/candidate"
	"github.com/rouse-proxy/rouse/bench/internal/course"
	"github.com/rouse-proxy/rouse/bench/internal/load"
	"github.com/rouse-proxy/rouse/bench/internal/report"
)

// settings are what the command line says.
type settings struct {
	options                 course.Options
	quick                   bool
	out, images, raw, from  string
	rouse, with, only, also string
	limit                   time.Duration
	firsts                  int
}

func main() {
	if err := dispatch(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// dispatch runs a sub-command, or the whole.
func dispatch(args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "backend":
			return backend.Run(os.Stdin, os.Stdout)
		case "load":
			return load.Run(os.Stdin, os.Stdout)
		case "activate":
			return candidate.Activate(args[1:])
		}
	}
	s, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	// A child is told to end when the thread that started it does: keep that the main one.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if s.from != "" {
		return again(s)
	}
	return s.measure(ctx)
}

func parse(args []string) (settings, error) {
	var s settings
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	quick := f.Bool("quick", false, "a short run that only shows that everything works")
	repeats := f.Int("repeats", 0, "visits to each candidate (default 7, quick 2)")
	window := f.Duration("window", 0, "length of each measurement (default 500ms, quick 100ms)")
	idle := f.Int("idle-conns", 0, "idle connections (default 5000 and then 9900, quick 200)")
	wake := f.Int("wake-clients", 0, "clients that wait (default 2000, quick 100)")
	f.DurationVar(&s.limit, "limit", 20*time.Minute, "end measuring after this long and report what there is")
	f.IntVar(&s.options.ClientFDs, "client-fds", 2, "the most descriptors that a candidate may take for a client; bounds how many come")
	f.StringVar(&s.out, "out", "BENCHMARKS.md", "the page to write")
	f.StringVar(&s.images, "images", "docs/images", "folder for the plots")
	f.StringVar(&s.raw, "json", "bin/bench.json", "file for the raw results")
	f.StringVar(&s.from, "from", "", "measure nothing: write page and plots from these raw results")
	f.StringVar(&s.rouse, "rouse", "", "a rouse program (default: build this tree)")
	f.StringVar(&s.also, "also", "", "another build of rouse to compare, as NAME=PATH")
	f.StringVar(&s.with, "with", "", "candidates, separated by commas (default: all that are here)")
	f.StringVar(&s.only, "only", "", "scenarios or parts (idle, rates, wake, waiting, profile), separated by commas (default: all)")
	f.IntVar(&s.firsts, "firsts", -1, "wakes of BenchmarkFirstByte, 0 for none (default 30, quick 5)")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if f.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	s.quick = *quick
	s.fill(*repeats, *window, *idle, *wake)
	return s, nil
}

// fill takes a full or a quick run and changes what was asked for.
func (s *settings) fill(repeats int, window time.Duration, idle, wake int) {
	fds, o := s.options.ClientFDs, course.Full()
	firsts := 30
	if s.quick {
		o, firsts = course.Quick(), 5
	}
	if s.firsts < 0 {
		s.firsts = firsts
	}
	if repeats > 0 {
		o.Repeats = repeats
		o.IdleRepeats = min(repeats, o.IdleRepeats)
	}
	if window > 0 {
		o.Window = window
	}
	if idle > 0 {
		o.IdleConns, o.IdleMost = idle, 0
	}
	if wake > 0 {
		o.WakeClients = wake
	}
	o.Only = split(s.only)
	o.ClientFDs = max(fds, 1)
	s.options = o
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

// again writes the page from results that were kept.
func again(s settings) error {
	text, err := os.ReadFile(s.from)
	if err != nil {
		return err
	}
	var run report.Run
	if err := json.Unmarshal(text, &run); err != nil {
		return fmt.Errorf("reading %s: %w", s.from, err)
	}
	return s.publish(&run)
}

// publish writes the page and the plots.
func (s settings) publish(run *report.Run) error {
	if err := os.MkdirAll(s.images, 0o755); err != nil {
		return err
	}
	for _, figure := range run.Figures() {
		if err := create(filepath.Join(s.images, figure.Name+".svg"), figure.WriteSVG); err != nil {
			return err
		}
	}
	images, err := filepath.Rel(filepath.Dir(s.out), s.images)
	if err != nil {
		return err
	}
	if err := create(s.out, pageWriter(run, filepath.ToSlash(images))); err != nil {
		return err
	}
	fmt.Println("written:", s.out, "and the plots in", s.images)
	return nil
}
