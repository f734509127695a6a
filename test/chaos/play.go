//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rouse-proxy/rouse/test/chaos/internal/cell"
	"github.com/rouse-proxy/rouse/test/chaos/internal/town"
)

// A sum is what all rounds came to.
type sum struct {
	rounds   int
	bad      []*town.Result // rounds with violations
	broken   []error        // rounds that could not be judged
	faults   map[string]int
	leftOut  map[string]int
	clients  map[string]int
	wakes    int
	runs     int
	bytes    int64
	events   int
	billed   float64
	needed   float64
	stranded int
	took     time.Duration
	kept     bool   // something that is not bad is worth a look
	dir      string // of what was kept; empty if nothing was
}

// mostLeak is how much more than it was needed a machine may run, over all rounds. Beyond that a few seconds are no
// matter: in few rounds a single pause between two tries would count for too much.
const (
	mostLeak = 1.05
	noMatter = 5.0 // seconds
)

// noticeable is a leak of one round that is worth a look. It is no violation: what a hook takes to run counts for much
// in a short round.
const noticeable = 1.15

// leak is billed by needed, of one round.
func leak(r *town.Result) float64 {
	if r.Needed == 0 {
		return 1
	}
	return r.Billed / r.Needed
}

func (s *sum) leak() float64 {
	if s.needed == 0 {
		return 1
	}
	return s.billed / s.needed
}

// leaks says whether too much was billed.
func (s *sum) leaks() bool { return s.billed > mostLeak*s.needed+noMatter }

func (s *sum) failed() bool { return len(s.bad) > 0 || len(s.broken) > 0 || s.leaks() }

// add counts one round.
func (s *sum) add(r *town.Result) {
	s.rounds++
	for _, n := range r.Nemeses {
		s.faults[n]++
	}
	for _, n := range r.LeftOut {
		s.leftOut[n]++
	}
	for outcome, n := range r.Clients {
		s.clients[string(outcome)] += n
	}
	s.wakes += r.Wakes
	s.runs += r.Runs
	s.bytes += r.Bytes
	s.events += r.Events
	s.billed += r.Billed
	s.needed += r.Needed
	s.stranded += r.Stranded
	if len(r.Violations) > 0 {
		s.bad = append(s.bad, r)
	}
	s.kept = s.kept || leak(r) >= noticeable
}

// A task is what a cell is told to do, in a file.
type task struct {
	Try  bool // only the tools
	Town town.Options
}

const (
	taskFile   = "task.json"
	resultFile = "result.json"
)

// play plays all rounds. It tells each when it is over, and what there is to say about this machine.
func (s settings) play(ctx context.Context, told func(*town.Result, error), say func(string)) (*sum, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("chaos makes namespaces and mounts: run it as root")
	}
	began := time.Now()
	dir, err := s.workDir()
	if err != nil {
		return nil, err
	}
	total := &sum{faults: map[string]int{}, leftOut: map[string]int{}, clients: map[string]int{}, dir: dir}
	tidy := func() {
		if len(total.bad) == 0 && len(total.broken) == 0 && !total.kept && !s.keep {
			_ = os.RemoveAll(dir)
			total.dir = ""
		}
	}
	defer tidy()
	programs, err := build(ctx, dir, s.race, say)
	if err != nil {
		return nil, err
	}
	tools, err := try(ctx, dir, programs)
	if err != nil {
		return nil, err
	}
	for _, line := range tools.LeftOut() {
		say("left out: " + line)
	}
	var mu sync.Mutex
	s.each(ctx, func(round int) {
		r, err := s.round(ctx, round, dir, programs, tools)
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() != nil {
			return // it was cut short
		}
		if err != nil {
			total.broken = append(total.broken, err)
		} else {
			total.add(r)
		}
		told(r, err)
	})
	total.took = time.Since(began)
	if ctx.Err() != nil {
		say("stopped early")
	}
	return total, nil
}

// workDir is where all is written. The names of sockets in it must be short.
func (s settings) workDir() (string, error) {
	if s.dir != "" {
		return filepath.Abs(s.dir)
	}
	return os.MkdirTemp("", "rouse-chaos-")
}

// each calls f for every round, some at a time, until ctx ends.
func (s settings) each(ctx context.Context, f func(round int)) {
	var workers sync.WaitGroup
	next := make(chan int)
	for range s.towns {
		workers.Go(func() {
			for round := range next {
				f(round)
			}
		})
	}
	for round := s.first; round < s.first+s.rounds && ctx.Err() == nil; round++ {
		select {
		case next <- round:
		case <-ctx.Done():
		}
	}
	close(next)
	workers.Wait()
}

// round plays one round in a cell of its own.
func (s settings) round(ctx context.Context, round int, dir string, p programs, tools town.Tools) (*town.Result, error) {
	place := filepath.Join(dir, fmt.Sprintf("round-%d", round))
	if err := os.MkdirAll(place, 0o755); err != nil {
		return nil, err
	}
	group := newGroup()
	defer removeGroup(group)
	ctx, cancel := context.WithTimeoutCause(ctx, s.limit, fmt.Errorf("it took longer than %v", s.limit))
	defer cancel()
	plan := town.NewPlan(s.seed, round)
	var said bytes.Buffer
	result := new(town.Result)
	err := inCell(ctx, place, &said, task{Town: town.Options{
		Plan: plan, Rouse: p.rouse, Cloud: p.cloud, Jump: p.jump, Dir: place, Cgroup: group, Tools: tools, Talk: s.talk,
	}}, result)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("seed %d, round %d (%v) could not be judged: %w: %s (see %s)", s.seed, round, plan.Names(), err, bytes.TrimSpace(said.Bytes()), place)
	}
	if len(result.Violations) == 0 && !s.keep && leak(result) < noticeable {
		_ = os.RemoveAll(place)
	}
	return result, nil
}

// try looks which tools there are.
func try(ctx context.Context, dir string, p programs) (town.Tools, error) {
	place := filepath.Join(dir, "try")
	if err := os.MkdirAll(place, 0o755); err != nil {
		return nil, err
	}
	defer os.RemoveAll(place)
	group := newGroup()
	defer removeGroup(group)
	var said bytes.Buffer
	var tools town.Tools
	err := inCell(ctx, place, &said, task{Try: true, Town: town.Options{Cgroup: group, Jump: p.jump}}, &tools)
	if err != nil {
		return nil, fmt.Errorf("making a cell with a network: %w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	return tools, nil
}

// inCell lets a cell do a task, and reads its result.
func inCell(ctx context.Context, place string, said *bytes.Buffer, t task, result any) error {
	data, err := json.MarshalIndent(t, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(place, taskFile), data, 0o644); err != nil {
		return err
	}
	job := cell.Job{Args: []string{place}, Output: os.Stdout, Errors: said}
	if t.Town.Talk {
		job.Errors = os.Stderr
	}
	if err := cell.Run(ctx, job); err != nil {
		return err
	}
	if data, err = os.ReadFile(filepath.Join(place, resultFile)); err != nil {
		return err
	}
	return json.Unmarshal(data, result)
}

// work is what runs in a cell.
func work(args []string) int {
	if err := workIn(args[0]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func workIn(place string) error {
	data, err := os.ReadFile(filepath.Join(place, taskFile))
	if err != nil {
		return err
	}
	var t task
	if err := json.Unmarshal(data, &t); err != nil {
		return err
	}
	ctx, stop := untilTold()
	defer stop()
	var result any
	if t.Try {
		result, err = town.Try(t.Town.Cgroup, t.Town.Jump)
	} else {
		result, err = town.Run(ctx, t.Town)
	}
	if err != nil {
		return err
	}
	if data, err = json.Marshal(result); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(place, resultFile), data, 0o644)
}
