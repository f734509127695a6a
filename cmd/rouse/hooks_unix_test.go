//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// plant puts hooks into the field that no rouse may accept.
func (f *field) plant(t *testing.T) {
	t.Helper()
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const script = "#!/bin/sh\ntouch ran\n"
	at := func(name string) string { return filepath.Join(f.dir, name) }
	for name, text := range map[string]string{
		"empty": "", "plain": script, "shared": script, "crlf": "#!/bin/sh\r\ntouch ran\r\n", "text": "touch ran\n",
		"bom": "\xef\xbb\xbf" + script, "lost": "#!/no/such/interpreter\n", "bare": "#!\n",
	} {
		write(t, f.dir, name, text)
	}
	do(os.Chmod(at("plain"), 0o644))
	do(os.Chmod(at("shared"), 0o757))
	do(os.MkdirAll(at("folder/open"), 0o755))
	do(os.MkdirAll(at("my hooks"), 0o755))
	do(os.Chmod(at("folder/open"), 0o777))
	write(t, at("folder/open"), "hook", script)
	do(os.Symlink("nowhere", at("dangling")))
	do(os.Symlink("loop", at("loop")))
	do(syscall.Mkfifo(at("pipe"), 0o755))
	do(os.Chmod(at("pipe"), 0o755))
}

// badHooks are what --hook-start-svc may name in a planted field, and what is said
// about it; DIR stands for the field's folder.
var badHooks = []struct{ path, want string }{
	{"./missing", `"DIR/missing" does not exist`},
	{"missing.sh", `"DIR/missing.sh" does not exist; a hook is not looked up in PATH`},
	{"sh", `"DIR/sh" does not exist; a hook is not looked up in PATH`},
	{"./start.sh now", `"DIR/start.sh now" does not exist; a hook is a path without arguments`},
	{"./my hooks/missing.sh", `"DIR/my hooks/missing.sh" does not exist; a hook is a path without arguments`},
	{"./folder", `"DIR/folder" is a folder, not a command`},
	{"/tmp", `"/tmp" is a folder, not a command`},
	{"./empty", `"DIR/empty" is empty`},
	{"./plain", `"DIR/plain" is not executable; make it so with: chmod +x DIR/plain`},
	{"./shared", `"DIR/shared" may be changed by anyone; forbid it with: chmod o-w DIR/shared`},
	{"./folder/open/hook", `"DIR/folder/open/hook" can be replaced by anyone, who may write to folder "DIR/folder/open"; forbid it with: chmod o-w DIR/folder/open`},
	{"./crlf", `"DIR/crlf" has the line ends of Windows`},
	{"./bom", `"DIR/bom" begins with a byte order mark; save it without one`},
	{"./text", `"DIR/text" is a script without interpreter; its first line must be like #!/bin/sh`},
	{"./bare", `"DIR/bare" names no interpreter in its first line`},
	{"./lost", `"DIR/lost" needs the interpreter "/no/such/interpreter", which does not exist`},
	{"./dangling", `"DIR/dangling" is a link to "nowhere", which leads nowhere`},
	{"./loop", `"DIR/loop": too many levels of symbolic links`},
	{"./pipe", `"DIR/pipe" is not a regular file`},
	{"/dev/null", `"/dev/null" is not a regular file`},
	{"./start.sh/x", ""},
}

func TestHooksThatCannotOrMustNotRunAreRefused(t *testing.T) {
	t.Parallel()
	f := newField(t)
	f.plant(t)
	for _, bad := range badHooks {
		t.Run(bad.path, func(t *testing.T) {
			want := strings.ReplaceAll(bad.want, "DIR", f.dir)
			for _, flag := range []string{"--hook-start-svc", "--hook-stop-svc", "--hook-status"} {
				f.check(t, wrong(flag+": "+want, flag+"="+bad.path))
			}
			f.check(t, wrong("--probe: "+want, "--probe=exec:"+bad.path))
		})
	}
	f.check(t, wrong("--hook-start-svc: \"DIR/plain\"\n--hook-stop-svc: \"DIR/crlf\"\n--hook-status: \"DIR/folder\"\n--probe: \"DIR/shared\"",
		"--hook-start-svc=./plain", "--hook-stop-svc=./crlf", "--hook-status=./folder", "--probe=exec:./shared").in(f.dir))
}

// in puts the folder into what must be said.
func (m mistake) in(dir string) mistake {
	for i := range m.want {
		m.want[i] = strings.ReplaceAll(m.want[i], "DIR", dir)
	}
	return m
}

func TestHooksWithSpacesInTheirPathAreTaken(t *testing.T) {
	f := newField(t)
	folder := filepath.Join(f.dir, "my hooks")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, folder, "start now.sh", "#!/bin/sh\n")
	got := rouse(t, f.dir, merge(f.good(), []string{"--hook-start-svc=./my hooks/start now.sh"})...)
	if got.code != exitFailed || !strings.Contains(got.stderr, "address already in use") {
		t.Errorf("exit code %d: %s", got.code, oneLine(got.stderr))
	}
}

// lateFailures are command lines that are right, but not on this machine.
var lateFailures = []struct {
	name string
	args []string
	want string
}{
	{"address of another machine", []string{"--proxy-ip=192.0.2.1", "--wake-from=any"}, "this machine does not have that address: use one of its own to listen on (--proxy-ip)"},
	{"state directory is a file", []string{"--state-dir=start.sh"}, `opening state directory "start.sh": it is not a directory; name another with --state-dir`},
	{"state directory below a file", []string{"--state-dir=start.sh/state"}, "part of the path is a file: move it away, or name another directory with --state-dir"},
	{"state directory is a device", []string{"--state-dir=/dev/null"}, `opening state directory "/dev/null": it is not a directory`},
	{"state directory is everybody's", []string{"--state-dir=open"}, `opening state directory "open": every user may write to it; take that right away (chmod o-w)`},
	{"lock is a folder", []string{"--state-dir=odd"}, "is in the way: it is a directory; remove it, or name another directory with --state-dir"},
}

func TestWhatThisMachineDoesNotAllowFailsWithOneClearSentence(t *testing.T) {
	f := newField(t)
	if err := os.MkdirAll(filepath.Join(f.dir, "odd", "lock"), 0o755); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(f.dir, "open")
	if err := os.Mkdir(open, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, c := range lateFailures {
		t.Run(c.name, func(t *testing.T) {
			got := rouse(t, f.dir, merge(f.good(), c.args)...)
			checkFailure(t, got, c.want)
			if exists(filepath.Join(f.dir, "ran")) {
				t.Error("a hook was run")
			}
		})
	}
}

// checkFailure checks that rouse said one sentence and failed.
func checkFailure(t *testing.T, got outcome, want string) {
	t.Helper()
	if got.code != exitFailed || got.stdout != "" {
		t.Errorf("it exits with %d and says %q on stdout", got.code, got.stdout)
	}
	if !strings.HasPrefix(got.stderr, "rouse: ") || strings.Count(got.stderr, "\n") != 1 || !strings.Contains(got.stderr, want) {
		t.Errorf("stderr is not one line with %q in it: %s", want, oneLine(got.stderr))
	}
}

func TestStateDirectoryThatMustNotBeWrittenIsNamed(t *testing.T) {
	f := newField(t)
	place := filepath.Join(f.dir, "closed")
	if err := os.Mkdir(place, 0o500); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		place = "/sys" // not even root may make a folder there
		if !exists(place) {
			t.Skip("root may write anywhere, and there is no /sys here")
		}
	}
	got := rouse(t, f.dir, merge(f.good(), []string{"--state-dir=" + place + "/rouse"})...)
	checkFailure(t, got, "give the user that rouse runs as the right to write there, or name another directory with --state-dir")
}
