package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rouse-proxy/rouse/internal/app"
	"github.com/rouse-proxy/rouse/internal/config"
)

// newRoot returns the command tree. The root command is the proxy itself; problems
// are what is known to be wrong with its flags already.
func newRoot(std streams, problems config.Problems) *cobra.Command {
	var flags config.Flags
	root := &cobra.Command{
		Use:           "rouse",
		Short:         "wake a sleeping server by TCP, and stop it again when nobody uses it",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs, // judged with everything else
		RunE: func(cmd *cobra.Command, words []string) error {
			if cmd.Flags().NFlag()+len(problems)+len(words) == 0 {
				printHelp(std.err, cmd)
				return config.Problems{{Where: "rouse", Text: "no flag is given", Hint: "see above, or try: rouse demo"}}
			}
			strays := strayWords(cmd, words)
			if len(strays) > 0 && cmd.Flags().NFlag()+len(problems) == 0 {
				return strays // a command was meant: that its flags are missing is no news
			}
			if cmd.Flags().NFlag() == 0 && concerns(problems, "--config") {
				return append(problems, strays...) // rouse run was meant
			}
			cfg, err := understand(flags, append(problems, strays...))
			if err != nil {
				return err
			}
			if err := serve(cmd.Context(), service{loaded: &config.Loaded{Config: cfg, Warnings: doubtFlags(cfg)}}, std); err != nil {
				return placeFlags(err)
			}
			return nil
		},
	}
	for _, d := range flags.Definitions() {
		root.Flags().AddFlag(&pflag.Flag{Name: d.Name, Usage: d.Usage, Value: d, DefValue: d.Default})
	}
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { printHelp(cmd.OutOrStdout(), cmd) })
	root.SetFlagErrorFunc(flagProblem)
	root.AddCommand(newVersion(), newDemo(std), newDemoService(), newTrace(),
		newRun(std), newCheck(), newInit(std), newDoctor(std), newReload(), newWake(), newStop(), newHold(), newRelease(), newMaintenance(),
		newStatus(std), newWhy(), newHistory(), newEvents(), newDial(std), newDashboard(), newReport(), newTune(), newTop(std),
		newMan(func() *cobra.Command { return newRoot(std, nil) }))
	completeTargets(root)
	completeOnly(root)
	return root
}

// understand makes the config of the flags. Everything that is wrong is in the
// error: problems, what the flags say, and what is wrong with the hooks on disk.
func understand(flags config.Flags, problems config.Problems) (*config.Config, error) {
	cfg, err := config.FromFlags(flags)
	if err == nil {
		problems = append(problems, config.PlaceFlags(append(app.InspectHooks(cfg), app.InspectLists(cfg)...))...)
	} else if wrong, ok := errors.AsType[config.Problems](err); ok {
		for _, p := range wrong {
			if !concerns(problems, p.Where) { // a flag without a value is not missing too
				problems = append(problems, p)
			}
		}
		problems = append(problems, config.PlaceFlags(app.InspectHooks(hooksAlone(flags, problems)))...)
	} else {
		return nil, err
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return cfg, nil
}

// concerns says whether one of the problems is about the flag named, with its
// dashes and perhaps its value.
func concerns(problems config.Problems, flag string) bool {
	return slices.ContainsFunc(problems, func(p config.Problem) bool {
		name, _, _ := strings.Cut(strings.TrimLeft(p.Where, "-"), "=")
		return "--"+name == flag
	})
}

// hooksAlone is a config of the hooks only, of those that nothing is known to be
// wrong with so far.
func hooksAlone(flags config.Flags, wrong config.Problems) *config.Config {
	fine := func(flag, path string) []string {
		if path == "" || concerns(wrong, "--"+flag) {
			return nil
		}
		return []string{path}
	}
	return &config.Config{Targets: []config.Target{{Hooks: config.Hooks{
		Start: fine("hook-start-svc", flags.HookStart), Stop: fine("hook-stop-svc", flags.HookStop), Status: fine("hook-status", flags.HookStatus),
	}}}}
}

// placeFlags puts the flag to what is wrong with a value of the config.
func placeFlags(err error) error {
	if problems, ok := errors.AsType[config.Problems](err); ok {
		return config.PlaceFlags(problems)
	}
	return err
}

// doubtFlags says that strangers may wake the target, where nothing says who may: the flags go on working as they did.
func doubtFlags(cfg *config.Config) config.Problems {
	doubts := cfg.Unstated()
	for i := range doubts {
		doubts[i].Where, doubts[i].Hint = "--proxy-ip", "write --wake-from=any if that is meant, or better the network of those who may, such as --wake-from=192.168.0.0/16"
	}
	return doubts
}

// A service is what serve runs.
type service struct {
	loaded *config.Loaded
	reread func() (*config.Config, config.Problems, error) // nil: there are no files
	look   func() string
}

// serve runs the proxy until ctx ends.
func serve(ctx context.Context, s service, std streams) error {
	loaded := s.loaded
	out := newPatientWriter(std.err)
	go out.run()
	defer out.close()
	logger := newLogger(loaded.Config, out, isTerminal(std.err))
	if len(loaded.Files) > 0 {
		logger.Info("the config is read", "files", loaded.Files)
	}
	app.TellDoubts(logger, loaded.Warnings)
	daemon, err := app.New(app.Options{Config: loaded.Config, Logger: logger, Version: version(), Reread: s.reread, Fingerprint: s.look})
	if err != nil {
		return err
	}
	if s.reread != nil {
		std.hangup.wanted.Store(true)
		go hear(ctx, std.hangup, daemon)
	}
	return daemon.Run(ctx)
}

// hear reloads at each hangup.
func hear(ctx context.Context, h *hangup, daemon *app.App) {
	for {
		select {
		case <-h.asked:
			_, _ = daemon.Reread("hangup signal received") // it has said what came of it
		case <-ctx.Done():
			return
		}
	}
}

// printHelp writes what a person needs to learn the command from.
func printHelp(out io.Writer, cmd *cobra.Command) {
	if cmd.HasParent() {
		fmt.Fprintf(out, "%s\n\nUsage: %s\n\n%s", strings.TrimSpace(cmd.Long), cmd.UseLine(), cmd.LocalFlags().FlagUsages())
		return
	}
	fmt.Fprint(out, helpHead)
	var flags config.Flags
	group := ""
	for _, d := range flags.Definitions() {
		if d.Group != group {
			group = d.Group
			fmt.Fprintf(out, "\n%s:\n", group)
		}
		printFlag(out, d)
	}
	fmt.Fprint(out, helpTail)
}

const (
	helpColumn = 32 // where the text of a flag begins
	helpWidth  = 100
)

// printFlag writes one flag, its text wrapped beside it.
func printFlag(out io.Writer, d config.Definition) {
	text := d.Usage
	switch {
	case d.Required:
		text += " (required)"
	case d.Default != "":
		text += " (default " + d.Default + ")"
	}
	left := "  --" + d.Name + "=" + d.Placeholder
	for _, line := range wrap(text, helpWidth-helpColumn) {
		if len(left) >= helpColumn {
			fmt.Fprintln(out, left)
			left = ""
		}
		fmt.Fprintf(out, "%-*s%s\n", helpColumn, left, line)
		left = ""
	}
}

// wrap breaks text into lines of at most width bytes.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}
