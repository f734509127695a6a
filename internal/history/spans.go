package history

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"time"
)

// use is a time in which somebody was connected to a target. Those that nearly touch are one.
type use struct {
	row          int64
	since, until time.Time
	more         int // arrivals that are not written yet
}

// together is how close two times of use are that are kept as one.
const together = 5 * time.Second

// interval is a time in one state that is not over.
type interval struct {
	row   int64
	state string
}

func copied(m map[string]*use) map[string]*use {
	c := make(map[string]*use, len(m))
	for k, v := range m {
		u := *v
		c[k] = &u
	}
	return c
}

func copiedValues(m map[string]interval) map[string]interval { return maps.Clone(m) }

// use notes that a client was there. Connections come in the order of their ends, so a long one may hold several that are written already.
func (b *batch) use(c Connection) error {
	since := c.At
	until := since.Add(time.Duration(c.Waited) + time.Duration(c.Lasted))
	if u := b.uses[c.Target]; u != nil && since.Before(u.until.Add(together)) && !since.Before(u.since) {
		if until.After(u.until) {
			u.until = until
		}
		u.more++
		return nil
	}
	if u := b.uses[c.Target]; u != nil && u.more > 0 { // it gives way to another one
		if err := b.exec("UPDATE uses SET until = max(until, ?), arrivals = arrivals + ? WHERE id = ?", u.until.UnixMicro(), u.more, u.row); err != nil {
			return err
		}
	}
	r, err := b.run("INSERT INTO uses (target, since, until, arrivals) VALUES (?, ?, ?, 1)", c.Target, since.UnixMicro(), until.UnixMicro())
	if err != nil {
		return err
	}
	row, err := r.LastInsertId()
	b.uses[c.Target] = &use{row: row, since: since, until: until}
	return err
}

// change ends the interval of a target and begins the next one. A look at a sleeping target that finds nothing is part of its sleep.
func (b *batch) change(c change) error {
	o, known := b.open[c.target]
	switch {
	case known && c.from == "stopped" && c.to == "unknown":
		return nil
	case known && o.state == "stopped" && c.from == "unknown" && c.to == "stopped":
		return nil
	case known:
		if err := b.exec("UPDATE intervals SET until = ? WHERE id = ?", c.at.UnixMicro(), o.row); err != nil {
			return err
		}
	case c.after > 0:
		err := b.exec("INSERT INTO intervals (target, state, since, until) VALUES (?, ?, ?, ?)", c.target, c.from, c.at.Add(-c.after).UnixMicro(), c.at.UnixMicro())
		if err != nil {
			return err
		}
	}
	r, err := b.run("INSERT INTO intervals (target, state, since) VALUES (?, ?, ?)", c.target, c.to, c.at.UnixMicro())
	if err != nil {
		return err
	}
	row, err := r.LastInsertId()
	b.open[c.target] = interval{row, c.to}
	return err
}

// takeUp ends what a rouse before this one has left open: nobody knows what became of it later than that one was alive. It returns the
// newest ID.
func (w *writer) takeUp(ctx context.Context, db *sql.DB) (last int64, err error) {
	if len(w.open) > 0 { // it was opened before, by this one
		return 0, nil
	}
	var alive int64
	err = db.QueryRowContext(ctx, "SELECT value FROM marks WHERE name = 'alive'").Scan(&alive)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for _, query := range []string{
		"UPDATE intervals SET until = max(since, ?) WHERE until IS NULL",
		"UPDATE connections SET ended = 'rouse ended', lasted = max(0, ? - at - waited) WHERE ended = ''",
	} {
		if _, err := db.ExecContext(ctx, query, alive); err != nil {
			return 0, err
		}
	}
	if err := w.remember(ctx, db); err != nil {
		return 0, err
	}
	err = db.QueryRowContext(ctx, "SELECT max((SELECT coalesce(max(id), 0) FROM facts), (SELECT coalesce(max(id), 0) FROM connections))").Scan(&last)
	return last, err
}

// remember takes up how long starts took, so that the next one knows how long it may take.
func (w *writer) remember(ctx context.Context, db *sql.DB) error {
	starts, err := (&Reader{db: db}).Starts(ctx, Query{Limit: 2000})
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range starts { // the newest first
		if n := w.now(s.Target); s.OK && len(n.Took) < mostTook {
			n.Took = slices.Insert(n.Took, 0, time.Duration(s.Took))
		}
	}
	return nil
}

// finish ends what is open, when rouse does.
func (w *writer) finish(ctx context.Context) error {
	now := time.Now().UnixMicro()
	if _, err := w.db.ExecContext(ctx, "UPDATE intervals SET until = ? WHERE until IS NULL", now); err != nil {
		return err
	}
	_, err := w.db.ExecContext(ctx, "INSERT INTO marks VALUES ('alive', ?) ON CONFLICT DO UPDATE SET value = excluded.value", now)
	return err
}

// prune forgets what is too old, and what is too much: first connections, of which there are most and of which the hours are known, then
// facts.
func (w *writer) prune(ctx context.Context) error {
	before := time.Now().Add(-w.opts.Keep).UnixMicro()
	for _, query := range []string{
		"DELETE FROM connections WHERE id < ?", "DELETE FROM facts WHERE id < ?", "DELETE FROM starts WHERE id < ?", // IDs are about times
		"DELETE FROM intervals WHERE until < ?", "DELETE FROM uses WHERE until < ?", "DELETE FROM hours WHERE hour < ?", "DELETE FROM traffic WHERE at < ?",
	} {
		if _, err := w.db.ExecContext(ctx, query, before); err != nil {
			return err
		}
	}
	for range 100 { // an end in any case
		used, err := used(ctx, w.db)
		if err != nil {
			return err
		}
		if used <= w.opts.Size {
			break
		}
		if err := w.shrink(ctx); err != nil {
			return err
		}
	}
	_, err := w.db.ExecContext(ctx, "PRAGMA incremental_vacuum")
	return err
}

// used is how many bytes of the file are in use.
func used(ctx context.Context, db *sql.DB) (int64, error) {
	var pages, free, size int64
	row := db.QueryRowContext(ctx, "SELECT page_count, freelist_count, page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size")
	err := row.Scan(&pages, &free, &size)
	return (pages - free) * size, err
}

// shrink forgets an eighth of the connections and of the minutes in which bytes were carried, or once the former are few, of everything.
func (w *writer) shrink(ctx context.Context) error {
	tables := []string{"connections"}
	var n int64
	if err := w.db.QueryRowContext(ctx, "SELECT count(*) FROM connections").Scan(&n); err != nil {
		return err
	}
	if n < 1000 {
		tables = append(tables, "facts", "starts", "intervals", "uses")
	}
	if _, err := w.db.ExecContext(ctx, "DELETE FROM traffic WHERE at <= (SELECT min(at) + (max(at) - min(at)) / 8 FROM traffic)"); err != nil {
		return err
	}
	for _, table := range tables {
		query := "DELETE FROM " + table + " WHERE id IN (SELECT id FROM " + table + " ORDER BY id LIMIT 1 + (SELECT count(*) / 8 FROM " + table + "))"
		if _, err := w.db.ExecContext(ctx, query); err != nil {
			return err
		}
	}
	return nil
}
