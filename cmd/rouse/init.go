package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rouse-proxy/rouse/internal/config"
)

func newInit(std streams) *cobra.Command {
	var flags config.Flags
	var path string
	cmd := &cobra.Command{
		Use: "init [--output=FILE] [--target-ip=HOST --target-port=PORT ...]", DisableFlagsInUseLine: true,
		Short: "write a config file, after a few questions or from flags",
		Long: `Writes a config file with comments. Without flags, on a terminal, it asks a few questions. With the
flags that you run rouse with, it writes the file that says the same: put init in front of them. Add
more targets to the file then, and run it with rouse run. Values of --hook-env=NAME=VALUE are
written as they are: the file is for you alone.

It takes every flag of rouse itself; rouse --help has them all.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asks(cmd, flags) && isTerminal(std.in) && isTerminal(std.err) {
				talk := interview{bufio.NewReader(std.in), std.err}
				var err error
				if flags, err = talk.flags(cmd.Context()); err != nil {
					return err
				}
				if path == "" && isTerminal(std.out) {
					if path, err = talk.output(); err != nil {
						return err
					}
				}
			}
			cfg, err := config.FromFlags(flags)
			if err != nil {
				return err
			}
			text, err := cfg.YAML()
			if err != nil {
				return err
			}
			return writeInit(cmd, path, text)
		},
	}
	cmd.Flags().StringVar(&path, "output", "", "`FILE` to write, which must not be there yet (default: standard output)")
	for _, d := range flags.Definitions() {
		cmd.Flags().AddFlag(&pflag.Flag{Name: d.Name, Usage: d.Usage, Value: d, DefValue: d.Default, Hidden: true})
	}
	cmd.SetFlagErrorFunc(flagProblem)
	return cmd
}

// asks says whether nothing is said about a target.
func asks(cmd *cobra.Command, flags config.Flags) bool {
	return !slices.ContainsFunc(flags.Definitions(), func(d config.Definition) bool { return cmd.Flags().Changed(d.Name) })
}

// writeInit writes the file. One that is there is somebody's work.
func writeInit(cmd *cobra.Command, path string, text []byte) error {
	if path == "" {
		if _, err := cmd.OutOrStdout().Write(text); err != nil {
			return fmt.Errorf("writing the config: %w", err)
		}
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return config.Problems{{Where: "--output", Text: fmt.Sprintf("%q is there already", path), Hint: "choose another name, or remove it"}}
	}
	if err != nil {
		return fmt.Errorf("writing the config: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(path) // half a config is none
		return fmt.Errorf("writing the config: %w", err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "wrote %s; next: rouse check --config=%s, then rouse run --config=%s\n", path, path, path)
	return nil
}
