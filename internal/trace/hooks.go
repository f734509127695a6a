package trace

import "slices"

// liveHook is a start or stop hook that has begun, and whose end nobody has told.
type liveHook struct {
	run   *run
	line  Line
	later []Line // hooks that began in other runs meanwhile, as far as the trace goes
	in    []*run // of those

	client   *Line // the first one that was let in by another run meanwhile, if this is a stop hook
	clientIn *run
}

func acts(hook string) bool { return hook == "start" || hook == "stop" }

// hookBegun follows the beginning of a hook's process.
func (c *checker) hookBegun(lf *life, l *Line) {
	lf.tally(c).Hooks++
	if !acts(l.Operation) {
		return
	}
	c.reused(lf, l)
	for i := range lf.hooks {
		h := &lf.hooks[i]
		if h.run == lf.run {
			c.broken(ruleOneAtATime, lf.run, l, &h.line, "a %s hook begins, and the %s hook of process %d has not ended", l.Operation, h.line.Operation, h.line.PID)
		} else { // its end may have been told to nobody; it is held against them if it comes later
			h.later, h.in = append(h.later, *l), append(h.in, lf.run)
		}
	}
	switch {
	case lf.op != nil && lf.op.Operation != l.Operation:
		c.broken(ruleOneAtATime, lf.run, l, lf.op, "a %s hook begins in a %s", l.Operation, lf.op.Operation)
	case lf.op == nil && !lf.run.blind:
		c.broken(ruleOneAtATime, lf.run, l, nil, "a %s hook begins, and no %s is under way", l.Operation, l.Operation)
	}
	if lf.epochKnown && l.Epoch < lf.epoch {
		c.broken(ruleEpoch, lf.run, l, nil, "a %s hook of epoch %d begins in epoch %d", l.Operation, l.Epoch, lf.epoch)
	}
	if l.Operation == "stop" {
		c.noVisitors(lf, l)
	}
	if l.Operation == "stop" && lf.connected > 0 && lf.op == nil { // else the operation was held against it
		c.noStopUnder(lf, l, "a stop hook begins")
	}
	if l.Operation == "start" {
		lf.hookEpoch = max(lf.hookEpoch, l.Epoch)
	}
	lf.hooks = append(lf.hooks, liveHook{run: lf.run, line: *l})
}

// hookEnded follows the end of a hook's process, which an earlier run may have begun.
func (c *checker) hookEnded(lf *life, l *Line) {
	i := slices.IndexFunc(lf.hooks, func(h liveHook) bool { return h.line.PID == l.PID && h.line.Operation == l.Operation })
	if i < 0 {
		return // its beginning was not told: rouse was killed just then
	}
	h := lf.hooks[i]
	lf.hooks = slices.Delete(lf.hooks, i, i+1)
	for i, other := range h.later {
		c.broken(ruleOneAtATime, h.in[i], &other, &h.line, "a %s hook begins, and the %s hook that an earlier rouse left, process %d, ends only in line %d",
			other.Operation, h.line.Operation, h.line.PID, l.Number)
	}
	if h.client != nil {
		c.broken(ruleNoStopUnder, h.clientIn, h.client, &h.line, "client %s is let in, and the stop hook that an earlier rouse left, process %d, ends only in line %d",
			h.client.Client, h.line.PID, l.Number)
	}
}

// reused drops the hook of an earlier run whose process ID another one has now: it has ended, and nobody has told when.
func (c *checker) reused(lf *life, l *Line) {
	i := slices.IndexFunc(lf.hooks, func(h liveHook) bool { return h.run != lf.run && h.line.PID == l.PID })
	if i >= 0 {
		c.orphan(&lf.hooks[i])
		lf.hooks = slices.Delete(lf.hooks, i, i+1)
	}
}

// hooksEnded is about an operation that has ended well.
func (c *checker) hooksEnded(lf *life, l *Line) {
	for _, h := range lf.hooks {
		if h.run == lf.run && h.line.T >= lf.op.T {
			c.broken(ruleHookEnd, lf.run, l, &h.line, "the %s has ended well, and its hook, process %d, has not ended", l.Operation, h.line.PID)
		}
	}
}

// orphans is about hooks whose end nobody has told although later runs went on.
func (c *checker) orphans(t *target) {
	for i := range t.hooks {
		c.orphan(&t.hooks[i])
	}
}

func (c *checker) orphan(h *liveHook) {
	if len(h.later) > 0 {
		c.warn(ruleHookEnd, h.run, &h.line, "nobody has told of the end of this %s hook, process %d, and %s began later", h.line.Operation, h.line.PID, many(len(h.later), "hook"))
	}
	if h.client != nil {
		c.warn(ruleHookEnd, h.run, &h.line, "nobody has told of the end of this stop hook, process %d, and client %s was let in later, in line %d", h.line.PID, h.client.Client, h.client.Number)
	}
}
