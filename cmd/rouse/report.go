package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/rouse-proxy/rouse/internal/app"
	"github.com/rouse-proxy/rouse/internal/config"
	"github.com/rouse-proxy/rouse/internal/history"
	"github.com/rouse-proxy/rouse/internal/report"
	"github.com/rouse-proxy/rouse/internal/tune"
)

// ledgers are the config and the history, of which reports are made.
func (s *steering) ledgers(cmd *cobra.Command) (*config.Config, *history.Reader, error) {
	loaded, err := load(s.config, "; nothing was read")
	if err != nil {
		return nil, nil, err
	}
	r, err := s.reader(cmd.Context())
	return loaded.Config, r, err
}

func newReport() *cobra.Command {
	var s steering
	var month, target, page string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "report [--month=YYYY-MM] [--target=NAME] [--json] [--html=FILE]", DisableFlagsInUseLine: true,
		Short: "what targets cost in a month, and what was saved",
		Long: `Reckons what each target cost in a month, in money and energy, and what it would have cost had it
never slept; how often it was started cold, and how long people waited for that. What it costs
stands in the config, below the target:

  cost: {per-hour: 0.40, per-start: 0.05, stopped-per-hour: 0.02, currency: EUR}
  power: {watts: 60, stopped-watts: 2}

Only time that rouse has seen is reckoned with. --html writes a page in one file, with plots.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			since, until, err := monthOf(month, time.Now())
			if err != nil {
				return config.Problems{{Where: "--month", Text: err.Error(), Hint: "write one such as 2026-11"}}
			}
			cfg, r, err := s.ledgers(cmd)
			if err != nil {
				return err
			}
			defer r.Close()
			all, err := app.Savings(cmd.Context(), r, cfg, target, since, until)
			if err != nil {
				return err
			}
			switch {
			case page != "":
				return writeFile(cmd.OutOrStdout(), page, func(w io.Writer) error { return report.HTML(w, all) })
			case asJSON:
				return printJSON(cmd.OutOrStdout(), all)
			}
			return report.Text(cmd.OutOrStdout(), all)
		},
	}
	s.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&month, "month", "", "`MONTH`, such as 2026-11; without it, this one")
	f.StringVar(&target, "target", "", "only that of target `NAME`")
	f.BoolVar(&asJSON, "json", false, "write it as JSON")
	f.StringVar(&page, "html", "", "write a page to `FILE`")
	return cmd
}

// monthOf returns when a month begins and ends; this one's end is now.
func monthOf(s string, now time.Time) (since, until time.Time, err error) {
	since = time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.Local)
	if s != "" {
		if since, err = time.ParseInLocation("2006-01", s, time.Local); err != nil {
			return since, until, fmt.Errorf("%q is not a month", s)
		}
	}
	until = since.AddDate(0, 1, 0)
	if until.After(now) {
		until = now
	}
	if !since.Before(until) {
		return since, until, fmt.Errorf("%q is yet to come", s)
	}
	return since, until, nil
}

// writeFile writes a new file, or the old one stays.
func writeFile(out io.Writer, path string, write func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".rouse-*")
	if err != nil {
		return err
	}
	err = errors.Join(write(file), file.Chmod(0o644), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	_, err = fmt.Fprintf(out, "wrote %s\n", path)
	return err
}

func newTune() *cobra.Command {
	var s steering
	var since, page string
	var price tune.Price
	var asJSON bool
	cmd := &cobra.Command{
		Use: "tune TARGET [--since=WHEN] [--html=FILE] [--json]", DisableFlagsInUseLine: true,
		Short: "which cooldown would have been best",
		Long: `Replays how the target was used against other cooldowns, and weighs what it costs awake against cold
starts and the waiting of people. Prices come from cost: in the config, or from flags. Where the
config does not say what an hour of waiting is worth, it is 20. With little history it names the
break-even, which never costs more than twice the least.

cooldown: auto in the config does this each day, and keeps to the bounds of auto-cooldown.`,
		Args: oneTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := when(since, time.Now())
			if err != nil {
				return config.Problems{{Where: "--since", Text: err.Error(), Hint: "write how long ago, such as 60d, or a day such as 2026-11-01"}}
			}
			cfg, r, err := s.ledgers(cmd)
			if err != nil {
				return err
			}
			defer r.Close()
			t := cfg.Named(args[0])
			if t == nil {
				return fmt.Errorf("there is no target %q in the config", args[0])
			}
			c, p, err := app.TuneTarget(cmd.Context(), r, *t, from, time.Now(), priced(cmd, *t, price))
			if err != nil {
				return err
			}
			return tell(cmd, *t, c, p, page, asJSON)
		},
	}
	s.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&since, "since", "60d", "`WHEN` the record begins")
	f.Float64Var(&price.PerHour, "per-hour", 0, "what an hour awake costs more than one asleep, an `AMOUNT`")
	f.Float64Var(&price.PerStart, "per-start", 0, "what a start costs, an `AMOUNT`")
	f.Float64Var(&price.Waiting, "waiting", 0, "what an hour of waiting is worth, an `AMOUNT`")
	f.StringVar(&page, "html", "", "write a page to `FILE`")
	f.BoolVar(&asJSON, "json", false, "write it as JSON")
	return cmd
}

// priced takes the prices of the flags that are given, before those of the config.
func priced(cmd *cobra.Command, t config.Target, flags tune.Price) tune.Price {
	p := app.PriceOf(t)
	for _, one := range []struct {
		name     string
		to, from *float64
	}{{"per-hour", &p.PerHour, &flags.PerHour}, {"per-start", &p.PerStart, &flags.PerStart}, {"waiting", &p.Waiting, &flags.Waiting}} {
		if cmd.Flags().Changed(one.name) {
			*one.to = max(*one.from, 0)
		}
	}
	return p
}

func tell(cmd *cobra.Command, t config.Target, c tune.Choice, p tune.Price, page string, asJSON bool) error {
	out, currency := cmd.OutOrStdout(), t.Cost.Currency
	switch {
	case page != "":
		return writeFile(out, page, func(w io.Writer) error { return report.Tune(w, t.Name, c, p, currency) })
	case asJSON:
		return printJSON(out, map[string]any{
			"target": t.Name, "cooldown": c.Cooldown.Seconds(), "break_even": c.BreakEven.Cooldown.Seconds(), "thin": c.Thin, "reason": c.Reason,
			"cost": c.Cost, "cold_starts": c.ColdStarts, "waited": c.Waited.Seconds(), "awake": c.Awake.Seconds(), "start_time": p.StartTime.Seconds(),
		})
	}
	fmt.Fprintf(out, "%s: a cooldown of %s; now it is %s\n%s\nAn hour awake costs %.2f %s more than one asleep, a start %.2f, an hour of waiting %.2f; a start takes %s.\n\n",
		t.Name, tune.Brief(c.Cooldown), tune.Brief(t.Cooldown), c.Reason, p.PerHour, currency, p.PerStart, p.Waiting, tune.Brief(p.StartTime))
	return tune.Plot(out, c, p, currency, 90, 12)
}
