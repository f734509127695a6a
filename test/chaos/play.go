//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	st := stage{settings: s, dir: dir}
	if st.programs, err = s.build(ctx, dir, say); err != nil {
		return nil, err
	}
	if st.tools, err = st.try(ctx); err != nil {
		return nil, err
	}
	for _, line := range st.tools.LeftOut() {
		say("left out: " + line)
	}
	var mu sync.Mutex
	s.each(ctx, func(round int) {
		r, err := st.round(ctx, round)
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

// A stage is where rounds are played.
type stage struct {
	settings
	dir      string
	programs programs
	tools    town.Tools
}

// round plays one round in a cell of its own.
func (st *stage) round(ctx context.Context, round int) (*town.Result, error) {
	place := filepath.Join(st.dir, fmt.Sprintf("round-%d", round))
	group := newGroup()
	defer removeGroup(group)
	ctx, cancel := context.WithTimeoutCause(ctx, st.limit, fmt.Errorf("it took longer than %v", st.limit))
	defer cancel()
	plan, result := town.NewPlan(st.seed, round), new(town.Result)
	err := inCell(ctx, task{Town: town.Options{
		Plan: plan, Rouse: st.programs.rouse, Cloud: st.programs.cloud, Jump: st.programs.jump,
		Dir: place, Cgroup: group, Tools: st.tools, Talk: st.talk,
	}}, result)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("seed %d, round %d (%v) could not be judged: %w (see %s)", st.seed, round, plan.Names(), err, place)
	}
	if len(result.Violations) == 0 && !st.keep && leak(result) < noticeable {
		_ = os.RemoveAll(place)
	}
	return result, nil
}

// try looks which tools there are.
func (st *stage) try(ctx context.Context) (town.Tools, error) {
	place := filepath.Join(st.dir, "try")
	defer os.RemoveAll(place)
	group := newGroup()
	defer removeGroup(group)
	var tools town.Tools
	if err := inCell(ctx, task{Try: true, Town: town.Options{Dir: place, Cgroup: group, Jump: st.programs.jump}}, &tools); err != nil {
		return nil, fmt.Errorf("making a cell with a network: %w", err)
	}
	return tools, nil
}

// inCell lets a cell do a task, and reads its result. The error has what was said there.
func inCell(ctx context.Context, t task, result any) error {
	place := t.Town.Dir
	if err := os.MkdirAll(place, 0o755); err != nil {
		return err
	}
	data, err := json.MarshalIndent(t, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(place, taskFile), data, 0o644); err != nil {
		return err
	}
	var said bytes.Buffer
	job := cell.Job{Args: []string{place}, Output: os.Stdout, Errors: &said}
	if t.Town.Talk {
		job.Errors = io.MultiWriter(&said, os.Stderr)
	}
	if err := cell.Run(ctx, job); err != nil {
		return fmt.Errorf("%w: %s", err, lastLine(said.Bytes()))
	}
	if data, err = os.ReadFile(filepath.Join(place, resultFile)); err != nil {
		return err
	}
	return json.Unmarshal(data, result)
}

func lastLine(b []byte) []byte {
	b = bytes.TrimSpace(b)
	return b[bytes.LastIndexByte(b, '\n')+1:]
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
