package trace

import (
	"fmt"
	"slices"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
)

// pause is a time in which the process did not run, or the machine slept.
type pause struct{ from, to int64 }

// late is something that seems to have taken too long. A pause that is told later may excuse it.
type late struct {
	rule   string
	life   *life
	line   Line
	before *Line
	from   int64 // since when it was due, or waited for
	most   time.Duration
	text   string // with one verb for how long it took
	stop   bool   // count it as an overshoot of the cooldown
}

// late keeps something for the end of the run, when all pauses are known. What took no
// longer than a fraction of its bound is not worth that.
func (c *checker) late(l late) {
	l.most += c.opts.Margin
	if took := time.Duration(l.line.T - l.from); took > l.most {
		if l.before != nil {
			before := *l.before
			l.before = &before
		}
		l.life.run.lates = append(l.life.run.lates, l)
	} else if l.stop {
		t := l.life.tally(c)
		t.Overshoot = max(t.Overshoot, took-l.life.run.paused(l.from, l.line.T))
	}
}

// settle judges what was late in a run, without the pauses.
func (c *checker) settle(r *run) {
	for _, l := range r.lates {
		took := time.Duration(l.line.T-l.from) - r.paused(l.from, l.line.T)
		if l.stop {
			t := l.life.tally(c)
			t.Overshoot = max(t.Overshoot, took)
		}
		if took > l.most {
			c.broken(l.rule, r, &l.line, l.before, l.text, round(took))
		}
	}
	r.lates = nil
}

func (c *checker) paused(r *run, l *Line) {
	if l.Elapsed <= 0 {
		return
	}
	c.report.Paused += l.Elapsed
	r.pauses = append(r.pauses, pause{l.T - int64(l.Elapsed), l.T})
}

// paused is how much of a time the run was paused.
func (r *run) paused(from, to int64) time.Duration {
	var all int64
	for _, p := range r.pauses {
		all += max(0, min(p.to, to)-max(p.from, from))
	}
	return time.Duration(all)
}

// arm follows the timer of a target.
func (c *checker) arm(lf *life, l *Line) {
	if l.Delay < 0 || l.Kind == event.IdleArmed && lf.settings != nil && l.Delay > max(lf.settings.Cooldown, lf.settings.LongestIdle)+early {
		c.broken(ruleStops, lf.run, l, nil, "a timer is armed for %v", l.Delay)
	}
	armed := *l
	lf.armed, lf.unarmed = &armed, nil
}

// due is when something has to happen to a target that nobody uses; false: nothing has to.
func (c *checker) due(lf *life) (at int64, since *Line, what string, ok bool) {
	switch {
	case lf.op != nil || lf.run.blind:
		return 0, nil, "", false
	case lf.armed != nil && lf.armed.Kind == event.BackoffArmed && (lf.state == "failed" || !c.opts.NoClients && !lf.present()):
		return lf.armed.T + int64(lf.armed.Delay), lf.armed, "nothing was tried again for %v after the wait before the next try was over", true
	case c.opts.NoClients || lf.present():
		return 0, nil, "", false
	case lf.armed != nil && lf.armed.Kind == event.IdleArmed:
		return lf.armed.T + int64(lf.armed.Delay), lf.armed, "nothing was stopped for %v after the cooldown was over", true
	case lf.state == "ready" && lf.settings != nil:
		return lf.gone + int64(lf.settings.Cooldown), nil, "nobody was there, and it was not stopped for %v after the cooldown was over", true
	}
	return 0, nil, "", false
}

// overdue looks whether what happens now should have happened before.
func (c *checker) overdue(lf *life, l *Line) {
	if at, since, what, ok := c.due(lf); ok {
		c.late(late{rule: ruleStops, life: lf, line: *l, before: since, from: at, most: lateBy, text: what,
			stop: l.To == "stopping" && l.From == "ready"})
	}
	c.unretried(lf, l)
}

// overdueFor does that when somebody shows up who has been there for a while.
func (c *checker) overdueFor(lf *life, l *Line, present time.Duration) {
	came := *l
	came.T -= int64(present)
	c.overdue(lf, &came)
}

// unretried is about a stop that failed, after which no timer was armed.
func (c *checker) unretried(lf *life, l *Line) {
	if lf.unarmed != nil && time.Duration(l.T-lf.unarmed.T) > lateBy {
		c.late(late{rule: ruleStops, life: lf, line: *l, before: lf.unarmed, from: lf.unarmed.T, most: lateBy,
			text: "a stop failed, and for %v nothing was armed to try it again"})
		lf.unarmed = nil
	}
}

// lifeEnds judges what a target had still to do when its run ended.
func (c *checker) lifeEnds(lf *life) {
	last := lf.run.last
	last.Target, last.To, last.From = lf.name, "", ""
	c.overdueFor(lf, &last, unseen)
	for _, client := range sorted(lf.waits) {
		for _, since := range lf.waits[client] {
			c.stillWaiting(lf, &last, &since)
			c.waited(lf, &last, &since, time.Duration(last.T-since.T))
		}
	}
}

// warn notes what is worth a look and breaks no rule.
func (c *checker) warn(rule string, r *run, l *Line, format string, args ...any) {
	if slices.Contains(c.opts.Without, rule) {
		return
	}
	c.report.add(Finding{
		Rule: rule, Warning: true, Target: l.Target, Place: l.place(), At: l.At,
		Since: time.Duration(l.T - r.began.T), Text: fmt.Sprintf(format, args...),
	})
}
