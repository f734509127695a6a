package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/rouse-proxy/rouse/internal/demo"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Long:  "Prints the version of rouse, of Go, and the system it was built for.",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "rouse %s (%s, %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

// version is what the build has recorded of itself.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown)"
	}
	return info.Main.Version
}

func newDemo(std streams) *cobra.Command {
	var playing bool
	cmd := &cobra.Command{
		Use:   "demo [--play]",
		Short: "show the main job on this machine",
		Long: `Starts a small TCP service as a sleeping target, with real start and stop scripts, puts the
proxy in front of it, and tells what happens as it happens. Wake it with the command that it
prints, or let it play a client itself.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runtime.GOOS == "windows" {
				return errors.New("the demo's hooks are shell scripts, which this system does not have; see the examples for hooks of your own")
			}
			executable, err := os.Executable()
			if err != nil {
				return fmt.Errorf("finding this program, which is also the demo's service: %w", err)
			}
			terminal := isTerminal(std.out)
			return demo.Run(cmd.Context(), demo.Options{
				Out: std.out, Terminal: terminal && os.Getenv("NO_COLOR") == "",
				Play: playing || !terminal || !isTerminal(std.in), Port: 8000, Executable: executable,
			})
		},
	}
	cmd.Flags().BoolVar(&playing, "play", false, "play a client too (also when no terminal is attached)")
	return cmd
}

// newDemoService is what the demo's start hook runs.
func newDemoService() *cobra.Command {
	var address string
	var boot time.Duration
	cmd := &cobra.Command{
		Use: "demo-service", Hidden: true, Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return demo.Service(cmd.Context(), address, boot) },
	}
	cmd.Flags().StringVar(&address, "listen", "127.0.0.1:0", "address to listen on")
	cmd.Flags().DurationVar(&boot, "boot", 0, "how long to boot")
	return cmd
}
