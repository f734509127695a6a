package trace

// noStopUnder is the first promise of all. What is said of a state is not said of its operation again.
func (c *checker) noStopUnder(lf *life, l *Line, what string) {
	if lf.under {
		return
	}
	switch {
	case l.Held > 0 || l.Waiting > 0:
		lf.under = true
		c.broken(ruleNoStopUnder, lf.run, l, nil, "%s while %d held it and %d waited", what, l.Held, l.Waiting)
	case lf.connected > 0:
		lf.under = true
		who, since := lf.somebody()
		c.broken(ruleNoStopUnder, lf.run, l, &since, "%s while %s connected, client %s first", what, areMany(lf.connected, "client"), who)
	}
}

// noVisitors holds a stop hook against those who are served without keeping the target awake: they are told to go before.
func (c *checker) noVisitors(lf *life, l *Line) {
	for _, client := range sorted(lf.visitors) {
		since := lf.visitors[client][0]
		c.broken(ruleNoStopUnder, lf.run, l, &since, "a stop hook begins, and the visitor %s is still connected", client)
		return
	}
}

// noStopUnderWaiting holds a stop against the clients who say that they wait, whatever was counted. Where a start has
// failed, or rouse ends, they are refused in the same step, and the word of that may come behind the stop.
func (c *checker) noStopUnderWaiting(lf *life, l *Line) {
	if lf.entered.From != "ready" || l.Cause == CauseEnding {
		stop := *l
		lf.answering = &stop
		return
	}
	lf.answering = nil
	for _, client := range sorted(lf.waits) {
		for _, since := range lf.waits[client] {
			c.late(late{rule: ruleNoStopUnder, life: lf, line: *l, before: &since, from: since.T, most: uncounted,
				text: "a stop begins, and a client has waited for %v by then"})
		}
	}
}

// stillWaiting is about a client that nobody has answered by now: it may have been there when a stop began.
func (c *checker) stillWaiting(lf *life, l, since *Line) {
	if stop := lf.answering; stop != nil && stop.T-since.T > int64(uncounted) {
		c.late(late{rule: ruleNoStopUnder, life: lf, line: *l, before: since, from: stop.T, most: lateBy,
			text: "a client that waited when a stop began was not answered for another %v"})
	}
}

// letIn holds the beginning of a connection against stops: those that are under way, and those that have ended.
func (c *checker) letIn(lf *life, l *Line) {
	c.besideHooks(lf, l)
	switch {
	case lf.op != nil && lf.op.Operation == "stop":
		c.broken(ruleNoStopUnder, lf.run, l, lf.op, "client %s is let in while a stop is under way", l.Client)
	case lf.stateIsNews:
	case lf.state == "stopping", lf.state == "stopped" && lf.entered.From == "stopping": // nobody held it when that began
		c.broken(ruleNoStopUnder, lf.run, l, &lf.entered, "client %s is let in, and the target is %q", l.Client, lf.state)
	case lf.state == "stopped":
		entered := lf.entered
		c.late(late{rule: ruleNoStopUnder, life: lf, line: *l, before: &entered, from: entered.T, most: unseen,
			text: "a client is let in, and the target has been stopped for %v"})
	}
}

// besideHooks is about stop hooks that have not ended while a client is let in.
func (c *checker) besideHooks(lf *life, l *Line) {
	for i := range lf.hooks {
		h := &lf.hooks[i]
		switch {
		case h.line.Operation != "stop":
		case h.run == lf.run:
			c.broken(ruleNoStopUnder, lf.run, l, &h.line, "client %s is let in, and the stop hook of process %d has not ended", l.Client, h.line.PID)
		case h.client == nil: // as with hooks: held against them if its end comes later
			client := *l
			h.client, h.clientIn = &client, lf.run
		}
	}
}
