package trace

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
)

// CheckOptions change what a check looks at. The zero value looks at everything.
type CheckOptions struct {
	Margin    time.Duration // more time for everything that must happen in time
	NoClients bool          // the holders are no clients with lines of their own: what needs these is left out
	Without   []string      // names of rules to leave out
}

// Check judges a trace, line by line in the order in which things happened.
func Check(lines iter.Seq[Line], o CheckOptions) *Report {
	c := newChecker(o)
	for l := range lines {
		c.take(&l)
	}
	return c.finish()
}

// A checker follows all runs of a trace.
type checker struct {
	opts    CheckOptions
	report  *Report
	runs    map[runKey]*run
	order   []*run // as they began
	targets map[string]*target
	boot    string
	first   int64
	last    int64
}

// runKey tells a run from others that are under way.
type runKey struct {
	file string
	pid  int
}

// run is one life of rouse.
type run struct {
	began    Line
	lives    map[string]*life
	last     Line // its newest
	ended    bool
	followed bool // by another run, without an end: it crashed
	undead   bool // it went on after that; said once
	blind    bool // lines are missing
	pauses   []pause
	lates    []late // that a pause may still excuse
}

// target is what outlives a run.
type target struct {
	name      string
	run       *run
	epoch     uint64 // newest that any run has told
	hookEpoch uint64 // newest whose start hook has begun
	unsaved   bool   // a disk refused its record, and none was saved since
	hooks     []liveHook
	starts    []int64 // when the last ones began
}

// life is one target in one run.
type life struct {
	*target
	run      *run
	settings *Settings // nil: not known

	state       string
	entered     Line // the line that told so
	op          *Line
	epoch       uint64
	epochKnown  bool
	startEpoch  uint64 // of the newest start operation of this run
	checked     bool   // the target was asked or stopped in this run
	failure     *Line  // the operation that has just failed, in whose state it still is
	stopFailed  *Line  // the newest stop, and nobody has asked since
	unarmed     *Line  // the stop that failed, and nothing is armed for it yet
	armed       *Line
	gone        int64 // since when nobody is known to be there
	used        int64 // when it was last in use in this run; 0: never
	usedBy      Line
	waits       map[string][]Line
	conns       map[string][]Line
	visitors    map[string][]Line // who are served without keeping the target awake
	waiting     int
	connected   int
	over        bool  // more are connected than are counted; said once
	under       bool  // a stop under somebody, said once for the state and its operation
	answering   *Line // the newest stop before which clients were refused: the word of some may be under way
	stateIsNews bool  // lines were lost: the next line tells the state
}

func newChecker(o CheckOptions) *checker {
	return &checker{opts: o, report: newReport(), runs: map[runKey]*run{}, targets: map[string]*target{}}
}

// take follows one line.
func (c *checker) take(l *Line) {
	c.report.Lines++
	c.report.Unjudged += l.Headless
	if c.report.Lines == 1 || l.Kind == event.RouseBegan && l.Boot != c.boot {
		c.report.Took += time.Duration(c.last - c.first)
		c.first, c.last = l.T, l.T
	}
	c.last = max(c.last, l.T)
	if l.Kind == event.RouseBegan {
		c.began(l)
		return
	}
	r := c.runOf(l)
	r.last = *l
	switch l.Kind {
	case event.RouseEnded:
		c.ended(r, l)
	case kindLost:
		c.lose(r, l)
	case kindPaused:
		c.paused(r, l)
	case kindReloaded:
		r.reloaded(l)
	default:
		if l.Target != "" {
			c.happened(c.lifeOf(r, l.Target), l)
		}
	}
}

// began notes a new run. Whoever had its targets and has not ended has crashed.
func (c *checker) began(l *Line) {
	if l.Boot != c.boot { // no process has outlived that
		for _, t := range c.targets {
			t.hooks = nil
		}
	}
	c.boot = l.Boot
	c.report.Runs++
	r := &run{began: *l, last: *l, lives: map[string]*life{}}
	if old := c.runs[runKey{l.File, l.Run}]; old != nil {
		c.follow(old)
	}
	c.runs[runKey{l.File, l.Run}] = r
	c.order = append(c.order, r)
	for name := range l.Settings {
		t := c.targetOf(name)
		c.follow(t.run)
		t.run = r
	}
}

// reloaded notes other settings. They come into force when no operation runs, so those before are no longer held against anybody, and
// neither are they against those before.
func (r *run) reloaded(l *Line) {
	all := maps.Clone(r.began.Settings)
	if all == nil {
		all = map[string]Settings{}
	}
	for name, s := range l.Settings {
		if old, known := all[name]; known {
			s = old.or(s)
		}
		all[name] = s
		if lf := r.lives[name]; lf != nil {
			lf.settings = &s
		}
	}
	r.began.Settings = all
}

// follow notes that a run is over, in order or not.
func (c *checker) follow(r *run) {
	if r != nil && !r.ended && !r.followed {
		r.followed = true
		c.report.Crashes++
		c.cutOff(r)
	}
}

// runOf is the run that a line belongs to. One whose beginning is missing is blind.
func (c *checker) runOf(l *Line) *run {
	r := c.runs[runKey{l.File, l.Run}]
	if r == nil {
		c.report.Runs++
		r = &run{began: *l, last: *l, lives: map[string]*life{}, blind: true}
		c.runs[runKey{l.File, l.Run}] = r
		c.order = append(c.order, r)
	}
	if r.followed || r.ended {
		c.undead(r, l)
	}
	return r
}

// undead is about a run that goes on although another has its targets.
func (c *checker) undead(r *run, l *Line) {
	if r.undead || l.Kind == kindLost || l.Kind == kindPaused {
		return
	}
	r.undead = true
	text := "this rouse had ended, and goes on"
	if !r.ended {
		text = "two runs of rouse look after the same target: this one was there before another began, and still is"
	}
	c.broken(ruleOneAtATime, r, l, nil, "%s", text)
}

func (c *checker) targetOf(name string) *target {
	t := c.targets[name]
	if t == nil {
		t = &target{name: name}
		c.targets[name] = t
	}
	return t
}

func (c *checker) lifeOf(r *run, name string) *life {
	lf := r.lives[name]
	if lf == nil {
		lf = &life{
			target: c.targetOf(name), run: r, state: first, entered: r.began, gone: r.began.T,
			waits: map[string][]Line{}, conns: map[string][]Line{}, visitors: map[string][]Line{},
		}
		if s, ok := r.began.Settings[name]; ok {
			lf.settings = &s
		}
		lf.checked, lf.stateIsNews = r.blind, r.blind
		r.lives[name] = lf
		lf.target.run = r
	}
	return lf
}

// lose notes that lines are missing: what is known of this run is not any more.
func (c *checker) lose(r *run, l *Line) {
	c.report.Lost += l.Lost
	r.blind = true
	for _, lf := range r.lives {
		lf.op, lf.armed, lf.stopFailed, lf.unarmed, lf.failure, lf.answering = nil, nil, nil, nil, nil, nil
		lf.epochKnown, lf.checked, lf.stateIsNews = false, true, true
		lf.startEpoch = 0
		lf.hooks = nil
		clear(lf.waits)
		clear(lf.conns)
		clear(lf.visitors)
		lf.waiting, lf.connected = 0, 0
	}
}

// happened follows a line about a target.
func (c *checker) happened(lf *life, l *Line) {
	c.counts(lf, l)
	c.epochs(lf, l)
	switch l.Kind {
	case event.StateChanged:
		c.changed(lf, l)
	case event.OperationBegun:
		c.opBegun(lf, l)
	case event.OperationEnded:
		c.opEnded(lf, l)
	case event.IdleArmed, event.BackoffArmed:
		c.arm(lf, l)
	case event.HookBegun:
		c.hookBegun(lf, l)
	case event.HookEnded:
		c.hookEnded(lf, l)
	case event.ClientWaits, event.ClientLeft, event.ClientRefused, event.ClientServed, event.ClientCounted, event.ClientEnded, event.BackendSuspect:
		c.client(lf, l)
	case event.StateNotSaved, event.StateSaved:
		lf.unsaved = l.Kind == event.StateNotSaved
	}
}

// ended judges a run that has ended in order: nothing may be left open.
func (c *checker) ended(r *run, l *Line) {
	c.cutOff(r)
	r.ended = true
	if r.blind || c.opts.NoClients {
		return
	}
	for _, name := range sorted(r.lives) {
		lf := r.lives[name]
		for _, left := range []struct {
			who  map[string][]Line
			what string
		}{{lf.waits, "waited and was never answered"}, {lf.conns, "was connected and never ended"}} {
			for _, client := range sorted(left.who) {
				for _, since := range left.who[client] {
					c.broken(ruleCounts, r, l, &since, "rouse has ended in order, but client %s %s", client, left.what)
				}
			}
		}
	}
}

// cutOff judges what a run had still to do when it ended, as far as it had the time.
func (c *checker) cutOff(r *run) {
	for _, name := range sorted(r.lives) {
		c.lifeEnds(r.lives[name])
	}
	c.settle(r)
}

// finish judges what is still open, and returns the report.
func (c *checker) finish() *Report {
	for _, r := range c.order {
		if !r.ended && !r.followed {
			c.report.Open++
			c.cutOff(r)
		}
		c.settle(r)
	}
	for _, name := range sorted(c.targets) {
		c.orphans(c.targets[name])
	}
	c.report.Took += time.Duration(c.last - c.first)
	slices.SortStableFunc(c.report.Findings, func(a, b Finding) int {
		if a.Place.File == b.Place.File {
			return cmp.Compare(a.Place.Line, b.Place.Line)
		}
		return 0
	})
	return c.report
}

// broken notes that a rule was broken in a line, and perhaps by what it contradicts.
func (c *checker) broken(rule string, r *run, l, before *Line, format string, args ...any) {
	if slices.Contains(c.opts.Without, rule) {
		return
	}
	f := Finding{
		Rule: rule, Warning: ruleOf(rule).Warn, Target: l.Target, Place: l.place(), At: l.At,
		Since: time.Duration(l.T - r.began.T), Text: fmt.Sprintf(format, args...),
	}
	if before != nil && before.Number > 0 {
		p := before.place()
		f.Before = &p
	}
	c.report.add(f)
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
