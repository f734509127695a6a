package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/rouse-proxy/rouse/internal/admin"
)

func newStatus(std streams) *cobra.Command {
	var s steering
	var asJSON, watch bool
	cmd := &cobra.Command{
		Use: "status [TARGET|GROUP] [--watch] [--json]", Aliases: []string{"targets"}, DisableFlagsInUseLine: true,
		Short: "the targets of the running rouse, and how they are",
		Long: `Lists the targets of the running rouse: their state, how many clients are connected and how many
wait, when each is stopped if nobody comes, and who holds it by hand. Health is asleep, waking, up
or failing.

` + whichRouse + `

Exit codes: 0 all is well, 1 a target is failing or rouse could not be asked.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := s.client()
			if err != nil {
				return err
			}
			name := strings.Join(args, "")
			if watch {
				return watchStatus(cmd.Context(), client, name, cmd.OutOrStdout(), isTerminal(std.out))
			}
			st, err := client.Status(cmd.Context())
			if err == nil {
				st.Targets, err = chosen(st.Targets, name)
			}
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), st)
			} else {
				err = printStatus(cmd.OutOrStdout(), st)
			}
			if err == nil && failing(st) {
				err = errUnwell
			}
			return err
		},
	}
	s.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write it as JSON")
	cmd.Flags().BoolVar(&watch, "watch", false, "write it again whenever it changes")
	return cmd
}

// chosen returns the target of a name, or those of a group; all for no name.
func chosen(all []admin.Target, name string) ([]admin.Target, error) {
	if name == "" {
		return all, nil
	}
	var some []admin.Target
	for _, t := range all {
		if named(t, name) {
			some = append(some, t)
		}
	}
	if len(some) == 0 {
		return nil, fmt.Errorf("there is neither a target nor a group %q: rouse status lists what there is", name)
	}
	return some, nil
}

func named(t admin.Target, name string) bool {
	if t.Name == name {
		return true
	}
	return slices.Contains(t.Groups, name)
}

func failing(st admin.Status) bool {
	for _, t := range st.Targets {
		if t.Health == admin.Failing {
			return true
		}
	}
	return false
}

func printJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(v)
}

func printStatus(out io.Writer, st admin.Status) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TARGET\tSTATE\tHEALTH\tFOR\tCLIENTS\tWAITING\tSTOPS IN\tREMARKS")
	for _, t := range st.Targets {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", t.Name, t.State, t.Health, since(t.Since), t.Clients, t.Waiting, stops(t), remarks(t))
	}
	return w.Flush()
}

// since is how long ago something was.
func since(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return brief(time.Since(at))
}

// brief writes a duration with two units at most.
func brief(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return d.String()
}

const watchBeat = time.Second

// watchStatus writes the table until it is told to end: over itself on a terminal, else anew whenever something but a countdown changes.
func watchStatus(ctx context.Context, client *admin.Client, name string, out io.Writer, terminal bool) error {
	last := ""
	for {
		st, err := client.Status(ctx)
		if err == nil {
			st.Targets, err = chosen(st.Targets, name)
		}
		if ctx.Err() != nil {
			return nil // it was told to end
		}
		if err != nil {
			return err
		}
		if key := shape(st); terminal || key != last {
			last = key
			var text strings.Builder
			if err := printStatus(&text, st); err != nil {
				return err
			}
			head := time.Now().Format("15:04:05") + "\n"
			if terminal {
				head = "\x1b[H\x1b[2J" + "rouse " + st.Version + ", " + head
			}
			if _, err := io.WriteString(out, head+text.String()); err != nil {
				return err
			}
		}
		select {
		case <-time.After(watchBeat):
		case <-ctx.Done():
			return nil
		}
	}
}

// shape is what of a status is no clock.
func shape(st admin.Status) string {
	var b strings.Builder
	for _, t := range st.Targets {
		fmt.Fprintln(&b, t.Name, t.State, t.Health, t.Clients, t.Waiting, t.StopAt.IsZero(), remarks(t))
	}
	return b.String()
}

func newWhy() *cobra.Command {
	var s steering
	var asJSON bool
	cmd := &cobra.Command{
		Use: "why TARGET [--json]", DisableFlagsInUseLine: true,
		Short: "why a target is awake or asleep",
		Long: `Tells why a target is as it is: who is connected since when, who holds it, which window or veto
keeps it awake and how long its cooldown still runs; why it woke the last time, why it was stopped
or was not, and whom it refused.

` + whichRouse,
		Args: oneTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := s.client()
			if err != nil {
				return err
			}
			w, err := client.Why(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), w)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), w.Text)
			return err
		},
	}
	s.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write it as JSON")
	return cmd
}

func newMaintenance() *cobra.Command {
	var s steering
	var hold, off bool
	var why string
	cmd := &cobra.Command{
		Use: "maintenance TARGET|GROUP [--hold|--off]", DisableFlagsInUseLine: true,
		Short: "refuse new clients, or have them wait",
		Long: `Refuses new clients of a target, or of all of a group, while you work on it: for a backup, say. With
--hold they wait instead, until --off or until their patience ends. They neither wake the target
nor keep it awake. Who is connected stays; rouse stop --force cuts them. It outlives a restart.

` + whichRouse,
		Args: oneTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := s.client()
			if err != nil {
				return err
			}
			m, text := admin.Maintenance{Mode: "refuse", Why: why}, "new clients of %s are refused\n"
			switch {
			case off:
				m, text = admin.Maintenance{Mode: "off"}, "new clients of %s are let in\n"
			case hold:
				m.Mode, text = "hold", "new clients of %s have to wait\n"
			}
			if err := client.Maintain(cmd.Context(), args[0], m); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), text, args[0])
			return err
		},
	}
	s.flags(cmd)
	cmd.Flags().BoolVar(&hold, "hold", false, "have new clients wait")
	cmd.Flags().BoolVar(&off, "off", false, "let new clients in again")
	cmd.Flags().StringVar(&why, "why", "", "`REASON`, for others")
	cmd.MarkFlagsMutuallyExclusive("hold", "off")
	return cmd
}
