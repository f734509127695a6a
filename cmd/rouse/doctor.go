package main

import (
	"bufio"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rouse-proxy/rouse/internal/app"
	"github.com/rouse-proxy/rouse/internal/config"
)

// errUnwell is the verdict of the doctor. It has told why.
var errUnwell = errors.New("not all is well")

// examination is what the flags of doctor say.
type examination struct {
	config      string
	dryRun, yes bool
	evenIfUp    bool
	flags       config.Flags
}

func newDoctor(std streams) *cobra.Command {
	var e examination
	cmd := &cobra.Command{
		Use: "doctor [TARGET...] [--config=FILE] [--dry-run]", DisableFlagsInUseLine: true,
		Short: "rehearse a target: start it, stop it, and say what is wrong with its hooks",
		Long: `Rehearses targets before anybody depends on them. It asks whether a target is up, starts it,
measures how long it takes to become ready, starts it once more, connects to it, stops it,
verifies that it is down, and stops it once more: rouse may do all of that, and each must work. It
says before each step what it will do, stops the target in the end whatever happens, and proposes
timeouts. Without a name all targets are rehearsed, one after the other. A target that another one
needs is started before it.

It starts and stops machines for real, and asks before. A target that is up already is left alone.
While it goes on, no rouse may run on the same state.

Instead of a config file it takes the flags that you run rouse with, too; rouse --help has them all.
docs/doctor.md has more.

Exit codes: 0 all is well, 1 something is not, 2 the command line or the config is wrong.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, names []string) error { return e.run(cmd, std, names) },
	}
	configFlag(cmd, &e.config)
	cmd.Flags().BoolVar(&e.dryRun, "dry-run", false, "only print each command and its environment")
	cmd.Flags().BoolVar(&e.yes, "yes", false, "do not ask (needed where there is no terminal)")
	cmd.Flags().BoolVar(&e.evenIfUp, "even-if-up", false, "stop a target that is up already, under whoever uses it")
	for _, d := range e.flags.Definitions() {
		cmd.Flags().AddFlag(&pflag.Flag{Name: d.Name, Usage: d.Usage, Value: d, DefValue: d.Default, Hidden: true})
	}
	cmd.SetFlagErrorFunc(flagProblem)
	return cmd
}

func (e *examination) run(cmd *cobra.Command, std streams, names []string) error {
	cfg, err := e.load(cmd)
	if err != nil {
		return err
	}
	for _, name := range names {
		if cfg.Named(name) == nil {
			return unknownName(cfg, name)
		}
	}
	r := app.Rehearsal{Config: cfg, Targets: names, Out: cmd.OutOrStdout(), EvenIfUp: e.evenIfUp}
	if e.dryRun {
		return r.Preview()
	}
	if !e.yes {
		if err := e.ask(cmd, std, cfg, names); err != nil {
			return err
		}
	}
	well, err := r.Rehearse(cmd.Context())
	switch {
	case err != nil:
		return inKeys(err)
	case !well:
		return errUnwell
	}
	return nil
}

// load returns the config that the flags or the file describe.
func (e *examination) load(cmd *cobra.Command) (*config.Config, error) {
	byFlags := false
	for _, d := range e.flags.Definitions() {
		byFlags = byFlags || cmd.Flags().Changed(d.Name)
	}
	switch {
	case byFlags && e.config != "":
		return nil, config.Problems{{Where: "--config", Text: "it stands beside flags that describe a target", Hint: "write one or the other"}}
	case byFlags:
		return understand(e.flags, nil)
	}
	loaded, err := load(e.config, "; nothing was started")
	if err != nil {
		return nil, err
	}
	return loaded.Config, nil
}

// unknownName says which target may have been meant.
func unknownName(cfg *config.Config, name string) error {
	var all []string
	for _, t := range cfg.Targets {
		all = append(all, t.Name)
	}
	hint := "the targets are " + strings.Join(all[:min(len(all), 8)], ", ")
	if near := config.Nearest(name, all); near != "" {
		hint = "did you mean " + near + "?"
	}
	return config.Problems{{Where: "TARGET", Text: fmt.Sprintf("there is no target %q", name), Hint: hint}}
}

// ask lets a person say yes.
func (e *examination) ask(cmd *cobra.Command, std streams, cfg *config.Config, names []string) error {
	if !isTerminal(std.in) {
		return config.Problems{{Where: "--yes", Text: "this starts and stops targets for real, and there is no terminal to ask at", Hint: "write --yes, or look first with --dry-run"}}
	}
	if len(names) == 0 {
		for _, t := range cfg.Targets {
			names = append(names, t.Name)
		}
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "This starts and stops %s, for real. (--dry-run shows how.) Go on? [y/N] ", strings.Join(names, ", "))
	answer, err := bufio.NewReader(std.in).ReadString('\n')
	if err != nil || !slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer))) {
		fmt.Fprintln(out, "nothing was started")
		return errDeclined
	}
	fmt.Fprintln(out)
	return nil
}

// errDeclined is why nothing was done. It has been said.
var errDeclined = errors.New("nothing was started")
