package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/rouse-proxy/rouse/internal/history"
	"github.com/rouse-proxy/rouse/internal/top"
)

func newTop(std streams) *cobra.Command {
	var s steering
	cmd := &cobra.Command{
		Use: "top [--config=FILE]", DisableFlagsInUseLine: true,
		Short: "the targets on a full screen, live",
		Long: `Shows the targets of the running rouse on the whole terminal, live: states, clients, countdowns,
throughput, and what happens. Keys wake, stop, hold and release the chosen one, and tell why it is
as it is.

` + whichRouse,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !isTerminal(std.out) || !isTerminal(std.in) {
				return errors.New("rouse top needs a terminal: rouse status --watch does without")
			}
			client, err := s.client()
			if err != nil {
				return err
			}
			if _, err := client.Status(cmd.Context()); err != nil {
				return err // on the plain terminal, before it is cleared
			}
			return top.Run(cmd.Context(), client, func(each func(history.Fact) error) error {
				return followEvents(cmd.Context(), client, "", each)
			})
		},
	}
	s.flags(cmd)
	return cmd
}
