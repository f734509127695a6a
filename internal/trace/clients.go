package trace

import (
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
)

// client follows one line of a client. Clients are told apart by their address, and two may
// have the same: one may come back before the end of the one before is noticed.
func (c *checker) client(lf *life, l *Line) {
	t := lf.tally(c)
	if c.opts.NoClients {
		return
	}
	if c.visits(lf, l) {
		return
	}
	switch l.Kind {
	case event.ClientWaits:
		c.overdueFor(lf, l, 0)
		lf.wait(l)
	case event.BackendSuspect:
		c.overdueFor(lf, l, unseen)
		if l.Client != "" && len(lf.waits[l.Client]) == 0 {
			lf.wait(l)
		}
	case event.ClientCounted:
		if lf.unvisit(l) {
			c.counted(lf, l)
		}
	case event.ClientServed:
		c.answered(lf, l)
		t.Clients++
		c.counted(lf, l)
	case event.ClientEnded:
		c.clientEnded(lf, l)
	case event.ClientRefused:
		c.answered(lf, l)
		t.Refused++
		if l.Error == "" {
			c.broken(ruleRefusal, lf.run, l, nil, "client %s was refused, and nobody said why", l.Client)
		}
	case event.ClientLeft:
		c.answered(lf, l)
		t.Left++
	}
	lf.gone = l.T
	if lf.armed != nil && (lf.armed.Kind == event.IdleArmed || lf.state != "failed") {
		lf.armed = nil // it is armed anew when the last one leaves
	}
}

// counted follows one who keeps the target awake from now on.
func (c *checker) counted(lf *life, l *Line) {
	c.letIn(lf, l)
	lf.conns[l.Client] = append(lf.conns[l.Client], *l)
	lf.connected++
	lf.used, lf.usedBy = l.T, *l
}

// visits follows one who is served without keeping the target awake: it has gone before a stop hook begins. It says whether this line
// is about one.
func (c *checker) visits(lf *life, l *Line) bool {
	switch {
	case l.Kind == event.ClientServed && l.Visits:
		c.answered(lf, l)
		lf.tally(c).Clients++
		c.besideHooks(lf, l)
		lf.visitors[l.Client] = append(lf.visitors[l.Client], *l)
		return true
	case l.Kind == event.ClientEnded:
		return lf.unvisit(l)
	}
	return false
}

// unvisit says whether the client was a visitor, and no longer is one.
func (lf *life) unvisit(l *Line) bool {
	visits := lf.visitors[l.Client]
	switch {
	case len(visits) == 0:
		return false
	case len(visits) == 1:
		delete(lf.visitors, l.Client)
	default:
		lf.visitors[l.Client] = visits[1:]
	}
	return true
}

func (lf *life) wait(l *Line) {
	lf.waits[l.Client] = append(lf.waits[l.Client], *l)
	lf.waiting++
}

// answered is the end of a wait, which may have been too short for a line of its own.
func (c *checker) answered(lf *life, l *Line) {
	t := lf.tally(c)
	t.LongestWait = max(t.LongestWait, l.Elapsed)
	var since *Line
	if waits := lf.waits[l.Client]; len(waits) > 0 {
		since = &waits[0]
		c.stillWaiting(lf, l, since)
		lf.waits[l.Client] = waits[1:]
		lf.waiting--
		if len(waits) == 1 {
			delete(lf.waits, l.Client)
		}
	} else {
		c.overdueFor(lf, l, l.Elapsed)
	}
	c.waited(lf, l, since, l.Elapsed)
}

// waited holds a wait against the longest that the program allows.
func (c *checker) waited(lf *life, l, since *Line, waited time.Duration) {
	if lf.settings == nil {
		return
	}
	most := lf.settings.StartTimeout + lf.settings.StopTimeout + patienceExtra
	c.late(late{
		rule: ruleAnswered, life: lf, line: *l, before: since, from: l.T - int64(waited), most: most + lateBy,
		text: "a client waited for %v; " + most.String() + " is the most",
	})
}

func (c *checker) clientEnded(lf *life, l *Line) {
	conns := lf.conns[l.Client]
	if len(conns) == 0 {
		if !lf.run.blind {
			c.broken(ruleCounts, lf.run, l, nil, "client %s has ended, and was not connected", l.Client)
		}
		return
	}
	lf.conns[l.Client] = conns[1:]
	if len(conns) == 1 {
		delete(lf.conns, l.Client)
	}
	lf.connected--
	lf.used, lf.usedBy = l.T, *l
	if l.Sent < 0 || l.Received < 0 {
		c.broken(ruleCounts, lf.run, l, nil, "a count of bytes is negative: %d sent, %d received", l.Sent, l.Received)
	}
}

// somebody is one who is connected, for a message: the first in line.
func (lf *life) somebody() (string, Line) {
	who, since := "", Line{}
	for client, conns := range lf.conns {
		if who == "" || conns[0].Number < since.Number || conns[0].Number == since.Number && client < who {
			who, since = client, conns[0]
		}
	}
	return who, since
}

func (lf *life) present() bool { return lf.waiting+lf.connected > 0 }
