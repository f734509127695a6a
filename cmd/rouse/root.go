package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rouse-proxy/rouse/internal/app"
	"github.com/rouse-proxy/rouse/internal/config"
)

// newRoot returns the command tree. The root command is the proxy itself.
func newRoot(std streams) *cobra.Command {
	var flags config.Flags
	root := &cobra.Command{
		Use:           "rouse",
		Short:         "wake a sleeping server by TCP, and stop it again when nobody uses it",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().NFlag() == 0 {
				printHelp(std.err, cmd)
				return config.Problems{{Where: "rouse", Text: "no flag is given", Hint: "see above, or try: rouse demo"}}
			}
			cfg, err := config.FromFlags(flags)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), cfg, std)
		},
	}
	for _, d := range flags.Definitions() {
		root.Flags().AddFlag(&pflag.Flag{Name: d.Name, Usage: d.Usage, Value: d, DefValue: d.Default})
	}
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { printHelp(cmd.OutOrStdout(), cmd) })
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return flagProblem(err) })
	root.SetHelpCommand(&cobra.Command{Use: "no-help", Hidden: true})
	root.AddCommand(newVersion(), newDemo(std), newDemoService())
	return root
}

// serve runs the proxy until ctx ends.
func serve(ctx context.Context, cfg *config.Config, std streams) error {
	out := newPatientWriter(std.err)
	go out.run()
	defer out.close()
	daemon, err := app.New(app.Options{Config: cfg, Logger: newLogger(cfg, out, isTerminal(std.err))})
	if err != nil {
		return err
	}
	return daemon.Run(ctx)
}

// noArguments refuses words that are neither flags nor commands.
func noArguments(cmd *cobra.Command, args []string) error {
	var problems config.Problems
	for _, arg := range args {
		hint := "every setting is a flag, such as --target-ip=192.168.100.15"
		var names []string
		for _, c := range cmd.Commands() {
			if !c.Hidden {
				names = append(names, c.Name())
			}
		}
		if near := config.Nearest(arg, names); near != "" {
			hint = "did you mean: rouse " + near
		} else if cmd.HasParent() {
			hint = "it takes flags only"
		}
		problems = append(problems, config.Problem{Where: fmt.Sprintf("%q", arg), Text: "is not something that " + cmd.CommandPath() + " takes", Hint: hint})
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// unknownFlags finds every flag that does not exist, before the parser stops at the
// first one.
func unknownFlags(root *cobra.Command, args []string) error {
	cmd, rest, err := root.Find(args)
	if err != nil || cmd != root {
		return nil // the parser of the command says it
	}
	var problems config.Problems
	for i := 0; i < len(rest); i++ {
		arg := rest[i]
		if arg == "--" {
			break
		}
		name, _, hasValue := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if !strings.HasPrefix(arg, "-") || arg == "-" || arg == "-h" || name == "help" {
			continue
		}
		switch known := root.Flags().Lookup(name) != nil; {
		case known && strings.HasPrefix(arg, "--"):
			if !hasValue {
				i++ // its value stands in the next word
			}
		case known:
			problems = append(problems, config.Problem{Where: arg, Text: "has one dash", Hint: "write -" + arg})
		default:
			problems = append(problems, unknownFlag(root, strings.TrimSuffix(strings.SplitN(arg, "=", 2)[0], "="), name))
		}
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

func unknownFlag(root *cobra.Command, arg, name string) config.Problem {
	var names []string
	root.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	p := config.Problem{Where: arg, Text: "there is no such flag"}
	if near := config.Nearest(name, names); near != "" {
		p.Hint = "did you mean --" + near
	}
	return p
}

// flagProblem makes a problem of what the flag parser says.
func flagProblem(err error) error {
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return config.Problems{{Where: "--" + missing.GetSpecifiedName(), Text: "its value is missing",
			Hint: "write --" + missing.GetSpecifiedName() + "=VALUE"}}
	}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return config.Problems{{Where: unknown.GetSpecifiedName(), Text: "there is no such flag", Hint: ""}}
	}
	return config.Problems{{Where: "command line", Text: err.Error()}}
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
