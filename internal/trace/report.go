package trace

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
)

const mostFindings = 1000 // that are kept, of violations and of warnings each

// A Place is a line of a file.
type Place struct {
	File string `json:"file"`
	Line int    `json:"line"`
}

// String is FILE:LINE, as editors take it.
func (p Place) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

func (l *Line) place() Place { return Place{l.File, l.Number} }

// A Finding is one rule that was broken, or that a warning is about.
type Finding struct {
	Rule    string        `json:"rule"`
	Warning bool          `json:"warning,omitempty"`
	Target  string        `json:"target,omitempty"`
	Place   Place         `json:"place"`
	Before  *Place        `json:"before,omitempty"` // the earlier line that it contradicts
	At      time.Time     `json:"at"`
	Since   time.Duration `json:"since"` // nanoseconds since the run began
	Text    string        `json:"text"`
}

// A Tally counts what happened to a target.
type Tally struct {
	Target      string        `json:"target"`
	Wakes       int           `json:"wakes"` // start operations
	Stops       int           `json:"stops"`
	Clients     int           `json:"clients"` // that were connected
	Refused     int           `json:"refused"`
	Left        int           `json:"left"` // before they were served
	Hooks       int           `json:"hooks"`
	LongestWait time.Duration `json:"longest_wait"`
	Overshoot   time.Duration `json:"overshoot"` // longest time beyond a cooldown until the stop began
}

// A Report is what came of a check.
type Report struct {
	Lines    int           `json:"lines"`
	Runs     int           `json:"runs"`
	Crashes  int           `json:"crashes"` // runs without an end that another one followed
	Open     int           `json:"open"`    // runs without an end that none followed: they may still go on
	Took     time.Duration `json:"took"`
	Paused   time.Duration `json:"paused"`
	Lost     int64         `json:"lost"` // lines that the trace says are missing
	Targets  []*Tally      `json:"targets"`
	Findings []Finding     `json:"findings"`
	Unlisted int           `json:"unlisted,omitempty"` // findings beyond those listed

	violations, warnings int // listed or not
}

// OK says that no rule was broken.
func (r *Report) OK() bool { return r.violations == 0 }

// add keeps a finding. Warnings, however many, take no room from violations.
func (r *Report) add(f Finding) {
	n := &r.violations
	if f.Warning {
		n = &r.warnings
	}
	if *n++; *n > mostFindings {
		r.Unlisted++
		return
	}
	r.Findings = append(r.Findings, f)
}

func (r *Report) tally(target string) *Tally {
	i, found := slices.BinarySearchFunc(r.Targets, target, func(t *Tally, name string) int { return cmp.Compare(t.Target, name) })
	if !found {
		r.Targets = slices.Insert(r.Targets, i, &Tally{Target: target})
	}
	return r.Targets[i]
}

// String returns the report as people read it.
func (r *Report) String() string {
	var b strings.Builder
	_ = r.Write(&b)
	return b.String()
}

// Write writes the report for people.
func (r *Report) Write(out io.Writer) error {
	w := &words{out: out}
	w.say("%s, %s of rouse%s, %v in all\n", many(r.Lines, "line"), many(r.Runs, "run"), r.ends(), round(r.Took))
	for _, t := range r.Targets {
		w.say("target %s: %s, %s, %s\n", plain(t.Target), many(t.Wakes, "start"), many(t.Stops, "stop"), many(t.Hooks, "hook"))
		w.say("    %s served, %d refused, %d left before; longest wait %v, longest beyond a cooldown %v\n",
			many(t.Clients, "client"), t.Refused, t.Left, round(t.LongestWait), round(t.Overshoot))
	}
	if r.Paused > 0 {
		w.say("rouse was paused for %v, which is not held against it\n", round(r.Paused))
	}
	if r.Lost > 0 {
		w.say("the trace says that %s missing: rules that need them were left out from there on\n", areMissing(r.Lost))
	}
	for _, rule := range Rules() {
		r.writeRule(w, rule)
	}
	if r.Unlisted > 0 {
		w.say("\nand %d more\n", r.Unlisted)
	}
	w.say("\n%s\n", r.verdict())
	return w.err
}

func (r *Report) ends() string {
	var parts []string
	if r.Crashes > 0 {
		parts = append(parts, many(r.Crashes, "crash"))
	}
	if r.Open > 0 {
		parts = append(parts, fmt.Sprintf("%d without an end", r.Open))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func (r *Report) writeRule(w *words, rule Rule) {
	said := false
	for _, f := range r.Findings {
		if f.Rule != rule.Name {
			continue
		}
		if !said {
			word := "broken"
			if f.Warning {
				word = "look at this"
			}
			w.say("\n%s  %s: %s\n", rule.Name, word, rule.Text)
			said = true
		}
		w.say("    %s  %s, %v after its rouse began", f.Place, f.At.UTC().Format("2006-01-02 15:04:05.000Z"), round(f.Since))
		if f.Target != "" {
			w.say(", target %s", plain(f.Target))
		}
		w.say("\n        %s", plain(f.Text))
		if f.Before != nil {
			if f.Before.File == f.Place.File {
				w.say(" (compare line %d)", f.Before.Line)
			} else {
				w.say(" (compare %s)", *f.Before)
			}
		}
		w.say("\n")
	}
}

func (r *Report) verdict() string {
	verdict := "fine: no rule was broken"
	if r.violations > 0 {
		verdict = "not fine: " + many(r.violations, "violation")
	}
	if r.warnings > 0 {
		verdict += ", " + many(r.warnings, "warning")
	}
	return verdict
}

// words writes until an error.
type words struct {
	out io.Writer
	err error
}

func (w *words) say(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.out, format, args...)
	}
}

func many(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if strings.HasSuffix(what, "sh") {
		what += "e"
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func areMissing(n int64) string {
	if n == 1 {
		return "1 line is"
	}
	return fmt.Sprintf("%d lines are", n)
}

// round shows as much of a duration as anybody needs.
func round(d time.Duration) time.Duration {
	switch {
	case d > 10*time.Second || d < -10*time.Second:
		return d.Round(100 * time.Millisecond)
	default:
		return d.Round(time.Millisecond)
	}
}

// plain keeps what stands in a file from playing with a terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
