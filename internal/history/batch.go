package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
)

// batch is one transaction.
type batch struct {
	ctx        context.Context
	tx         *sql.Tx
	statements map[string]*sql.Stmt
	uses       map[string]*use
	open       map[string]interval
	ended      []Connection // that were not written before
	hours      map[hourKey]*hourSum
}

type hourKey struct {
	target string
	hour   int64
}

// hourSum is what a batch adds to an hour.
type hourSum struct {
	arrivals, waits int
	waited, longest int64
}

// rowsAtOnce writes many connections with one statement: each statement costs as much as several rows.
const rowsAtOnce = 32

// settle writes what was put together: new connections, and what they add up to.
func (b *batch) settle() error {
	for len(b.ended) > 0 {
		n := rowsAtOnce
		if len(b.ended) < n {
			n = 1
		}
		if err := b.connections(b.ended[:n]); err != nil {
			return err
		}
		b.ended = b.ended[n:]
	}
	for k, h := range b.hours {
		err := b.exec(`INSERT INTO hours (target, hour, arrivals, waits, waited, longest) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
			arrivals = arrivals + excluded.arrivals, waits = waits + excluded.waits, waited = waited + excluded.waited, longest = max(longest, excluded.longest)`,
			k.target, k.hour, h.arrivals, h.waits, h.waited, h.longest)
		if err != nil {
			return err
		}
	}
	for _, u := range b.uses {
		if u.more == 0 {
			continue
		}
		if err := b.exec("UPDATE uses SET until = max(until, ?), arrivals = arrivals + ? WHERE id = ?", u.until.UnixMicro(), u.more, u.row); err != nil {
			return err
		}
		u.more = 0
	}
	return nil
}

func (b *batch) exec(query string, args ...any) error {
	_, err := b.run(query, args...)
	return err
}

func (b *batch) run(query string, args ...any) (sql.Result, error) {
	s := b.statements[query]
	if s == nil {
		var err error
		if s, err = b.tx.PrepareContext(b.ctx, query); err != nil {
			return nil, err
		}
		b.statements[query] = s
	}
	return s.ExecContext(b.ctx, args...)
}

func (b *batch) write(e entry) error {
	switch {
	case e.fact != nil:
		return b.fact(*e.fact)
	case e.ended != nil:
		if !e.ended.written {
			b.ended = append(b.ended, *e.ended)
		} else if err := b.connection(*e.ended); err != nil {
			return err
		}
		return b.account(*e.ended)
	case e.change != nil:
		return b.change(*e.change)
	case e.traffic != nil:
		t := e.traffic
		return b.exec("INSERT INTO traffic VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET sent = sent + excluded.sent, received = received + excluded.received",
			t.target, t.at.Truncate(trafficBin).UnixMicro(), t.sent, t.received)
	}
	return nil
}

// trafficBin is how finely it is known when bytes were carried.
const trafficBin = time.Minute

func (b *batch) fact(f Fact) error {
	body, err := json.Marshal(f)
	if err != nil {
		return err
	}
	if err := b.exec("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?)", f.ID, f.At.UnixMicro(), string(f.Kind), f.Target, string(body)); err != nil {
		return err
	}
	switch {
	case f.Kind == event.ClientRefused:
		return b.exec("INSERT INTO hours (target, hour, refused) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET refused = refused + excluded.refused",
			f.Target, f.At.Truncate(time.Hour).UnixMicro(), max(f.Times, 1))
	case f.Kind == event.OperationEnded && f.Operation == "start":
		return b.exec("INSERT OR REPLACE INTO starts VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			f.ID, f.At.Add(-time.Duration(f.Elapsed)).UnixMicro(), f.Target, int64(f.Epoch), f.Cause, micros(f.Elapsed), f.Error == "", f.Error)
	}
	return nil
}

func micros(s Seconds) int64 { return time.Duration(s).Microseconds() }

// connection writes one, for the first time or at its end.
func (b *batch) connection(c Connection) error { return b.connections([]Connection{c}) }

// connections writes some.
func (b *batch) connections(all []Connection) error {
	args := make([]any, 0, 13*len(all))
	for _, c := range all {
		args = append(args, c.ID, c.At.UnixMicro(), c.Target, c.Route, c.Client, int64(c.Epoch), micros(c.Waited), micros(c.Lasted), c.Sent, c.Received, c.Ended, c.Error, c.Visited)
	}
	return b.exec("INSERT INTO connections VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"+strings.Repeat(", (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", len(all)-1)+
		" ON CONFLICT DO UPDATE SET lasted = excluded.lasted, sent = excluded.sent, received = excluded.received, ended = excluded.ended, error = excluded.error, visited = excluded.visited", args...)
}

// noticed is a wait that a person notices.
const noticed = 500 * time.Millisecond

// account adds an ended connection to what is known of its hour, and of when its target was used.
func (b *batch) account(c Connection) error {
	waits, waited := 0, micros(c.Waited)
	if time.Duration(c.Waited) >= noticed {
		waits = 1
	} else {
		waited = 0
	}
	k := hourKey{c.Target, c.At.Truncate(time.Hour).UnixMicro()}
	h := b.hours[k]
	if h == nil {
		h = &hourSum{}
		b.hours[k] = h
	}
	h.arrivals++
	h.waits += waits
	h.waited += waited
	h.longest = max(h.longest, waited)
	if c.Visited {
		return nil
	}
	return b.use(c)
}
