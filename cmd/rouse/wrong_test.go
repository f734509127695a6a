package main

import (
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A mistake is a command line in which something is wrong.
type mistake struct {
	args []string // added to those of a good command line, of which they replace the flags of the same name
	bare bool     // args are the whole command line
	want []string // each stands somewhere on stderr
}

// wrong returns a mistake; each line of want must be said.
func wrong(want string, args ...string) mistake {
	return mistake{args: args, want: strings.Split(want, "\n")}
}

// bare is wrong for a whole command line.
func bare(want string, args ...string) mistake {
	m := wrong(want, args...)
	m.bare = true
	return m
}

// without is wrong for a good command line that lacks a flag.
func without(want, flag string) mistake { return wrong(want, "--"+flag+"=remove") }

// A field is where mistakes are made: a folder with hooks that would tell that they
// were run, and a port that somebody has, so that a rouse that listens fails in
// another way.
type field struct {
	dir   string
	taken netip.AddrPort
}

func newField(t testing.TB) *field {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	f := &field{t.TempDir(), netip.MustParseAddrPort(ln.Addr().String())}
	for _, name := range []string{"start.sh", "stop.sh"} {
		write(t, f.dir, name, "#!/bin/sh\ntouch '"+f.dir+"/ran'\n")
	}
	return f
}

// good is a command line that lacks nothing.
func (f *field) good() []string {
	return []string{
		"--target-ip=127.0.0.1", "--target-port=9", "--hook-start-svc=./start.sh", "--hook-stop-svc=./stop.sh",
		"--proxy-ip=" + f.taken.Addr().String(), "--proxy-port=" + strconv.Itoa(int(f.taken.Port())), "--state-dir=state",
	}
}

// merge returns the flags of base that args do not name, and args; the value
// "remove" takes a flag away.
func merge(base, args []string) []string {
	name := func(arg string) string { before, _, _ := strings.Cut(arg, "="); return before }
	all := slices.Clone(args)
	all = slices.DeleteFunc(all, func(arg string) bool { return strings.HasSuffix(arg, "=remove") })
	kept := slices.DeleteFunc(slices.Clone(base), func(arg string) bool {
		return slices.ContainsFunc(args, func(a string) bool { return name(a) == name(arg) })
	})
	return append(kept, all...)
}

// check makes the mistake and looks at everything that must come of it.
func (f *field) check(t *testing.T, m mistake) {
	t.Helper()
	args := m.args
	if !m.bare {
		args = merge(f.good(), m.args)
	}
	got := rouse(t, f.dir, args...)
	if got.code != exitUsage || got.stdout != "" {
		t.Errorf("it exits with %d and says %q on stdout", got.code, got.stdout)
	}
	checkRefusal(t, got.stderr)
	for _, want := range m.want {
		if !strings.Contains(got.stderr, want) {
			t.Errorf("nothing of %q in: %s", want, oneLine(got.stderr))
		}
	}
	if problems := strings.Count(got.stderr, "\n  "); problems != len(m.want) {
		t.Errorf("it lists %d problems, want %d: %s", problems, len(m.want), oneLine(got.stderr))
	}
	f.checkNothingStarted(t)
}

// checkRefusal checks the form that every list of problems has.
func checkRefusal(t *testing.T, stderr string) {
	t.Helper()
	const longest = 500
	if !strings.HasPrefix(stderr, "rouse: the command line is wrong; nothing was started\n  ") || !strings.HasSuffix(stderr, "\nSee: rouse --help\n") {
		t.Errorf("stderr is of another form: %s", oneLine(stderr))
	}
	for _, bad := range []string{"goroutine ", "panic", "DATA RACE", ".go:", canary, "%!", "\r", "\x1b", "\x00", "<nil>"} {
		if strings.Contains(stderr, bad) {
			t.Errorf("stderr has %q in it: %s", bad, oneLine(stderr))
		}
	}
	for line := range strings.Lines(stderr) {
		if len(line) > longest {
			t.Errorf("a line of %d bytes: %.100s…", len(line), line)
		}
	}
}

// checkNothingStarted looks for what a rouse leaves that got further than its
// command line. That it did not listen shows in the exit code: the port is taken.
func (f *field) checkNothingStarted(t *testing.T) {
	t.Helper()
	for _, trace := range []string{"ran", "state", ".local", "local"} {
		if exists(filepath.Join(f.dir, trace)) {
			t.Errorf("there is %s: something was started", trace)
		}
	}
}

func TestMistakesAreRefusedBeforeAnythingStarts(t *testing.T) {
	t.Parallel()
	if len(mistakes) < 100 {
		t.Errorf("there are only %d mistakes", len(mistakes))
	}
	f := newField(t)
	for _, m := range mistakes {
		t.Run(name(m), func(t *testing.T) { f.check(t, m) })
	}
}

// name is what the test of a mistake is called.
func name(m mistake) string {
	if len(m.args) == 0 {
		return "nothing"
	}
	text := strings.Join(m.args, " ")
	return text[:min(len(text), 60)]
}

func TestTheGoodCommandLineFailsOnlyForItsPort(t *testing.T) {
	f := newField(t)
	got := rouse(t, f.dir, f.good()...)
	if got.code != exitFailed || !strings.Contains(got.stderr, "address already in use; another program listens there") {
		t.Errorf("exit code %d: %s", got.code, oneLine(got.stderr))
	}
	if !exists(filepath.Join(f.dir, "state")) {
		t.Error("it makes no state directory: the other tests look at the wrong place")
	}
}

func TestFlagsAreTakenInBothForms(t *testing.T) {
	f := newField(t)
	for _, flag := range append(f.good(), "--log-level=warn", "--cooldown-period=90", "--hook-env=A=B", "--probe=http:/x?y=z") {
		flagName, value, _ := strings.Cut(flag, "=")
		args := append(merge(f.good(), []string{flagName + "=remove"}), flagName, value)
		got := rouse(t, f.dir, args...)
		if got.code != exitFailed || !strings.Contains(got.stderr, "address already in use") {
			t.Errorf("%s %s: exit code %d: %s", flagName, value, got.code, oneLine(got.stderr))
		}
	}
}
