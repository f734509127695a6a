package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rouse-proxy/rouse/internal/config"
)

// habits are flags that people try out of habit, and what to write here.
var habits = map[string]string{
	"version": "write: rouse version", "v": "write: rouse version", "V": "write: rouse version",
	"ip": "write --target-ip for the server, --proxy-ip for where clients connect", "host": "write --target-ip",
	"port":  "write --target-port for the server, --proxy-port for where clients connect",
	"start": "write --hook-start-svc", "start-hook": "write --hook-start-svc", "hook-start": "write --hook-start-svc",
	"stop": "write --hook-stop-svc", "stop-hook": "write --hook-stop-svc", "hook-stop": "write --hook-stop-svc",
	"listen": "write --proxy-ip and --proxy-port", "bind": "write --proxy-ip and --proxy-port", "p": "write --proxy-port",
	"timeout": "write --start-timeout, --stop-timeout or --drain-timeout", "idle-timeout": "write --cooldown-period",
	"verbose": "write --log-level=debug", "debug": "write --log-level=debug", "quiet": "write --log-level=warn", "q": "write --log-level=warn",
	"config": "write: rouse run --config=FILE", "c": "write: rouse run --config=FILE",
}

// checkFlags finds every flag that is misspelt or lacks its value, which the parser
// would tell one at a time, and returns the rest of the arguments.
func checkFlags(root *cobra.Command, args []string) (config.Problems, []string) {
	if cmd, _, err := root.Find(args); err != nil || cmd != root || len(args) > 0 && strings.HasPrefix(args[0], "__") {
		return nil, args // a command, or the shell that asks for completions
	}
	var problems config.Problems
	var rest []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		name, _, hasValue := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		dashes := len(arg) - len(strings.TrimLeft(arg, "-"))
		flag := root.Flags().Lookup(name)
		switch {
		case arg == "--":
			return problems, append(rest, args[i:]...)
		case dashes == 0 || arg == "-" || arg == "-h" || arg == "--help":
			rest = append(rest, arg)
		case flag == nil:
			problems = append(problems, unknownFlag(root, strings.SplitN(arg, "=", 2)[0], name))
			if !hasValue && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
				i++ // most likely its value
			}
		case dashes != 2:
			text := "has one dash"
			if dashes > 2 {
				text = fmt.Sprintf("has %d dashes", dashes)
			}
			problems = append(problems, config.Problem{Where: arg, Text: text, Hint: "write --" + strings.TrimLeft(arg, "-")})
			if !hasValue && i+1 < len(args) {
				i++
			}
		case hasValue:
			rest = append(rest, arg)
		case i+1 < len(args):
			rest = append(rest, arg, args[i+1])
			i++
		default:
			problems = append(problems, config.Problem{Where: "--" + name, Text: "its value is missing", Hint: "write --" + name + "=" + flag.Value.Type()})
		}
	}
	return problems, rest
}

func unknownFlag(root *cobra.Command, arg, name string) config.Problem {
	p := config.Problem{Where: arg, Text: "there is no such flag"}
	var names []string
	root.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	switch near := config.Nearest(name, names); {
	case name == "":
		p.Text = "a flag without a name"
	case name == "help":
		p.Text, p.Hint = "takes no value and has two dashes", "write --help"
	case habits[name] != "":
		p.Hint = habits[name]
	case near != "":
		p.Hint = "did you mean --" + near
	}
	return p
}

// strayWords refuses words that are neither flags nor commands.
func strayWords(cmd *cobra.Command, words []string) config.Problems {
	var names, flags []string
	for _, c := range cmd.Commands() {
		if !c.Hidden {
			names = append(names, c.Name())
		}
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) { flags = append(flags, f.Name) })
	var problems config.Problems
	for _, word := range words {
		name, _, hasValue := strings.Cut(strings.TrimLeft(word, "-–—"), "=")
		p := config.Problem{Where: fmt.Sprintf("%q", word), Text: "is not something that " + cmd.CommandPath() + " takes"}
		nearFlag := config.Nearest(name, flags)
		switch near := config.Nearest(word, names); {
		case nearFlag != "" && (hasValue || name != word):
			p.Hint = "did you mean --" + nearFlag + strings.TrimPrefix(strings.TrimLeft(word, "-–—"), name)
		case near != "":
			p.Hint = "did you mean: " + cmd.CommandPath() + " " + near
		case cmd.HasParent():
			p.Hint = "see: " + cmd.CommandPath() + " --help"
		default:
			p.Hint = "every setting is a flag, such as --target-ip=192.168.100.15"
		}
		problems = append(problems, p)
	}
	return problems
}

// noArguments is for commands that take flags only.
func noArguments(cmd *cobra.Command, words []string) error {
	if problems := strayWords(cmd, words); len(problems) > 0 {
		return problems
	}
	return nil
}

// flagProblem makes a problem of what the flag parser says.
func flagProblem(cmd *cobra.Command, err error) error {
	see := "see: " + cmd.CommandPath() + " --help"
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return config.Problems{{Where: "--" + missing.GetSpecifiedName(), Text: "its value is missing", Hint: see}}
	}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return config.Problems{{Where: "--" + unknown.GetSpecifiedName(), Text: "there is no such flag of " + cmd.CommandPath(), Hint: see}}
	}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return config.Problems{{Where: "--" + invalid.GetFlag().Name, Text: fmt.Sprintf("cannot be %q", invalid.GetValue()), Hint: see}}
	}
	return config.Problems{{Where: cmd.CommandPath(), Text: err.Error(), Hint: see}}
}

// completeOnly makes the completion command refuse what it does not know.
func completeOnly(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() != "completion" {
			continue
		}
		c.Args = noArguments
		c.RunE = func(cmd *cobra.Command, _ []string) error {
			return config.Problems{{Where: "rouse completion", Text: "the shell is missing", Hint: "write bash, zsh, fish or powershell behind it"}}
		}
		for _, shell := range c.Commands() {
			shell.Args = noArguments
		}
	}
}
