//go:build linux

package town

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rouse-proxy/rouse/internal/fakecloud"
	"github.com/rouse-proxy/rouse/internal/trace"
	"github.com/rouse-proxy/rouse/test/chaos/internal/crowd"
)

// A Result is what the judges say of a round.
type Result struct {
	Seed       uint64
	Round      int
	Nemeses    []string // that were at work
	LeftOut    []string // that the plan has, but the machine cannot do
	Wakes      int
	Runs       int // of rouse
	Clients    map[crowd.Outcome]int
	Bytes      int64 // that came back and were right
	Billed     float64
	Needed     float64
	Stranded   int
	Events     int // lines of the trace
	Faults     map[fakecloud.Kind]int
	Took       time.Duration
	Violations []string
	Dir        string
}

// longestPause is the longest that a stop which was refused once or twice may wait until it is tried again.
const longestPause = 5 * time.Second

// judge asks everybody.
//
// Needed is what the provider's meter says: while a client is there, from its first packet to its end, and for a cooldown
// after that; while the machine boots or halts; while a nemesis is at work that rouse can do nothing about, such as one
// that kills or freezes it; and until rouse knows of a client's end that was lost on the way. To that comes the time after
// a stop that the provider refused.
func (t *Town) judge(r fakecloud.Reading, verdicts []crowd.Verdict) (*Result, error) {
	t.judgeMeter(r)
	if r.UnderClient > 0 {
		t.judgeStops(r.UnderClient, verdicts)
	}
	t.judgeClients(verdicts)
	t.judgeLog()
	t.judgeDeaths()
	events, err := t.judgeTrace()
	if err != nil {
		return nil, err
	}
	t.cloud.end()
	t.judgeLeftovers()
	t.mu.Lock()
	defer t.mu.Unlock()
	result := &Result{
		Seed: t.Plan.Seed, Round: t.Plan.Round, Wakes: r.Starts, Runs: t.rouse.runs, Clients: map[crowd.Outcome]int{},
		Billed: r.Billed, Needed: min(r.Billed, r.Needed+t.refused().Seconds()), Events: events, Faults: r.Faults,
		Took: time.Since(t.began), Violations: t.complaints, Dir: t.Dir,
	}
	if r.State != fakecloud.Stopped {
		result.Stranded = 1
	}
	for _, a := range t.Plan.Acts {
		if t.Tools.Missing(nemeses[a.Nemesis].tool) {
			result.LeftOut = append(result.LeftOut, a.Nemesis)
		} else {
			result.Nemeses = append(result.Nemeses, a.Nemesis)
		}
	}
	for _, v := range verdicts {
		result.Clients[v.Outcome]++
		result.Bytes += v.Checked
	}
	return result, nil
}

// judgeMeter reads the provider's own account.
func (t *Town) judgeMeter(r fakecloud.Reading) {
	if r.Overlaps > 0 {
		t.complain("%d operations overlapped", r.Overlaps)
	}
	if r.StatusOverlaps > 0 && t.rouse.runs < 2 { // a status hook has no keeper: one of a rouse that was killed may live on
		t.complain("%d status hooks ran beside others", r.StatusOverlaps)
	}
	if r.StrangerBytes > 0 {
		t.complain("a stranger got %d bytes", r.StrangerBytes)
	}
	for _, p := range r.Problems {
		t.complain("the cloud says: %s", p)
	}
}

// judgeStops looks at stops that the provider saw under a client. Where packets are lost it may have seen a ghost: a
// connection whose end never came through. Then a client must have been hurt, soon after.
func (t *Town) judgeStops(n int, verdicts []crowd.Verdict) {
	if !slices.ContainsFunc(t.Plan.Acts, func(a Act) bool { return nemeses[a.Nemesis].ghosts }) {
		t.complain("%d stops were asked for under a client", n)
		return
	}
	for _, stop := range t.facts("stop under a client") {
		for _, v := range verdicts {
			hurt := v.Outcome != crowd.Served && v.Outcome != crowd.Left && v.Outcome != crowd.Refused
			if hurt && v.Checked > 0 && v.Born.Before(stop.At) && v.Ended.After(stop.At) && v.Ended.Before(stop.At.Add(2*time.Second)) &&
				!t.rouse.diedWithin(v.Born, v.Ended) {
				t.complain("a stop was asked for under client %d (%s), %v after it had come", v.ID, v.Local, stop.At.Sub(v.Born))
			}
		}
	}
}

// facts are those of some kinds, from the cloud's log.
func (t *Town) facts(what ...string) []fakecloud.Fact {
	data, err := os.ReadFile(filepath.Join(t.Dir, cloudLog))
	if err != nil {
		t.complain("the cloud's log cannot be read: %v", err)
	}
	var all []fakecloud.Fact
	for line := range strings.Lines(string(data)) {
		var f fakecloud.Fact
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.complain("the cloud's log has a bad line %q: %v", line, err)
		} else if slices.Contains(what, f.What) {
			all = append(all, f)
		}
	}
	return all
}

// refused is for how long the machine ran on since the provider had refused to stop it: from there to when it was asked
// again, or the machine's state changed.
func (t *Town) refused() (total time.Duration) {
	var since time.Time
	for _, f := range t.facts("stop refused", "stop asked", "state") {
		if !since.IsZero() {
			total += min(f.At.Sub(since), longestPause)
			since = time.Time{}
		}
		if f.What == "stop refused" {
			since = f.At
		}
	}
	return total
}

// judgeClients believes them all, but for a clean end that the kernel of a killed rouse may have made.
func (t *Town) judgeClients(verdicts []crowd.Verdict) {
	mild := !slices.ContainsFunc(t.Plan.Acts, func(a Act) bool { return !nemeses[a.Nemesis].mild })
	for _, v := range verdicts {
		bad := false
		switch v.Outcome {
		case crowd.Wrong, crowd.Silent, crowd.Broken:
			bad = true
		case crowd.Early:
			bad = !t.rouse.diedWithin(v.Born, v.Ended)
		case crowd.Served, crowd.Left:
		default:
			bad = mild && len(t.rouse.deaths) == 0
		}
		if bad {
			t.complain("client %d (%s, %s) saw %s: %s", v.ID, v.Kind, v.Local, v.Outcome, v.Detail)
		}
	}
}

// diedWithin says whether rouse's process ended in a span of time.
func (r *rouse) diedWithin(from, to time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.dead, func(s span) bool { return !s.begin.Before(from) && !s.begin.After(to) })
}

// judgeLog looks for what no log may have.
func (t *Town) judgeLog() {
	data, err := os.ReadFile(filepath.Join(t.Dir, "rouse.log"))
	if err != nil {
		t.complain("rouse's log cannot be read: %v", err)
	}
	for _, bad := range []string{"panic:", "DATA RACE", "fatal error:", "a fault of rouse itself"} {
		if bytes.Contains(data, []byte(bad)) && !(bad == "fatal error:" && t.starved()) {
			t.complain("rouse's log has %q", bad)
		}
	}
}

// starved says whether rouse was refused threads, without which a Go program ends.
func (t *Town) starved() bool {
	return slices.ContainsFunc(t.Plan.Acts, func(a Act) bool { return nemeses[a.Nemesis].tool == controlGroup })
}

// judgeDeaths wants to have asked for each end of rouse.
func (t *Town) judgeDeaths() {
	for _, d := range t.rouse.deaths {
		if !t.starved() {
			t.complain("rouse ended by itself %.3fs after the beginning: %s", d.at.Sub(t.began).Seconds(), d.how)
		}
	}
}

// judgeTrace asks rouse's own checker, and returns how many lines there were.
func (t *Town) judgeTrace() (int, error) {
	path := filepath.Join(t.Dir, traceFile)
	data, err := os.ReadFile(path)
	if err != nil {
		t.complain("rouse has left no trace: %v", err)
		return 0, nil
	}
	out, err := exec.Command(t.Rouse, "trace", "check", path).CombinedOutput()
	if writeErr := os.WriteFile(filepath.Join(t.Dir, "check.txt"), out, 0o644); writeErr != nil {
		return 0, writeErr
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && !t.forgetful(path) {
		t.complain("the trace breaks a rule (%v, see check.txt): %s", exit, broken(string(out)))
	} else if !ok && err != nil {
		return 0, fmt.Errorf("checking the trace: %w", err)
	}
	return bytes.Count(data, []byte("\n")), nil
}

// forgetful says whether all that is wrong with a trace is that a rouse did not know the epoch of the one before it,
// which had said that its disk did not take it, or whose record we have spoilt.
func (t *Town) forgetful(path string) bool {
	log, err := os.ReadFile(filepath.Join(t.Dir, "rouse.log"))
	spoilt := slices.Contains(t.Plan.Names(), "spoil-state")
	if err != nil || !spoilt && !bytes.Contains(log, []byte(`"msg":"state not saved`)) {
		return false
	}
	report, err := trace.CheckFiles([]string{path}, trace.CheckOptions{Without: []string{"S5"}})
	return err == nil && report.OK()
}

// broken are the broken rules in what the checker says, each with where it is broken first; else all that it says.
func broken(report string) string {
	var told []string
	lines := slices.Collect(strings.Lines(report))
	for i, line := range lines {
		if strings.Contains(line, "  broken: ") {
			for _, l := range lines[i:min(i+3, len(lines))] {
				told = append(told, strings.TrimSpace(l))
			}
		}
	}
	if len(told) == 0 {
		return strings.TrimSpace(report)
	}
	return strings.Join(told, "; ")
}

// judgeLeftovers wants nobody but us in the cell.
func (t *Town) judgeLeftovers() {
	deadline := time.Now().Add(5 * time.Second)
	for len(others()) > 0 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if left := others(); len(left) > 0 {
		t.complain("processes were left: %s", strings.Join(left, "; "))
	}
}
