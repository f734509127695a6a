//go:build linux

package course

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/rouse-proxy/rouse/bench/internal/candidate"
	"github.com/rouse-proxy/rouse/bench/internal/load"
	"github.com/rouse-proxy/rouse/bench/internal/procfs"
	"github.com/rouse-proxy/rouse/bench/internal/report"
	"github.com/rouse-proxy/rouse/bench/internal/stats"
)

// course is a run under way.
type course struct {
	Options
	run     *report.Run
	backend *child
	hosts   map[string]byte // last byte of the address, by candidate
	placed  int
	cores   []int
}

// Run measures and adds what it finds to run. If ctx ends by its deadline, what there is
// by then is the result; if it ends otherwise, that is an error.
func Run(ctx context.Context, o Options, run *report.Run) error {
	cores, err := procfs.Cores()
	if err != nil {
		return err
	}
	c := &course{Options: o, run: run, hosts: map[string]byte{}, cores: cores}
	// The backend outlives the context's end, so that its orders can still be carried out.
	if c.backend, err = startChild(context.WithoutCancel(ctx), o.Self, "backend"); err != nil {
		return err
	}
	err = c.all(ctx)
	if ended := c.backend.end(); ended != nil {
		err = errors.Join(err, fmt.Errorf("ending the backend: %w", ended))
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		fmt.Fprintln(o.Log, "the time is over: the report holds what has been measured")
		return nil
	}
	return errors.Join(err, ctx.Err())
}

// all runs the parts in an order in which none spoils the next: memory first, before the
// kernel is full of sockets that wait for their end.
func (c *course) all(ctx context.Context) error {
	c.sift()
	for _, part := range []struct {
		key string
		do  func(context.Context) error
	}{{"idle", c.idle}, {"rates", c.rates}, {"wake", c.wakes}, {"waiting", c.waiting}, {"profile", c.profile}} {
		if !c.wants(part.key) {
			continue
		}
		if err := part.do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// wants reports whether a part or scenario is to be run.
func (c *course) wants(key string) bool {
	if len(c.Only) == 0 || slices.Contains(c.Only, key) {
		return true
	}
	named := func(s scenario) bool { return slices.Contains(c.Only, s.key) }
	return key == "rates" && slices.ContainsFunc(c.scenarios(), named)
}

// sift leaves out what is not here and says so.
func (c *course) sift() {
	missing := func(cand candidate.Candidate) bool {
		err := cand.Missing()
		if err != nil {
			c.leaveOut(cand, err)
		}
		return err != nil
	}
	c.Candidates = slices.DeleteFunc(slices.Clone(c.Candidates), missing)
	c.Wakers = slices.DeleteFunc(slices.Clone(c.Wakers), missing)
	for _, cand := range c.Candidates {
		c.run.Subjects = append(c.run.Subjects, report.Subject{Name: cand.Name, About: cand.About, Version: cand.VersionText()})
	}
	for _, cand := range c.Wakers {
		if !slices.ContainsFunc(c.run.Subjects, func(s report.Subject) bool { return s.Name == cand.Name }) {
			c.run.Subjects = append(c.run.Subjects, report.Subject{Name: cand.Name, About: cand.About, Version: cand.VersionText()})
		}
	}
}

func (c *course) leaveOut(cand candidate.Candidate, why error) {
	fmt.Fprintf(c.Log, "left out: %s: %v\n", cand.Name, why)
	c.run.LeftOut = append(c.run.LeftOut, report.Subject{Name: cand.Name, About: why.Error()})
}

// rotated begins with another element each time.
func rotated[T any](all []T, by int) []T {
	if len(all) == 0 {
		return nil
	}
	by %= len(all)
	return slices.Concat(all[by:], all[:by])
}

// rates measures all candidates, which run side by side and idle while another's turn is.
func (c *course) rates(ctx context.Context) error {
	var stands []*stand
	defer func() {
		for _, s := range stands {
			_ = c.take(s) // the run is over
		}
	}()
	for _, cand := range c.Candidates {
		s, err := c.put(cand, true)
		if err != nil {
			c.leaveOut(cand, err)
			continue
		}
		stands = append(stands, s)
	}
	for repeat := range c.Repeats {
		for i, sc := range c.scenarios() {
			if !slices.Contains(c.Only, "rates") && !c.wants(sc.key) {
				continue
			}
			fmt.Fprintf(c.Log, "repeat %d of %d, %s:", repeat+1, c.Repeats, sc.key)
			for _, s := range rotated(stands, repeat+i) {
				if err := c.visit(ctx, sc, s, repeat); err != nil {
					return err
				}
			}
			fmt.Fprintln(c.Log)
		}
	}
	return nil
}

// visit carries out one scenario at one candidate.
func (c *course) visit(ctx context.Context, sc scenario, s *stand, repeat int) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	job := sc.job
	job.Addr, job.PID, job.Core = s.Listen, s.pid(), -1
	if sc.pinned {
		job.Core = c.cores[len(c.cores)-1]
		defer c.pin(s, c.cores)
		c.pin(s, []int{job.Core})
	}
	w, err := c.work(ctx, job)
	if err != nil {
		return err
	}
	result, err := w.result()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil { // it hung, and was killed: the candidate's fault, and its alone
		result = load.Result{Errors: 1, Note: err.Error()}
	}
	if s.proc != nil && s.proc.Ended() != nil {
		result.Errors, result.Note = max(result.Errors, 1), s.proc.Ended().Error()
		c.revive(s)
	}
	c.note(sc.key, s.Name, repeat, result)
	// What was aborted disappears, and the next one begins on a quiet machine.
	return pause(ctx, 30*time.Millisecond)
}

// revive starts a candidate that has ended again. If that fails, the next visit tells.
func (c *course) revive(s *stand) {
	_ = c.take(s) // its backend may be closed already
	if fresh, err := c.put(s.Candidate, true); err == nil {
		*s = *fresh
	}
}

// pin binds a proxy and the backend to processors. What cannot be bound is measured unbound.
func (c *course) pin(s *stand, cores []int) {
	for _, pid := range []int{s.pid(), c.backend.cmd.Process.Pid} {
		if pid == 0 {
			continue
		}
		if err := procfs.Pin(pid, cores); err != nil {
			fmt.Fprintf(c.Log, " (%v)", err)
		}
	}
}

// note keeps one sample and prints its first figure.
func (c *course) note(scenario, name string, repeat int, r load.Result) {
	c.run.Samples = append(c.run.Samples, report.Sample{
		Scenario: scenario, Candidate: name, Repeat: repeat, Values: rounded(r.Values), Errors: r.Errors, Note: r.Note,
	})
	fmt.Fprintf(c.Log, " %s", name)
	if key := report.Headline(scenario); key != "" {
		if v, ok := r.Values[key]; ok {
			fmt.Fprintf(c.Log, " %s", stats.Format(v))
		}
	}
	if r.Errors > 0 {
		fmt.Fprintf(c.Log, " (%d errors: %s)", r.Errors, r.Note)
	}
}

// rounded keeps five digits: more are noise, and the raw results stay small.
func rounded(values map[string]float64) map[string]float64 {
	out := make(map[string]float64, len(values))
	for key, v := range values {
		var short float64
		if _, err := fmt.Sscan(fmt.Sprintf("%.5g", v), &short); err == nil {
			out[key] = short
		}
	}
	return out
}

// pause waits, or ends early with the context.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// Scratch makes the folder of a run. Only we may look into it.
func Scratch() (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp("", "rouse-bench-")
	if err != nil {
		return "", nil, err
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}
