package trace

import (
	"slices"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
)

// changed follows a change of state.
func (c *checker) changed(lf *life, l *Line) {
	switch {
	case lf.stateIsNews:
		lf.state = l.From
	case l.From != lf.state:
		c.broken(rulePath, lf.run, l, &lf.entered, "it leaves %q, but was %q", l.From, lf.state)
	}
	lf.stateIsNews = false
	if !Follows(l.From, l.To) {
		c.broken(rulePath, lf.run, l, nil, "%q never comes after %q", l.To, l.From)
	}
	c.afterFailure(lf, l)
	lf.under = false
	if l.To == "stopping" {
		c.noStopUnder(lf, l, "it is to be stopped")
		if l.From == "ready" {
			c.notTooSoon(lf, l)
		}
	}
	c.overdue(lf, l)
	lf.armed = nil
	lf.state, lf.entered = l.To, *l
	if l.To == "ready" {
		lf.gone = l.T
		if l.From == "starting" {
			lf.used, lf.usedBy = l.T, *l
		}
	}
}

// opBegun follows the beginning of an operation.
func (c *checker) opBegun(lf *life, l *Line) {
	if lf.op != nil {
		c.broken(ruleOneAtATime, lf.run, l, lf.op, "a %s begins, and a %s has not ended", l.Operation, lf.op.Operation)
	}
	if want := during[l.Operation]; !lf.stateIsNews && lf.state != want {
		c.broken(rulePath, lf.run, l, &lf.entered, "a %s begins while the target is %q", l.Operation, lf.state)
	}
	switch l.Operation {
	case "stop":
		lf.tally(c).Stops++
		c.noStopUnder(lf, l, "a stop begins")
		c.noStopUnderWaiting(lf, l)
	case "start":
		c.startBegun(lf, l)
	}
	c.overdue(lf, l)
	op := *l
	lf.op, lf.armed, lf.unarmed, lf.failure = &op, nil, nil, nil
}

// startBegun holds a start against what was before it.
func (c *checker) startBegun(lf *life, l *Line) {
	if l.Resumed { // no new run of the target
		lf.startEpoch = max(lf.startEpoch, l.Epoch)
		return
	}
	lf.tally(c).Wakes++
	if l.Waiting <= 0 { // less was told as a count
		c.broken(ruleWanted, lf.run, l, nil, "a start begins, and nobody waits for it")
	}
	switch {
	case lf.stopFailed != nil:
		c.broken(ruleStopFirst, lf.run, l, lf.stopFailed, "a start begins after a stop that failed, and nobody has asked the target in between")
	case !lf.checked:
		c.broken(ruleStopFirst, lf.run, l, &lf.run.began, "a start begins before this run has asked the target or ended a stop")
	}
	if lf.startEpoch != 0 && l.Epoch <= lf.startEpoch {
		c.broken(ruleEpoch, lf.run, l, nil, "a start begins with epoch %d, which another start has had already", l.Epoch)
	}
	lf.startEpoch = l.Epoch
	c.flaps(lf, l)
}

// flaps warns of a target that comes and goes.
func (c *checker) flaps(lf *life, l *Line) {
	const two = 2
	lf.starts = append(lf.starts, l.T)
	if len(lf.starts) > two {
		lf.starts = lf.starts[1:]
	}
	if lf.settings == nil || len(lf.starts) < two {
		return
	}
	if between := time.Duration(lf.starts[1] - lf.starts[0]); between > 0 && between < lf.settings.least() {
		c.broken(ruleFlapping, lf.run, l, nil, "it is started again %v after the start before; its cooldown is %v", round(between), lf.settings.Cooldown)
	}
}

// opEnded follows the end of an operation.
func (c *checker) opEnded(lf *life, l *Line) {
	switch {
	case lf.op == nil && !lf.run.blind:
		c.broken(ruleOneAtATime, lf.run, l, nil, "a %s ends that never began", l.Operation)
	case lf.op != nil && lf.op.Operation != l.Operation:
		c.broken(ruleOneAtATime, lf.run, l, lf.op, "a %s ends, but what ran is a %s", l.Operation, lf.op.Operation)
	}
	if lf.op != nil && l.Error == "" {
		c.hooksEnded(lf, l)
	}
	lf.op, lf.failure = nil, nil
	if l.Error != "" {
		failed := *l
		lf.failure = &failed
	}
	lf.gone = max(lf.gone, l.T)
	switch l.Operation {
	case "check":
		lf.checked, lf.stopFailed = true, nil
	case "stop":
		lf.checked, lf.stopFailed, lf.unarmed = true, nil, nil
		if l.Error != "" {
			lf.stopFailed, lf.unarmed = lf.failure, lf.failure
		}
	}
}

// afterFailure holds a state against the operation before it: one that has failed has not done what it was to do.
func (c *checker) afterFailure(lf *life, l *Line) {
	failed := lf.failure
	lf.failure = nil
	switch {
	case failed == nil:
	case failed.Operation == "stop" && l.From == "stopping" && l.To != "unknown":
		c.broken(ruleStopFirst, lf.run, l, failed, "the stop has failed, and it goes on to %q as if it had not", l.To)
	case failed.Operation == "start" && l.From == "starting" && l.To == "ready":
		c.broken(ruleStopFirst, lf.run, l, failed, "the start has failed, and it goes on to %q as if it had not", l.To)
	}
}

// counts holds the counts of the machine against those of the clients.
func (c *checker) counts(lf *life, l *Line) {
	if l.Held < 0 || l.Waiting < 0 {
		c.broken(ruleCounts, lf.run, l, nil, "a count is negative: %d held, %d waiting", l.Held, l.Waiting)
	}
	if l.Kind != event.StateChanged && l.Kind != event.OperationBegun {
		return
	}
	// Whoever is connected has told so after it was counted, and tells of its end before it is counted out.
	over := lf.connected > l.Held && l.Held >= 0
	if over && !lf.over {
		who, since := lf.somebody()
		c.broken(ruleCounts, lf.run, l, &since, "%s connected, client %s first, but only %d counted as held",
			areMany(lf.connected, "client"), who, l.Held)
	}
	lf.over = over
}

// notTooSoon holds a stop against the last use.
func (c *checker) notTooSoon(lf *life, l *Line) {
	if lf.settings == nil || lf.used == 0 || l.Cause == CauseEnding || l.Cause == CauseOrdered || lf.run.blind || c.opts.NoClients {
		return
	}
	if idle := time.Duration(l.T - lf.used); idle < lf.settings.least()-early {
		c.broken(ruleNotTooSoon, lf.run, l, &lf.usedBy, "it is stopped %v after it was last in use; its cooldown is %v", round(idle), lf.settings.Cooldown)
	}
}

// epochs follows the epoch that the target's owner tells. What clients and hooks tell is that of their own beginning.
func (c *checker) epochs(lf *life, l *Line) {
	switch l.Kind {
	case event.StateChanged, event.OperationBegun, event.OperationEnded, event.IdleArmed, event.BackoffArmed, event.StillWorking:
	case event.ClientServed, event.HookBegun:
		if lf.epochKnown && l.Epoch > lf.epoch {
			c.broken(ruleEpoch, lf.run, l, nil, "epoch %d has not begun: the newest is %d", l.Epoch, lf.epoch)
		}
		return
	default:
		return
	}
	starts := l.Kind == event.StateChanged && l.To == "starting" && !l.Resumed
	switch {
	case !lf.epochKnown:
		c.firstEpoch(lf, l)
	case l.Epoch < lf.epoch:
		c.broken(ruleEpoch, lf.run, l, nil, "the epoch goes back from %d to %d", lf.epoch, l.Epoch)
	case starts && l.Epoch != lf.epoch+1:
		c.broken(ruleEpoch, lf.run, l, nil, "a start goes from epoch %d to %d", lf.epoch, l.Epoch)
	case !starts && l.Epoch != lf.epoch:
		c.broken(ruleEpoch, lf.run, l, nil, "the epoch goes from %d to %d without a start", lf.epoch, l.Epoch)
	}
	lf.epochKnown, lf.epoch = true, l.Epoch
	lf.target.epoch = max(lf.target.epoch, l.Epoch)
}

// firstEpoch holds what a new run begins with against the runs before. What one that was
// killed did last may be missing in the trace, or on disk if no hook had begun.
func (c *checker) firstEpoch(lf *life, l *Line) {
	t := lf.target
	before := slices.IndexFunc(c.order, func(r *run) bool { return r == lf.run }) - 1
	if lf.run.blind || before < 0 || t.epoch == 0 {
		return
	}
	last, unsaved := c.order[before], t.unsaved
	t.unsaved = false // what this run begins with is what the disk has
	_, knew := last.lives[t.name]
	switch {
	case unsaved && l.Epoch < t.epoch:
		t.hookEpoch = min(t.hookEpoch, l.Epoch)
	case l.Epoch < t.hookEpoch:
		c.broken(ruleEpoch, lf.run, l, nil, "this run begins with epoch %d, although the start hook of epoch %d had begun", l.Epoch, t.hookEpoch)
	case !knew || last.blind:
	case last.ended && l.Epoch != t.epoch:
		c.broken(ruleEpoch, lf.run, l, nil, "this run begins with epoch %d, and the one before ended with %d", l.Epoch, t.epoch)
	case l.Epoch > t.epoch+1:
		c.broken(ruleEpoch, lf.run, l, nil, "this run begins with epoch %d, and the one before came to %d", l.Epoch, t.epoch)
	}
	t.epoch = l.Epoch
}

func (lf *life) tally(c *checker) *Tally { return c.report.tally(lf.name) }

func areMany(n int, what string) string {
	if n == 1 {
		return many(n, what) + " is"
	}
	return many(n, what) + " are"
}
