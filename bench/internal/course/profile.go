//go:build linux

package course

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/rouse-proxy/rouse/bench/internal/candidate"
	"github.com/rouse-proxy/rouse/bench/internal/load"
	"github.com/rouse-proxy/rouse/bench/internal/perf"
	"github.com/rouse-proxy/rouse/bench/internal/procfs"
	"github.com/rouse-proxy/rouse/bench/internal/report"
)

// hz is how often a second of CPU time is sampled; a wake, which takes little, more often.
const hz, wakeHz = 997, 4999

// rest is how long perf still looks when the load is over. It stops counting one system call
// after the other, and the sums would be wrong if the proxy closed its connections meanwhile.
const rest = 200 * time.Millisecond

// tool builds the command line before that of the load, given the place's folder.
type tool func(dir string, pids []int) []string

func sampling(dir string, pids []int) []string {
	return perf.Record(filepath.Join(dir, "samples"), pids, hz)
}

func wakeSampling(dir string, pids []int) []string {
	return perf.Record(filepath.Join(dir, "samples"), pids, wakeHz)
}

func counting(dir string, pids []int) []string {
	return perf.Stat(filepath.Join(dir, "counts"), pids)
}

// profile shows where rouse's time goes, and how many system calls it and others make. It
// runs by itself at the end, as perf slows down what it looks at.
func (c *course) profile(ctx context.Context) error {
	if !slices.ContainsFunc(c.Candidates, isRouse) {
		return nil
	}
	if err := perf.Missing(); err != nil {
		fmt.Fprintf(c.Log, "no profile: %v\n", err)
		c.run.NoProfile = err.Error()
		return nil
	}
	for _, sc := range c.scenarios() {
		if !slices.ContainsFunc(report.Profiles, func(p report.Profiled) bool { return p.Key == sc.key }) {
			continue
		}
		fmt.Fprintf(c.Log, "profile, %s:", sc.key)
		sc.job.Warm, sc.job.Window, sc.job.Core = 0, c.Profile, -1
		for _, cand := range c.Candidates {
			if err := c.profileOne(ctx, sc, cand); err != nil {
				return err
			}
		}
		fmt.Fprintln(c.Log)
	}
	return c.profileWake(ctx)
}

func isRouse(cand candidate.Candidate) bool { return cand.Name == "rouse" }

// named is the candidate, or the same rouse with the names of its functions.
func (c *course) named(cand candidate.Candidate) candidate.Candidate {
	if isRouse(cand) && c.Symbols != "" {
		cand.Path = c.Symbols
	}
	return cand
}

// profileOne samples rouse and counts its system calls, each in a run of its own. Of
// others only the calls are counted, of those that have a fixed set of processes.
func (c *course) profileOne(ctx context.Context, sc scenario, cand candidate.Candidate) error {
	if !isRouse(cand) && !slices.Contains([]string{"haproxy", "haproxy-tuned", "nginx"}, cand.Name) {
		return nil
	}
	s, err := c.put(c.named(cand), true)
	if err != nil {
		return c.keepProfile(ctx, report.Profile{Scenario: sc.key, Candidate: cand.Name}, err)
	}
	defer func() { _ = c.take(s) }() // nothing is measured any more
	p := report.Profile{Scenario: sc.key, Candidate: cand.Name}
	job := sc.job
	job.Addr = s.Listen
	if isRouse(cand) {
		if _, err = c.under(ctx, s, sampling, job); err == nil {
			p.Samples, err = perf.Samples(ctx, filepath.Join(s.Dir, "samples"))
		}
	}
	job.Window /= 2
	result, failed := c.under(ctx, s, counting, job)
	if failed == nil {
		p.Work = result.Work
		p.Calls, failed = perf.Counts(filepath.Join(s.Dir, "counts"))
	}
	return c.keepProfile(ctx, p, errors.Join(err, failed))
}

// under runs the job while perf looks at the stand's processes.
func (c *course) under(ctx context.Context, s *stand, t tool, job load.Job) (load.Result, error) {
	job.Rest = rest
	w, err := c.workUnder(ctx, t(s.Dir, pids(s)), job)
	if err != nil {
		return load.Result{}, err
	}
	return sound(w.result())
}

// sound makes an error of a result with errors.
func sound(result load.Result, err error) (load.Result, error) {
	if err == nil && result.Errors > 0 {
		err = fmt.Errorf("%d errors: %s", result.Errors, result.Note)
	}
	return result, err
}

func pids(s *stand) []int {
	var all []int
	for _, p := range procfs.Tree(s.pid()) {
		all = append(all, p.PID)
	}
	return all
}

// profileWake looks at rouse from its first waiting client to the last answer.
func (c *course) profileWake(ctx context.Context) error {
	i := slices.IndexFunc(c.Wakers, isRouse)
	if i < 0 {
		return nil
	}
	fmt.Fprint(c.Log, "profile, wake:")
	defer fmt.Fprintln(c.Log)
	p := report.Profile{Scenario: "wake", Candidate: c.Wakers[i].Name}
	dir, _, err := c.wakeUnder(ctx, c.Wakers[i], wakeSampling)
	if err == nil {
		p.Samples, err = perf.Samples(ctx, filepath.Join(dir, "samples"))
	}
	dir, result, failed := c.wakeUnder(ctx, c.Wakers[i], counting)
	if failed == nil {
		p.Work = result.Work
		p.Calls, failed = perf.Counts(filepath.Join(dir, "counts"))
	}
	return c.keepProfile(ctx, p, errors.Join(err, failed))
}

// wakeUnder lets clients wait for a backend while perf looks, and gives the stand's folder.
func (c *course) wakeUnder(ctx context.Context, cand candidate.Candidate, t tool) (string, load.Result, error) {
	s, err := c.put(c.named(cand), false)
	if err != nil {
		return "", load.Result{}, err
	}
	defer func() { _ = c.take(s) }() // the backend may not listen yet
	job := load.Job{Kind: "wake", Addr: s.Listen, Streams: c.wakeClients(), Core: -1, Window: 10 * time.Second, Rest: rest}
	w, err := c.workUnder(ctx, t(s.Dir, pids(s)), job)
	if err != nil {
		return "", load.Result{}, err
	}
	_, err = w.held()
	if err == nil {
		err = pause(ctx, settle)
	}
	if err == nil {
		_, err = c.order("listen", s.Backend, backlog)
	}
	if err != nil {
		w.cancel()
	}
	result, failed := sound(w.result())
	return s.Dir, result, errors.Join(err, failed)
}

// keepProfile keeps what there is, with the reason for what is not. What the end of the run
// has cut short is not kept.
func (c *course) keepProfile(ctx context.Context, p report.Profile, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	fmt.Fprintf(c.Log, " %s", p.Candidate)
	if err != nil {
		p.Note = err.Error()
		fmt.Fprintf(c.Log, " (%v)", err)
	}
	c.run.Profiles = append(c.run.Profiles, p)
	return nil
}
