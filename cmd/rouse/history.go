package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/rouse-proxy/rouse/internal/admin"
	"github.com/rouse-proxy/rouse/internal/config"
	"github.com/rouse-proxy/rouse/internal/history"
)

// directory finds the state directory.
func (s *steering) directory() (string, error) {
	if s.state != "" {
		return s.state, nil
	}
	loaded, err := load(s.config, "; nothing was read")
	if err != nil {
		return "", err
	}
	return loaded.Config.StateDir(os.Getenv)
}

// reader opens the history. It need not be that of a rouse which runs.
func (s *steering) reader(ctx context.Context) (*history.Reader, error) {
	dir, err := s.directory()
	if err != nil {
		return nil, err
	}
	r, err := history.OpenReader(ctx, dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no history in %s: no rouse has run with this state directory, or with history: days: 0", dir)
	}
	return r, err
}

// past is what the commands about history have in common.
type past struct {
	steering
	target, since string
	limit         int
	asJSON, asCSV bool
}

func newHistory() *cobra.Command {
	var p past
	var conns, starts bool
	cmd := &cobra.Command{
		Use: "history [--target=NAME] [--since=WHEN] [--connections|--starts] [--json|--csv]", DisableFlagsInUseLine: true,
		Short: "who came, what happened, and how long starts took",
		Long: `Tells what has happened: wakes, stops, failures with the last output of the hook, clients that were
refused, and what people have asked for. With --connections it lists who was served, and with
--starts how long each start took. It reads the file in the state directory, whether or not a
rouse runs.

` + whichRouse,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if p.asJSON && p.asCSV {
				return config.Problems{{Where: "--csv", Text: "it stands beside --json", Hint: "write one of them"}}
			}
			q, err := p.query(time.Now())
			if err != nil {
				return err
			}
			r, err := p.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer r.Close()
			var t table
			switch {
			case conns:
				t, err = connectionTable(cmd.Context(), r, q)
			case starts:
				t, err = startTable(cmd.Context(), r, q)
			default:
				t, err = factTable(cmd.Context(), r, q)
			}
			if err != nil {
				return err
			}
			return t.write(cmd.OutOrStdout(), p)
		},
	}
	p.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&p.target, "target", "", "only that of target `NAME`")
	f.StringVar(&p.since, "since", "", "`WHEN` it begins: how long ago, such as 24h or 7d, a day or a time")
	f.IntVar(&p.limit, "limit", 200, "`HOW MANY` of the newest at most")
	f.BoolVar(&conns, "connections", false, "who was served")
	f.BoolVar(&starts, "starts", false, "how long starts took")
	f.BoolVar(&p.asJSON, "json", false, "write it as JSON, one entry a line")
	f.BoolVar(&p.asCSV, "csv", false, "write it as CSV")
	cmd.MarkFlagsMutuallyExclusive("connections", "starts")
	return cmd
}

// query makes the question of the flags.
func (p *past) query(now time.Time) (history.Query, error) {
	q := history.Query{Target: p.target, Limit: p.limit}
	if p.limit < 1 || p.limit > history.MostEntries {
		return q, config.Problems{{Where: "--limit", Text: strconv.Itoa(p.limit) + " is out of range", Hint: "write a number up to " + strconv.Itoa(history.MostEntries)}}
	}
	var err error
	q.Since, err = when(p.since, now)
	if err != nil {
		return q, config.Problems{{Where: "--since", Text: err.Error(), Hint: "write how long ago, such as 24h or 7d, a day such as 2026-11-26, or a time such as 2026-11-26T12:00:00Z"}}
	}
	return q, nil
}

// when reads a time as people write it; the zero time for nothing.
func when(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", "2006-01-02T15:04:05"} {
		if at, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return at, nil
		}
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return at, nil
	}
	if days, ok := cutDays(s); ok {
		return now.AddDate(0, 0, -days), nil
	}
	d, err := config.ParseDuration(s)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a time", s)
	}
	return now.Add(-d), nil
}

func cutDays(s string) (int, bool) {
	if len(s) < 2 || len(s) > 6 || s[len(s)-1] != 'd' {
		return 0, false
	}
	n, err := strconv.Atoi(s[:len(s)-1])
	return n, err == nil && n >= 0
}

// table is what is written: rows for people and for CSV, values for JSON. The oldest comes first, as in a log.
type table struct {
	head   []string
	rows   [][]string
	values []any
}

func (t *table) add(value any, cells ...string) {
	t.rows, t.values = append(t.rows, cells), append(t.values, value)
}

func (t *table) write(out io.Writer, p past) error {
	slices.Reverse(t.rows)
	slices.Reverse(t.values)
	switch {
	case p.asJSON:
		return printLines(out, t.values)
	case p.asCSV:
		w := csv.NewWriter(out)
		_ = w.Write(t.head) // Error below tells
		_ = w.WriteAll(t.rows)
		return w.Error()
	case len(t.rows) == 0:
		_, err := fmt.Fprintln(out, "nothing has happened yet that fits")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(cells []string) {
		for i, c := range cells {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, c)
		}
		fmt.Fprintln(w)
	}
	line(t.head)
	for _, r := range t.rows {
		line(r)
	}
	return w.Flush()
}

func printLines(out io.Writer, values []any) error {
	for _, v := range values {
		if err := printLine(out, v); err != nil {
			return err
		}
	}
	return nil
}

const stamp = "2006-01-02 15:04:05"

func factTable(ctx context.Context, r *history.Reader, q history.Query) (table, error) {
	t := table{head: []string{"TIME", "TARGET", "WHAT"}}
	all, err := r.Facts(ctx, q)
	for _, f := range all {
		text := f.Text
		if f.Output != "" {
			text += "; its output ends with: " + f.Output
		}
		t.add(f, f.At.Local().Format(stamp), f.Target, text)
	}
	return t, err
}

func connectionTable(ctx context.Context, r *history.Reader, q history.Query) (table, error) {
	t := table{head: []string{"TIME", "TARGET", "CLIENT", "ROUTE", "WAITED", "LASTED", "SENT", "RECEIVED", "ENDED"}}
	all, err := r.Connections(ctx, q)
	for _, c := range all {
		ended := c.Ended
		if ended == "" {
			ended = "(it goes on)"
		}
		t.add(c, c.At.Local().Format(stamp), c.Target, c.Client, c.Route, short(c.Waited), short(c.Lasted),
			strconv.FormatInt(c.Sent, 10), strconv.FormatInt(c.Received, 10), ended)
	}
	return t, err
}

func startTable(ctx context.Context, r *history.Reader, q history.Query) (table, error) {
	t := table{head: []string{"TIME", "TARGET", "TOOK", "RESULT", "WHAT"}}
	all, err := r.Starts(ctx, q)
	for _, s := range all {
		result := "ok"
		if !s.OK {
			result = "failed"
		}
		t.add(s, s.At.Local().Format(stamp), s.Target, short(s.Took), result, s.Cause+s.Error)
	}
	return t, err
}

// short is a duration in as few digits as say something.
func short(s history.Seconds) string {
	d := time.Duration(s)
	if d < 10*time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second / 10).String()
}

func newEvents() *cobra.Command {
	var s steering
	var target string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "events [--target=NAME] [--json]", DisableFlagsInUseLine: true,
		Short: "what happens, as it happens",
		Long: `Tells what happens to the targets of the running rouse, as it happens, until it is interrupted. When
rouse is restarted it waits for the next one, and tells what it has missed.

` + whichRouse,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := s.client()
			if err != nil {
				return err
			}
			return followEvents(cmd.Context(), client, target, func(f history.Fact) error {
				if asJSON {
					return printLine(cmd.OutOrStdout(), f)
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s  %s  %s\n", f.At.Local().Format("15:04:05.000"), f.Target, f.Text)
				return err
			})
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&target, "target", "", "only that of target `NAME`")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write it as JSON, one entry a line")
	cmd.Flags().BoolP("follow", "f", true, "go on, which it does anyway")
	return cmd
}

const (
	againBeat = time.Second
	againTime = 2 * time.Minute // that a rouse may be away
)

// followEvents goes on over restarts of rouse.
func followEvents(ctx context.Context, client *admin.Client, target string, each func(history.Fact) error) error {
	last, lost, joined := int64(0), time.Time{}, false
	var failed error
	for {
		err := client.Events(ctx, target, last, func(f history.Fact) error {
			last, lost = f.ID, time.Time{}
			failed = each(f)
			return failed
		})
		if _, refused := errors.AsType[admin.Refused](err); refused || failed != nil {
			return err
		}
		joined = joined || last != 0 || err == nil // it was there, and has ended
		switch {
		case ctx.Err() != nil:
			return nil
		case !joined:
			return err
		case lost.IsZero():
			lost = time.Now()
		case time.Since(lost) > againTime:
			return err
		}
		select {
		case <-time.After(againBeat):
		case <-ctx.Done():
			return nil
		}
	}
}
