package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
)

// A Reader answers questions from the file.
type Reader struct{ db *sql.DB }

// OpenReader opens the file of a state directory to be read, whether or not a rouse writes it. A file that is not there is told of by
// [os.ErrNotExist].
func OpenReader(ctx context.Context, dir string) (*Reader, error) {
	path := Path(dir)
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", address(path, "_pragma=query_only(true)"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(2)
	var version int
	err = db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
	switch {
	case err == nil && version > len(migrations):
		err = ErrNewer
	case err == nil && version < len(migrations):
		err = errors.New("an older rouse has written it: run this one once, which brings it up to date")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reading the history %s: %w", path, err), db.Close())
	}
	return &Reader{db}, nil
}

// Close closes the file.
func (r *Reader) Close() error { return r.db.Close() }

// A Query says which entries are wanted. Zero fields do not choose.
type Query struct {
	Target       string
	Kind         event.Kind // of facts
	Since, Until time.Time
	Before       int64 // of IDs: whoever turns pages says the lowest so far
	After        int64
	Limit        int // 0: 100
}

// MostEntries is how many entries one answer has at most.
const MostEntries = 10_000

func (q Query) limit() int {
	if q.Limit <= 0 {
		return 100
	}
	return min(q.Limit, MostEntries)
}

// where is the condition, with its arguments, for a table with the columns id, at and target.
func (q Query) where() (string, []any) {
	text, args := "1", []any(nil)
	add := func(wanted bool, condition string, value any) {
		if wanted {
			text, args = text+" AND "+condition, append(args, value)
		}
	}
	add(q.Target != "", "target = ?", q.Target)
	add(q.Kind != "", "kind = ?", string(q.Kind))
	add(!q.Since.IsZero(), "at >= ?", q.Since.UnixMicro())
	add(!q.Until.IsZero(), "at < ?", q.Until.UnixMicro())
	add(q.Before > 0, "id < ?", q.Before)
	add(q.After > 0, "id > ?", q.After)
	return text, args
}

// Facts returns facts, the newest first; those after an ID the oldest first.
func (r *Reader) Facts(ctx context.Context, q Query) ([]Fact, error) {
	where, args := q.where()
	order := "DESC"
	if q.After > 0 {
		order = "ASC"
	}
	return collect(ctx, r.db, func(rows *sql.Rows) (f Fact, err error) {
		var body string
		if err = rows.Scan(&body); err == nil {
			err = json.Unmarshal([]byte(body), &f)
		}
		return f, err
	}, "SELECT body FROM facts WHERE "+where+" ORDER BY id "+order+" LIMIT ?", append(args, q.limit())...)
}

// Connections returns connections by when they came, the newest first.
func (r *Reader) Connections(ctx context.Context, q Query) ([]Connection, error) {
	where, args := q.where()
	return collect(ctx, r.db, func(rows *sql.Rows) (c Connection, err error) {
		var at, waited, lasted, epoch int64
		err = rows.Scan(&c.ID, &at, &c.Target, &c.Route, &c.Client, &epoch, &waited, &lasted, &c.Sent, &c.Received, &c.Ended, &c.Error, &c.Visited)
		c.At, c.Waited, c.Lasted, c.Epoch = time.UnixMicro(at), span(waited), span(lasted), uint64(epoch)
		return c, err
	}, "SELECT id, at, target, route, client, epoch, waited, lasted, sent, received, ended, error, visited FROM connections WHERE "+where+
		" ORDER BY id DESC LIMIT ?", append(args, q.limit())...)
}

func span(micros int64) Seconds { return Seconds(time.Duration(micros) * time.Microsecond) }

// A Start is an attempt to start a target.
type Start struct {
	At     time.Time `json:"at"`
	Target string    `json:"target"`
	Took   Seconds   `json:"seconds"`
	OK     bool      `json:"ok"`
	Cause  string    `json:"cause,omitempty"`
	Error  string    `json:"error,omitempty"`
}

// Starts returns starts, the newest first.
func (r *Reader) Starts(ctx context.Context, q Query) ([]Start, error) {
	where, args := q.where()
	return collect(ctx, r.db, func(rows *sql.Rows) (s Start, err error) {
		var at, took int64
		err = rows.Scan(&at, &s.Target, &took, &s.OK, &s.Cause, &s.Error)
		s.At, s.Took = time.UnixMicro(at), span(took)
		return s, err
	}, "SELECT at, target, took, ok, cause, error FROM starts WHERE "+where+" ORDER BY id DESC LIMIT ?", append(args, q.limit())...)
}

// An Interval is a time that a target spent in one state.
type Interval struct {
	Target string    `json:"-"`
	State  string    `json:"state"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
}

// Intervals returns the times in states that touch a span of time, cut to it, in their order. The one that goes on ends at until.
func (r *Reader) Intervals(ctx context.Context, target string, since, until time.Time) ([]Interval, error) {
	return collect(ctx, r.db, func(rows *sql.Rows) (i Interval, err error) {
		var from, to int64
		err = rows.Scan(&i.Target, &i.State, &from, &to)
		i.Since, i.Until = time.UnixMicro(from), time.UnixMicro(to)
		return i, err
	}, `SELECT target, state, max(since, ?1), min(coalesce(until, ?2), ?2) FROM intervals
		WHERE (?3 = '' OR target = ?3) AND since < ?2 AND coalesce(until, ?2) > ?1 ORDER BY target, since`, since.UnixMicro(), until.UnixMicro(), target)
}

// A Use is a time in which somebody was connected.
type Use struct {
	Since, Until time.Time
	Arrivals     int
}

// Uses returns when a target was used, in the order of the beginnings. They may overlap.
func (r *Reader) Uses(ctx context.Context, target string, since, until time.Time) ([]Use, error) {
	return collect(ctx, r.db, func(rows *sql.Rows) (u Use, err error) {
		var from, to int64
		err = rows.Scan(&from, &to, &u.Arrivals)
		u.Since, u.Until = time.UnixMicro(from), time.UnixMicro(to)
		return u, err
	}, `SELECT max(since, ?1), min(until, ?2), arrivals FROM uses WHERE target = ?3 AND since < ?2 AND until > ?1
		UNION ALL SELECT max(at, ?1), ?2, 1 FROM connections WHERE target = ?3 AND ended = '' AND NOT visited AND at < ?2 ORDER BY 1`,
		since.UnixMicro(), until.UnixMicro(), target)
}

// Stays returns each client that kept a target awake, as far as connections are kept, in the order in which they came: until when it would
// have stayed had it not had to wait.
func (r *Reader) Stays(ctx context.Context, target string, since, until time.Time) ([]Use, error) {
	return collect(ctx, r.db, func(rows *sql.Rows) (Use, error) {
		var from, lasted int64
		err := rows.Scan(&from, &lasted)
		return Use{time.UnixMicro(from), time.UnixMicro(from + max(lasted, 0)), 1}, err
	}, `SELECT at, CASE ended WHEN '' THEN ?2 - at - waited ELSE lasted END FROM connections
		WHERE target = ?3 AND NOT visited AND at >= ?1 AND at < ?2 ORDER BY at`, since.UnixMicro(), until.UnixMicro(), target)
}

// An Hour is what came in one.
type Hour struct {
	At       time.Time
	Arrivals int
	Waits    int // arrivals that had to wait noticeably
	Waited   Seconds
	Longest  Seconds
	Refused  int
}

// Hours returns the hours of a target in which somebody came, in order.
func (r *Reader) Hours(ctx context.Context, target string, since, until time.Time) ([]Hour, error) {
	return collect(ctx, r.db, func(rows *sql.Rows) (h Hour, err error) {
		var at, waited, longest int64
		err = rows.Scan(&at, &h.Arrivals, &h.Waits, &waited, &longest, &h.Refused)
		h.At, h.Waited, h.Longest = time.UnixMicro(at), span(waited), span(longest)
		return h, err
	}, "SELECT hour, arrivals, waits, waited, longest, refused FROM hours WHERE target = ? AND hour >= ? AND hour < ? ORDER BY hour",
		target, since.Truncate(time.Hour).UnixMicro(), until.UnixMicro())
}

// Arrivals counts the connections that came in each bin of a span of time.
func (r *Reader) Arrivals(ctx context.Context, target string, since, until time.Time, bin time.Duration) ([]int, error) {
	counts := make([]int, bins(since, until, bin))
	_, err := collect(ctx, r.db, func(rows *sql.Rows) (n int, err error) {
		var at int
		if err = rows.Scan(&at, &n); err == nil && at >= 0 && at < len(counts) {
			counts[at] = n
		}
		return n, err
	}, "SELECT (at - ?1) / ?2, count(*) FROM connections WHERE target = ?3 AND at >= ?1 AND at < ?4 GROUP BY 1",
		since.UnixMicro(), bin.Microseconds(), target, until.UnixMicro())
	return counts, err
}

// Carried sums the bytes of each bin of a span of time: from clients, and to them.
func (r *Reader) Carried(ctx context.Context, target string, since, until time.Time, bin time.Duration) (sent, received []int64, err error) {
	sent, received = make([]int64, bins(since, until, bin)), make([]int64, bins(since, until, bin))
	_, err = collect(ctx, r.db, func(rows *sql.Rows) (x int64, err error) {
		var at int
		var y int64
		if err = rows.Scan(&at, &x, &y); err == nil && at >= 0 && at < len(sent) {
			sent[at], received[at] = x, y
		}
		return x, err
	}, "SELECT (at - ?1) / ?2, sum(sent), sum(received) FROM traffic WHERE target = ?3 AND at >= ?1 AND at < ?4 GROUP BY 1",
		since.UnixMicro(), bin.Microseconds(), target, until.UnixMicro())
	return sent, received, err
}

func bins(since, until time.Time, bin time.Duration) int {
	const most = 5000
	return int(min(max((until.Sub(since)+bin-1)/bin, 0), most))
}

// First is when the oldest interval of a target begins; the zero time: there is none.
func (r *Reader) First(ctx context.Context, target string) (time.Time, error) {
	var at sql.NullInt64
	err := r.db.QueryRowContext(ctx, "SELECT min(since) FROM intervals WHERE target = ?", target).Scan(&at)
	if err != nil || !at.Valid {
		return time.Time{}, err
	}
	return time.UnixMicro(at.Int64), nil
}

// Targets returns the names of which anything is known, in order.
func (r *Reader) Targets(ctx context.Context) ([]string, error) {
	return collect(ctx, r.db, func(rows *sql.Rows) (name string, err error) { return name, rows.Scan(&name) },
		"SELECT target FROM intervals UNION SELECT target FROM hours ORDER BY 1")
}

// collect runs a query and takes its rows.
func collect[T any](ctx context.Context, db *sql.DB, take func(*sql.Rows) (T, error), query string, args ...any) (all []T, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("reading the history: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		one, err := take(rows)
		if err != nil {
			return nil, fmt.Errorf("reading the history: %w", err)
		}
		all = append(all, one)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading the history: %w", err)
	}
	return all, nil
}
