package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rouse-proxy/rouse/internal/admin"
)

func newWake() *cobra.Command {
	var s steering
	var now bool
	cmd := &cobra.Command{
		Use: "wake TARGET|GROUP", DisableFlagsInUseLine: true,
		Short: "wake a target, and wait until it is ready",
		Long: `Wakes a target, or all of a group, whatever its budget and its windows say, and waits until it is
ready. Nobody holds it then: it is stopped when nobody has come within its cooldown. rouse hold
keeps it awake.

` + whichRouse + `

Exit codes: 0 it is ready, 1 it is not.`,
		Args: oneTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := s.client()
			if err != nil {
				return err
			}
			if err := client.Wake(cmd.Context(), args[0]); err != nil || now {
				return err
			}
			return follow(cmd.Context(), cmd.OutOrStdout(), client, args[0], "ready", "starting", "unknown", "stopping", "stopped")
		},
	}
	s.flags(cmd)
	cmd.Flags().BoolVar(&now, "no-wait", false, "do not wait")
	return cmd
}

func newStop() *cobra.Command {
	var s steering
	var now, force bool
	cmd := &cobra.Command{
		Use: "stop TARGET|GROUP", DisableFlagsInUseLine: true,
		Short: "stop a target that nobody uses, without waiting for its cooldown",
		Long: `Stops a target, or all of a group, at once, and waits until it is down. One that clients, another
target or a person by hand keep awake is not stopped, and then none of the group is. With --force
the clients that are connected are cut.

` + whichRouse + `

Exit codes: 0 it is down, 1 it is not.`,
		Args: oneTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := s.client()
			if err != nil {
				return err
			}
			if err := client.Stop(cmd.Context(), args[0], force); err != nil || now {
				return err
			}
			return follow(cmd.Context(), cmd.OutOrStdout(), client, args[0], "stopped", "stopping", "unknown")
		},
	}
	s.flags(cmd)
	cmd.Flags().BoolVar(&now, "no-wait", false, "do not wait")
	cmd.Flags().BoolVar(&force, "force", false, "cut the clients that are connected")
	return cmd
}

const (
	followBeat = 200 * time.Millisecond
	newsBeat   = 5 * time.Second // between two lines while nothing changes
)

// follow tells of the targets of a name until all are in a state. Another one than those on the way is a failure.
func follow(ctx context.Context, out io.Writer, client *admin.Client, name, goal string, onTheWay ...string) error {
	said := map[string]time.Time{}
	for began := time.Now(); ; {
		all, err := client.Targets(ctx)
		if err != nil {
			return err
		}
		done := true
		for _, t := range all {
			if t.Name != name && !slices.Contains(t.Groups, name) {
				continue
			}
			elapsed := time.Since(began).Round(time.Second)
			key := t.Name + " " + t.State
			if last, known := said[key]; !known || t.State != goal && time.Since(last) >= newsBeat {
				said[key] = time.Now()
				usually := ""
				if t.State == "starting" && t.Expected > 0 {
					usually = fmt.Sprintf(", usually ready after %v", time.Duration(t.Expected*float64(time.Second)).Round(time.Second/10))
				}
				fmt.Fprintf(out, "%s is %s, after %v%s\n", t.Name, t.State, elapsed, usually)
			}
			switch {
			case t.State == goal:
			case t.State == "failed", !slices.Contains(onTheWay, t.State):
				return fmt.Errorf("%s is %s: %s", t.Name, t.State, strings.TrimSpace(t.Error+" (see the log)"))
			default:
				done = false
			}
		}
		if done {
			return nil
		}
		select {
		case <-time.After(followBeat):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
