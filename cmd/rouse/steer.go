package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rouse-proxy/rouse/internal/admin"
	"github.com/rouse-proxy/rouse/internal/app"
	"github.com/rouse-proxy/rouse/internal/config"
)

const whichRouse = `The rouse that is asked is the one with the state directory of the config, or with --state-dir.`

// steering is what the commands have in common that talk to a rouse that runs.
type steering struct{ config, state string }

func (s *steering) flags(cmd *cobra.Command) {
	configFlag(cmd, &s.config)
	cmd.Flags().StringVar(&s.state, "state-dir", "", "state directory of the rouse that is asked")
}

// client finds the rouse.
func (s *steering) client() (*admin.Client, error) {
	if s.state != "" {
		return admin.Dial(s.state), nil
	}
	loaded, err := load(s.config, "; nothing was asked")
	if err != nil {
		return nil, err
	}
	dir, err := loaded.Config.StateDir(os.Getenv)
	if err != nil {
		return nil, err
	}
	return admin.Dial(dir), nil
}

func newReload() *cobra.Command {
	var s steering
	cmd := &cobra.Command{
		Use: "reload [--config=FILE]", DisableFlagsInUseLine: true,
		Short: "have the running rouse read its config again",
		Long: `Has the running rouse read its config again, and tells what has changed. A config that is wrong
changes nothing, and everything that is wrong with it is listed.

` + whichRouse + `

Exit codes: 0 it is in force, 1 it could not be put in force, 2 it is wrong.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := s.client()
			if err != nil {
				return err
			}
			var r app.Report
			if err := client.Reload(cmd.Context(), &r); err != nil {
				return fmt.Errorf("nothing has changed: %w", err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), describe(r))
			return err
		},
	}
	s.flags(cmd)
	return cmd
}

// describe says what a reload has changed.
func describe(r app.Report) string {
	var parts []string
	for _, p := range []struct {
		what  string
		names []string
	}{{"added", r.Added}, {"changed", r.Changed}, {"removed", r.Removed}} {
		if len(p.names) > 0 {
			parts = append(parts, p.what+" "+strings.Join(p.names, ", "))
		}
	}
	if r.Listeners > 0 {
		parts = append(parts, count(r.Listeners, "listener")+" changed")
	}
	text := "the config is in force: " + strings.Join(parts, "; ")
	if len(parts) == 0 {
		text = "the config is in force: nothing has changed"
	}
	for _, w := range r.Warnings {
		text += "\nwarning: " + w
	}
	for _, kept := range r.Kept {
		text += "\nit takes a restart to change " + kept
	}
	return text
}

func newHold() *cobra.Command {
	var s steering
	var lasts, why string
	cmd := &cobra.Command{
		Use: "hold TARGET|GROUP --for=DURATION", DisableFlagsInUseLine: true,
		Short: "wake a target and keep it awake for a time",
		Long: `Wakes a target, or all of a group, and keeps it awake for a time, whatever its budget and its
windows say. The hold outlives a restart of rouse. rouse release ends it early.

` + whichRouse,
		Args: oneTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := config.ParseDuration(lasts)
			if err == nil && d <= 0 {
				err = errors.New("it is no time")
			}
			if err != nil {
				return config.Problems{{Where: "--for", Text: err.Error(), Hint: "write one such as --for=2h"}}
			}
			client, err := s.client()
			if err != nil {
				return err
			}
			until := time.Now().Add(d)
			if err := client.Hold(cmd.Context(), args[0], admin.Hold{Until: until, Why: why}); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is held until %s\n", args[0], until.Format("Jan 2, 15:04:05"))
			return err
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&lasts, "for", "", "how `LONG`, such as 2h (required)")
	cmd.Flags().StringVar(&why, "why", "", "`REASON`, for others")
	return cmd
}

func newRelease() *cobra.Command {
	var s steering
	cmd := &cobra.Command{
		Use: "release TARGET|GROUP", DisableFlagsInUseLine: true,
		Short: "end what rouse hold has begun",
		Long: `Ends the hold on a target, or on all of a group. Once nobody else is there, its cooldown begins.

` + whichRouse,
		Args: oneTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := s.client()
			if err != nil {
				return err
			}
			n, err := client.Release(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			text := args[0] + " is held by hand no more"
			if n == 0 {
				text = args[0] + " was not held by hand"
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
			return err
		},
	}
	s.flags(cmd)
	return cmd
}

// oneTarget wants one name.
func oneTarget(_ *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	return config.Problems{{Where: "TARGET", Text: fmt.Sprintf("%d names are given", len(args)), Hint: "write that of one target, or of one group"}}
}

// stops says when a target stops.
func stops(t admin.Target) string {
	if t.StopAt.IsZero() {
		return "-"
	}
	return max(time.Until(t.StopAt).Round(time.Second), 0).String()
}

func remarks(t admin.Target) string {
	var all []string
	if t.Leaving {
		all = append(all, "no longer configured")
	}
	if t.Visitors > 0 {
		all = append(all, count(t.Visitors, "visitor")+" beside")
	}
	if t.Busy {
		all = append(all, "busy, and asked again then")
	}
	if t.Maintenance != "" {
		text := map[string]string{"refuse": "new clients are refused", "hold": "new clients have to wait"}[t.Maintenance]
		if t.MaintainWhy != "" {
			text += " (" + t.MaintainWhy + ")"
		}
		all = append(all, text)
	}
	if !t.Hold.IsZero() {
		text := "held until " + t.Hold.Format("Jan 2, 15:04")
		if t.By != "" {
			text += " by " + t.By
		}
		if t.Why != "" {
			text += " (" + t.Why + ")"
		}
		all = append(all, text)
	}
	if t.Error != "" {
		all = append(all, t.Error)
	}
	return strings.Join(all, "; ")
}
