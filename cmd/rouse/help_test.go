package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rouse-proxy/rouse/internal/config"
)

// helps are all ways to ask for help.
var helps = [][]string{
	{"--help"}, {"-h"}, {"--target-ip=10.0.0.1", "--help"}, {"--target-port=nonsense", "-h"},
	{"version", "--help"}, {"version", "-h"}, {"trace", "--help"}, {"trace", "check", "-h"}, {"run", "--help"}, {"check", "-h"}, {"init", "--help"}, {"doctor", "--help"}, {"status", "--help"}, {"why", "--help"}, {"history", "--help"}, {"events", "--help"}, {"top", "--help"}, {"report", "--help"}, {"tune", "--help"},
	{"dashboard", "--help"}, {"dial", "--help"}, {"maintenance", "--help"}, {"man", "--help"}, {"hold", "--help"}, {"release", "--help"}, {"reload", "--help"},
	{"wake", "--help"}, {"stop", "--help"}, {"demo", "--help"}, {"demo", "-h"},
	{"completion", "--help"}, {"completion", "bash", "--help"},
}

func TestHelpGoesToStdoutAndFitsTheScreen(t *testing.T) {
	for _, args := range helps {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			got := rouse(t, t.TempDir(), args...)
			if got.code != exitDone || got.stderr != "" {
				t.Errorf("it exits with %d and says %q on stderr", got.code, got.stderr)
			}
			if !strings.Contains(got.stdout, "Usage:") || strings.HasSuffix(got.stdout, "\n\n") || !strings.HasSuffix(got.stdout, "\n") {
				t.Errorf("this is no help:\n%s", got.stdout)
			}
			if args[0] == "completion" {
				return // its text is not ours
			}
			for line := range strings.Lines(got.stdout) {
				line = strings.TrimSuffix(line, "\n")
				if utf8.RuneCountInString(line) > helpWidth || strings.ContainsAny(line, "\t\x1b") || strings.TrimRight(line, " ") != line {
					t.Errorf("a line of %d characters, or of bad form: %q", utf8.RuneCountInString(line), line)
				}
			}
		})
	}
}

func TestHelpHasEveryFlag(t *testing.T) {
	help := rouse(t, t.TempDir(), "--help").stdout
	words := strings.Join(strings.Fields(help), " ")
	var flags config.Flags
	for _, d := range flags.Definitions() {
		entry := "--" + d.Name + "=" + d.Placeholder + " " + strings.Join(strings.Fields(d.Usage), " ")
		switch {
		case d.Required:
			entry += " (required)"
		case d.Default != "":
			entry += " (default " + d.Default + ")"
		}
		if !strings.Contains(words, entry) {
			t.Errorf("there is no %q in\n%s", entry, help)
		}
		if !strings.Contains(help, "\n"+d.Group+":\n") {
			t.Errorf("there is no group %q", d.Group)
		}
	}
}

func TestHelpKnowsEveryCommand(t *testing.T) {
	help := rouse(t, t.TempDir(), "--help").stdout
	for _, c := range newRoot(streams{}, nil).Commands() {
		if named := strings.Contains(help, "\n  rouse "+c.Name()+" "); named == c.Hidden {
			t.Errorf("command %q: hidden is %v, in the help is %v", c.Name(), c.Hidden, named)
		}
	}
}

func TestRouseAloneShowsItsHelpAndFails(t *testing.T) {
	got := rouse(t, t.TempDir())
	help := rouse(t, t.TempDir(), "--help").stdout
	if got.code != exitUsage || got.stdout != "" {
		t.Errorf("it exits with %d and says %q on stdout", got.code, got.stdout)
	}
	if !strings.HasPrefix(got.stderr, help) || !strings.Contains(got.stderr[len(help):], "no flag is given") {
		t.Errorf("stderr is not the help and what is wrong:\n%s", got.stderr)
	}
}

func TestCompletionScripts(t *testing.T) {
	for shell, sign := range map[string]string{
		"bash": "complete -o default", "zsh": "#compdef rouse", "fish": "complete -c rouse", "powershell": "Register-ArgumentCompleter",
	} {
		got := rouse(t, t.TempDir(), "completion", shell)
		if got.code != exitDone || got.stderr != "" || !strings.Contains(got.stdout, sign) || len(got.stdout) < 1000 {
			t.Errorf("%s: exit code %d, %d bytes on stdout, stderr %q", shell, got.code, len(got.stdout), got.stderr)
		}
	}
}

// TestShellsGetCompletions: what a shell asks is not taken for a mistake.
func TestShellsGetCompletions(t *testing.T) {
	for args, want := range map[string]string{"--target-i": "--target-ip", "de": "demo", "completion ba": "bash"} {
		words := append([]string{"__complete"}, strings.Fields(args)...)
		if out := rouse(t, t.TempDir(), words...); !strings.Contains(out.stdout, want) {
			t.Errorf("completing %q gives %q, want %q in it", args, out.stdout, want)
		}
	}
}

func TestEverythingWrongIsListedAtOnce(t *testing.T) {
	out := rouse(t, t.TempDir(), "--bogus", "--settle=abc", "--hook-start-svc=/no/such", "stray", "--cooldown-period")
	for _, want := range []string{"--bogus: ", "--settle: ", `--hook-start-svc: `, `"/no/such" does not exist`, `"stray" is not`, "--cooldown-period: its value", "--target-ip: missing"} {
		want = strings.Replace(want, `"stray" is`, `"stray": is`, 1)
		if !strings.Contains(out.stderr, want) {
			t.Errorf("nothing of %q in:\n%s", want, out.stderr)
		}
	}
}
