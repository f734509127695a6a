package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rouse-proxy/rouse/internal/app"
	"github.com/rouse-proxy/rouse/internal/config"
)

// wrongConfig is the error of a config that is not used.
type wrongConfig struct {
	config.Problems
	started string // what did not happen
}

// write lists everything that is wrong, each with its line.
func (w wrongConfig) write(out io.Writer) {
	fmt.Fprintf(out, "rouse: the config is wrong%s\n", w.started)
	writeProblems(out, w.Problems)
	fmt.Fprintln(out, "See: rouse check --help")
}

// writeProblems writes one a line, each with the line of the file that it is about.
func writeProblems(out io.Writer, problems config.Problems) {
	for _, p := range problems {
		fmt.Fprintf(out, "  %v\n", p)
		for _, line := range p.Snippet {
			fmt.Fprintf(out, "      %s\n", line)
		}
	}
}

// configFlag is for the commands that read a config.
func configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVar(path, "config", "", "config `FILE`, or a directory of *.yaml files, read in order of their names")
}

const whereConfig = `Without --config the first of these is taken: ./rouse.yaml, $XDG_CONFIG_HOME/rouse/rouse.yaml
(~/.config/rouse/rouse.yaml), /etc/rouse/rouse.yaml. docs/config.md has every key.`

func newRun(std streams) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use: "run [--config=FILE]", DisableFlagsInUseLine: true,
		Short: "run the proxy as a config file says, with any number of targets",
		Long: `Runs the proxy as a config file says. One rouse has any number of targets, each with any number of
ports, and any number of listeners.

The config is read again when a file changes, at SIGHUP, and by rouse reload. A config that is wrong
changes nothing; what has not changed goes on as it is.

` + whereConfig,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := load(path, "; nothing was started")
			if err != nil {
				return err
			}
			err = serve(cmd.Context(), service{loaded, rereads(path), func() string { return config.Fingerprint(where(path)) }}, std)
			if problems, ok := errors.AsType[config.Problems](err); ok {
				return wrongConfig{loaded.Place(problems), "; nothing was started"}
			}
			return inKeys(err)
		},
	}
	configFlag(cmd, &path)
	return cmd
}

// where is the config that is read.
func where(path string) string {
	if path == "" {
		path, _ = config.FindFile(os.Getenv) // that it is gone is heard of when it is read
	}
	return path
}

// rereads returns what reads the config again.
func rereads(path string) func() (*config.Config, config.Problems, error) {
	return func() (*config.Config, config.Problems, error) {
		loaded, err := load(path, "; nothing has changed")
		if err != nil {
			return nil, nil, inOneLine(err)
		}
		return loaded.Config, loaded.Warnings, nil
	}
}

// inOneLine is what a log shows of a config that is wrong.
func inOneLine(err error) error {
	wrong, ok := errors.AsType[wrongConfig](err)
	if !ok {
		return err
	}
	return wrong.Problems
}

// keys are what a file has in the place of the flags that messages about this machine name.
var keys = strings.NewReplacer("--state-dir", "state-dir", "--proxy-port", "listen", "--proxy-ip", "listen")

// inKeys lets an error name the keys of a file in the place of flags, which rouse run does not have.
func inKeys(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(keys.Replace(err.Error()))
}

func newCheck() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use: "check [--config=FILE]", DisableFlagsInUseLine: true,
		Short: "whether a config file is right, and what may not have been meant",
		Long: `Reads a config file and the hooks that it names, and starts nothing. Everything that is wrong is
listed, each with its line. What is right but may not have been meant is listed as a warning.

` + whereConfig + `

Exit codes: 0 the config is right, 2 it is not.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := load(path, "")
			if err != nil {
				return err
			}
			loaded.Warnings = append(loaded.Warnings, loaded.Place(app.DoubtHooks(loaded.Config))...)
			return writeChecked(cmd.OutOrStdout(), loaded)
		},
	}
	configFlag(cmd, &path)
	return cmd
}

// load reads the config at path, or in a usual place, and looks at its hooks.
func load(path, started string) (*config.Loaded, error) {
	loaded, err := read(path)
	if problems, ok := errors.AsType[config.Problems](err); ok {
		return nil, wrongConfig{problems, started}
	}
	return loaded, err
}

func read(path string) (*config.Loaded, error) {
	if path == "" {
		var err error
		if path, err = config.FindFile(os.Getenv); err != nil {
			return nil, err
		}
	}
	sources, err := config.ReadSources(path)
	if err != nil {
		return nil, err
	}
	loaded, err := config.FromFiles(sources, config.ThisWorld())
	if err != nil {
		return nil, err
	}
	problems, doubts := app.InspectFiles(loaded.Files)
	for _, found := range []config.Problems{app.InspectHooks(loaded.Config), app.InspectLists(loaded.Config), app.InspectNotify(loaded.Config), loaded.Config.Unstated()} {
		problems = append(problems, loaded.Place(found)...)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	loaded.Warnings = append(loaded.Warnings, doubts...)
	return loaded, nil
}

// writeChecked says that a config is right, and what may not have been meant.
func writeChecked(out io.Writer, loaded *config.Loaded) error {
	c := loaded.Config
	files := strings.Join(loaded.Files, ", ")
	if len(loaded.Files) > 3 {
		files = count(len(loaded.Files), "file")
	}
	_, err := fmt.Fprintf(out, "fine: %s, %s in %s\n", count(len(c.Targets), "target"), count(len(c.Routes), "listener"), files)
	if len(loaded.Warnings) > 0 {
		fmt.Fprintf(out, "%s:\n", count(len(loaded.Warnings), "warning"))
		writeProblems(out, loaded.Warnings)
	}
	if err != nil {
		return fmt.Errorf("writing what was found: %w", err)
	}
	return nil
}

// count writes a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
