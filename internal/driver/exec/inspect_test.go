//go:build unix

package exec

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// copyHook makes a file of its own from a script of the zoo.
func copyHook(t *testing.T, script, dir string, mode os.FileMode) string {
	t.Helper()
	b, err := os.ReadFile(animal(script))
	if err != nil {
		t.Fatal(err)
	}
	return writeHook(t, filepath.Join(dir, script), b, mode)
}

func writeHook(t *testing.T, path string, content []byte, mode os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func mkdir(t *testing.T, path string, mode os.FileMode) string {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func symlink(t *testing.T, target, path string) string {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// inspections make a hook in dir; each must give an error with wantErr in it, or
// else exactly the warnings that hold wantWarn.
var inspections = []struct {
	name     string
	make     func(t *testing.T, dir string) string
	wantErr  string
	wantWarn []string
}{
	{name: "good", make: func(t *testing.T, dir string) string { return copyHook(t, "nothing", dir, 0o700) }},
	{name: "program", make: func(*testing.T, string) string {
		path, err := os.Executable()
		if err != nil {
			panic(err)
		}
		return path
	}},
	{name: "missing", make: func(_ *testing.T, dir string) string { return dir + "/start.sh" }, wantErr: `start.sh" does not exist`},
	{name: "missing with arguments", make: func(_ *testing.T, dir string) string { return dir + "/start.sh --fast" },
		wantErr: "a hook is a path without arguments"},
	{name: "name without a slash", make: func(*testing.T, string) string { return "sh" }, wantErr: "a hook is not looked up in PATH"},
	{name: "below a file", make: func(t *testing.T, dir string) string { return copyHook(t, "nothing", dir, 0o700) + "/x" }, wantErr: "not a directory"},
	{name: "folder", make: func(_ *testing.T, dir string) string { return dir }, wantErr: "is a folder, not a command"},
	{name: "device", make: func(*testing.T, string) string { return "/dev/null" }, wantErr: "is not a regular file"},
	{name: "empty", make: func(t *testing.T, dir string) string { return writeHook(t, dir+"/empty", nil, 0o700) }, wantErr: "is empty"},
	{name: "not executable", make: func(t *testing.T, dir string) string { return copyHook(t, "nothing", dir, 0o644) },
		wantErr: "make it so with: chmod +x /"},
	{name: "dangling link", make: func(t *testing.T, dir string) string { return symlink(t, dir+"/gone", dir+"/link") },
		wantErr: "gone\", which leads nowhere"},
	{name: "link loop", make: func(t *testing.T, dir string) string { return symlink(t, "link", dir+"/link") },
		wantErr: "too many levels of symbolic links"},
	{name: "relative link", make: func(t *testing.T, dir string) string {
		copyHook(t, "nothing", mkdir(t, dir+"/a", 0o700), 0o700)
		return symlink(t, "../a/./nothing", mkdir(t, dir+"/b", 0o700)+"/link")
	}},
	{name: "no interpreter line", make: func(t *testing.T, dir string) string {
		return writeHook(t, dir+"/x", []byte("echo hello\n"), 0o700)
	}, wantErr: "its first line must be like #!/bin/sh"},
	{name: "interpreter without a name", make: func(t *testing.T, dir string) string {
		return writeHook(t, dir+"/x", []byte("#! \necho hello\n"), 0o700)
	}, wantErr: "names no interpreter"},
	{name: "missing interpreter", make: func(t *testing.T, dir string) string {
		return writeHook(t, dir+"/x", []byte("#!/no/such/shell -e\n"), 0o700)
	}, wantErr: `needs the interpreter "/no/such/shell", which does not exist`},
	{name: "interpreter that is a folder", make: func(t *testing.T, dir string) string {
		return writeHook(t, dir+"/x", []byte("#!/\n"), 0o700)
	}, wantErr: `the interpreter "/", which is no program`},
	{name: "interpreter by env", make: func(t *testing.T, dir string) string {
		return writeHook(t, dir+"/x", []byte("#!/usr/bin/env sh\n"), 0o700)
	}},
	{name: "missing interpreter by env", make: func(t *testing.T, dir string) string {
		return writeHook(t, dir+"/x", []byte("#!/usr/bin/env no-such-shell\n"), 0o700)
	}, wantWarn: []string{`needs "no-such-shell", which is not in PATH`}},
	{name: "line ends of Windows", make: func(t *testing.T, dir string) string {
		b, err := os.ReadFile(animal("nothing"))
		if err != nil {
			t.Fatal(err)
		}
		return writeHook(t, dir+"/x", bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")), 0o700)
	}, wantErr: "has the line ends of Windows"},
	{name: "byte order mark", make: func(t *testing.T, dir string) string {
		return writeHook(t, dir+"/x", []byte("\xef\xbb\xbf#!/bin/sh\n"), 0o700)
	}, wantErr: "byte order mark"},
	{name: "writable by anyone", make: func(t *testing.T, dir string) string { return copyHook(t, "nothing", dir, 0o777) },
		wantErr: "may be changed by anyone; forbid it with: chmod o-w /"},
	{name: "writable by its group", make: func(t *testing.T, dir string) string { return copyHook(t, "nothing", dir, 0o770) },
		wantWarn: []string{"may be changed by its group"}},
	{name: "in a folder writable by anyone", make: func(t *testing.T, dir string) string {
		return copyHook(t, "nothing", mkdir(t, dir+"/d", 0o777), 0o700)
	}, wantErr: "can be replaced by anyone, who may write to folder"},
	{name: "far below a folder writable by anyone", make: func(t *testing.T, dir string) string {
		return copyHook(t, "nothing", mkdir(t, mkdir(t, dir+"/d", 0o777)+"/e", 0o700), 0o700)
	}, wantErr: "can be replaced by anyone, who may write to folder"},
	{name: "in a folder writable by its group", make: func(t *testing.T, dir string) string {
		return copyHook(t, "nothing", mkdir(t, dir+"/d", 0o770), 0o700)
	}, wantWarn: []string{"can be replaced by the group that may write to folder"}},
	{name: "in a sticky folder", make: func(t *testing.T, dir string) string {
		return copyHook(t, "nothing", mkdir(t, dir+"/d", 0o777|os.ModeSticky), 0o700)
	}},
	{name: "link in a folder writable by anyone", make: func(t *testing.T, dir string) string {
		return symlink(t, copyHook(t, "nothing", dir, 0o700), mkdir(t, dir+"/d", 0o777)+"/link")
	}, wantErr: "can be replaced by anyone, who may write to folder"},
	{name: "link into a folder writable by anyone", make: func(t *testing.T, dir string) string {
		return symlink(t, copyHook(t, "nothing", mkdir(t, dir+"/d", 0o777), 0o700), dir+"/link")
	}, wantErr: "can be replaced by anyone, who may write to folder"},
	{name: "by a linked folder in a folder writable by anyone", make: func(t *testing.T, dir string) string {
		copyHook(t, "nothing", mkdir(t, dir+"/good", 0o700), 0o700)
		return symlink(t, dir+"/good", mkdir(t, dir+"/d", 0o777)+"/link") + "/nothing"
	}, wantErr: "can be replaced by anyone, who may write to folder"},
}

func TestInspectFindsWhatIsWrongWithAHook(t *testing.T) {
	for _, i := range inspections {
		t.Run(i.name, func(t *testing.T) {
			warnings, err := Inspect(i.make(t, t.TempDir()))
			if (err != nil) != (i.wantErr != "") || err != nil && !strings.Contains(err.Error(), i.wantErr) {
				t.Errorf("error is %v\nwant %q in it", err, i.wantErr)
			}
			if len(warnings) != len(i.wantWarn) {
				t.Fatalf("warnings are %q, want %q", warnings, i.wantWarn)
			}
			for n, want := range i.wantWarn {
				if !strings.Contains(warnings[n], want) {
					t.Errorf("warning is %q, want %q in it", warnings[n], want)
				}
			}
		})
	}
}

const stranger = 65534

func TestInspectMindsOtherUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make files of another user")
	}
	dir := t.TempDir()
	theirs := copyHook(t, "nothing", dir, 0o755)
	if err := os.Chown(theirs, stranger, stranger); err != nil {
		t.Fatal(err)
	}
	warnings, err := Inspect(theirs)
	want := fmt.Sprintf("file %q belongs to user %d, but its hooks run as root", theirs, stranger)
	if err != nil || len(warnings) != 1 || warnings[0] != want {
		t.Errorf("warnings are %q, %v, want %q", warnings, err, want)
	}
	sticky := mkdir(t, dir+"/sticky", 0o777|os.ModeSticky)
	inSticky := copyHook(t, "nothing", sticky, 0o755)
	if err := os.Chown(inSticky, stranger, stranger); err != nil {
		t.Fatal(err)
	}
	if _, err := Inspect(inSticky); err == nil || !strings.Contains(err.Error(), "where anyone may put files, and belongs to another user") {
		t.Errorf("error is %v", err)
	}
}

func TestInspectMakesARelativePathAbsolute(t *testing.T) {
	if warnings, err := Inspect("testdata/zoo/nothing"); err != nil {
		t.Errorf("error is %v, warnings %q", err, warnings)
	}
	r := newRig(t, "", Options{Start: []string{"testdata/zoo/nothing"}, Stop: []string{"./testdata/zoo/traces", "a b", "$HOME"}})
	t.Chdir(t.TempDir())
	if _, err := r.Start(t.Context(), anOp); err != nil {
		t.Error(err)
	}
	if err := r.Stop(t.Context(), anOp); err != nil {
		t.Error(err)
	}
	if got := r.read("trace"); got != "stop a b\n" { // as it stands: no shell saw it
		t.Errorf("trace is %q", got)
	}
}
