// Package report turns what a run of the benchmarks has measured into a page of tables, a
// list of goals met or not, and plots. It measures nothing; a run kept as JSON gives the
// same page again.
package report

import (
	"slices"

	"github.com/rouse-proxy/rouse/bench/internal/stats"
)

// Run is all that one run of the benchmarks has found.
type Run struct {
	Date     string
	Command  string
	Took     string
	Machine  Machine
	Setup    Setup
	Subjects []Subject
	LeftOut  []Subject // About says why
	Samples  []Sample
	Readings []Reading
	Profiles []Profile `json:",omitempty"`
	// NoProfile says why there are no profiles; it is empty if none were asked for.
	NoProfile string `json:",omitempty"`
}

// Machine is where the run took place, and how quiet it was.
type Machine struct {
	CPU, Kernel, Go string
	Cores           int
	MemoryMB        int64
	BusyBefore      float64 // percent of all CPU time that others used just before the run
	StolenPercent   float64 // the same, taken by the hypervisor during the run
	DescriptorLimit int
}

// Setup is what the tables must say about how it was measured.
type Setup struct {
	Repeats, IdleRepeats, IdleConns, IdleMost, WakeClients int
	Crowd                                                  int // clients that wait in a run of their own; 0 if there is none
	Window, WakeDelay, IdleAfter                           string
	Quick                                                  bool
}

// Subject is one candidate.
type Subject struct {
	Name, About, Version string
}

// Sample is one measurement of one candidate.
type Sample struct {
	Scenario  string
	Candidate string
	Repeat    int
	Values    map[string]float64
	Errors    int    `json:",omitempty"`
	Note      string `json:",omitempty"`
}

// Reading is one line of a Go benchmark's output.
type Reading struct {
	Name   string
	Values map[string]float64 // by unit
}

// Of summarises one value of a candidate in a scenario over all repeats. A repeat with
// errors does not count, but in scenarios of which errors are the result.
func (r *Run) Of(scenario, candidate, key string) stats.Summary {
	var values []float64
	for _, s := range r.Samples {
		if s.Scenario != scenario || s.Candidate != candidate {
			continue
		}
		if v, ok := s.Values[key]; ok && s.Errors == 0 {
			values = append(values, v)
		}
	}
	return stats.Of(values)
}

// Errors counts the errors of a candidate in a scenario, in how many repeats, and gives the first note.
func (r *Run) Errors(scenario, candidate string) (errors, repeats int, note string) {
	for _, s := range r.Samples {
		if s.Scenario != scenario || s.Candidate != candidate {
			continue
		}
		repeats++
		errors += s.Errors
		if note == "" {
			note = s.Note
		}
	}
	return errors, repeats, note
}

// candidates lists those with samples in a scenario, in the order of their first one in
// the subjects, then of appearance.
func (r *Run) candidates(scenario string) []string {
	seen := map[string]bool{}
	var extra []string
	for _, s := range r.Samples {
		if s.Scenario == scenario && !seen[s.Candidate] {
			seen[s.Candidate] = true
			extra = append(extra, s.Candidate)
		}
	}
	var names []string
	for _, subject := range r.Subjects {
		if seen[subject.Name] && !slices.Contains(names, subject.Name) {
			names = append(names, subject.Name)
		}
	}
	for _, name := range extra {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
