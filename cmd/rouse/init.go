package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rouse-proxy/rouse/internal/config"
)

func newInit() *cobra.Command {
	var flags config.Flags
	var path string
	cmd := &cobra.Command{
		Use: "init [--output=FILE] --target-ip=HOST --target-port=PORT ...", DisableFlagsInUseLine: true,
		Short: "write the config file that says the same as flags",
		Long: `Writes a config file, with comments, that says the same as a command line: take the flags that you
run rouse with, and put init in front of them. Add more targets to the file then, and run it with
rouse run. Values of --hook-env=NAME=VALUE are written as they are: the file is for you alone.

It takes every flag of rouse itself; rouse --help has them all.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
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
