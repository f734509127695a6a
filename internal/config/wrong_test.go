package config

import (
	"errors"
	"flag"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

var update = flag.Bool("update", false, "rewrite testdata/wrong.txt with the messages of today")

const wrongFile = "testdata/wrong.txt"

// right are the flags that a command line cannot do without.
var right = []string{
	"target-ip=192.168.100.15", "target-port=8000", "hook-start-svc=./start.sh", "hook-stop-svc=./stop.sh",
}

// parse fills in Flags from name=value pairs.
func parse(t testing.TB, args ...string) Flags {
	t.Helper()
	var f Flags
	defs := f.Definitions()
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		i := slices.IndexFunc(defs, func(d Definition) bool { return d.Name == name })
		if i < 0 {
			t.Fatalf("there is no flag --%s", name)
		}
		if err := defs[i].Set(value); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// withRight returns args and those of the flags in right that are not in it.
func withRight(args ...string) []string {
	all := slices.Clone(args)
	for _, r := range right {
		name := before(r, "=")
		if !slices.ContainsFunc(args, func(a string) bool { return before(a, "=") == name }) {
			all = append(all, r)
		}
	}
	return slices.DeleteFunc(all, func(a string) bool { return strings.HasSuffix(a, "=unset") })
}

// A wrongCase is one command line of testdata/wrong.txt: a line of flags in which
// something is wrong, and below it, indented, every problem. A value in double quotes is
// read as Go reads it; "unset" takes away a flag that is otherwise given.
type wrongCase struct {
	line string
	args []string
	want []string
}

// readWrong returns the cases, with comments as cases without args.
func readWrong(t *testing.T) []wrongCase {
	t.Helper()
	data, err := os.ReadFile(wrongFile)
	if err != nil {
		t.Fatal(err)
	}
	var cases []wrongCase
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		if want, ok := strings.CutPrefix(line, "\t"); ok {
			last := &cases[len(cases)-1]
			last.want = append(last.want, want)
			continue
		}
		c := wrongCase{line: line}
		if strings.HasPrefix(line, "--") {
			c.args = splitArgs(t, line)
		}
		cases = append(cases, c)
	}
	return cases
}

// splitArgs reads a line of flags.
func splitArgs(t *testing.T, line string) []string {
	t.Helper()
	var args []string
	for line != "" {
		name, rest, _ := strings.Cut(strings.TrimPrefix(line, "--"), "=")
		value, after, _ := strings.Cut(rest, " --")
		if strings.HasPrefix(rest, `"`) {
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			value, _ = strconv.Unquote(quoted)
			after = strings.TrimPrefix(rest[len(quoted):], " --")
		}
		args = append(args, name+"="+value)
		line = after
	}
	return args
}

func TestEachWrongValueHasItsMessage(t *testing.T) {
	var out strings.Builder
	n := 0
	for _, c := range readWrong(t) {
		out.WriteString(c.line + "\n")
		if c.args == nil {
			continue
		}
		n++
		var got []string
		_, err := FromFlags(parse(t, withRight(c.args...)...))
		if err != nil {
			got = strings.Split(err.Error(), "\n")
			out.WriteString("\t" + strings.Join(got, "\n\t") + "\n")
		}
		if !*update && !slices.Equal(got, c.want) {
			t.Errorf("%s\n got %q\nwant %q", c.line, got, c.want)
		}
		if len(got) == 0 {
			t.Errorf("%s: nothing is wrong with it", c.line)
		}
		checkProblems(t, err)
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: a password is shown: %v", c.line, err)
		}
	}
	if n < 120 {
		t.Errorf("there are only %d cases", n)
	}
	if *update {
		if err := os.WriteFile(wrongFile, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// checkProblems checks the form that every report has.
func checkProblems(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	problems, ok := errors.AsType[Problems](err)
	if !ok || len(problems) == 0 {
		t.Fatalf("the error is %#v, want Problems", err)
	}
	for _, p := range problems {
		if p.Where == "" || p.Text == "" || strings.ContainsFunc(p.String(), unicode.IsControl) || len(p.String()) > 400 {
			t.Errorf("a problem of bad form: %q", p)
		}
	}
}
