package exec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	osexec "os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// headSize is how much of a hook is looked at: as much as Linux reads of it.
const headSize = 256

// Inspect says what is wrong with the path of a hook, before it runs: that it is
// missing, that the system could not run it, or that somebody else could change
// what it does. It follows all links and looks at every folder on the way. A
// relative path starts in the working directory. The warnings are whole sentences;
// an error names the path and, where there is one, the remedy.
func Inspect(path string) (warnings []string, err error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("finding %q: %w", path, err)
	}
	in := inspection{path: abs}
	file, err := in.follow(abs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, explainMissing(path, abs, err)
	}
	if err != nil {
		return nil, err
	}
	if err := in.runnable(file); err != nil {
		return nil, err
	}
	return in.warnings, nil
}

// An inspection is one call of Inspect.
type inspection struct {
	path     string // as asked for
	mounted  bool   // a file system that is mounted read-only is trusted
	warnings []string
}

// explainMissing guesses what was meant.
func explainMissing(path, abs string, err error) error {
	var hint string
	_, linkErr := os.Lstat(abs)
	target, _ := os.Readlink(abs)
	switch {
	case linkErr == nil:
		hint = fmt.Sprintf("is a link to %q, which leads nowhere", target)
	case strings.ContainsAny(path, " \t"):
		hint = "does not exist; a hook is a path without arguments, which belong in a script"
	case filepath.Base(path) == path:
		hint = "does not exist; a hook is not looked up in PATH"
	default:
		hint = "does not exist"
	}
	return &failure{text: fmt.Sprintf("%q %s", abs, hint), causes: []error{err}}
}

// runnable checks the file that the path leads to.
func (in *inspection) runnable(file string) error {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%q is a folder, not a command", in.path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%q is not a regular file", in.path)
	case info.Size() == 0:
		return fmt.Errorf("%q is empty", in.path)
	}
	if err := in.executable(file, info); err != nil {
		return err
	}
	head, err := readHead(file)
	if errors.Is(err, fs.ErrPermission) {
		return nil // a program need not be readable
	}
	if err != nil {
		return fmt.Errorf("reading %q: %w", in.path, err)
	}
	if runtime.GOOS == "windows" {
		return nil // the system goes by the name
	}
	return in.checkHead(head)
}

func readHead(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|noWait, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, headSize))
}

// checkHead finds scripts that the system cannot run. Whatever holds a NUL is no
// script, and left for the system to judge.
func (in *inspection) checkHead(head []byte) error {
	line, _, _ := bytes.Cut(head, []byte{'\n'})
	script, found := bytes.CutPrefix(line, []byte("#!"))
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		return fmt.Errorf("%q begins with a byte order mark; save it without one", in.path)
	case !found && bytes.IndexByte(head, 0) < 0:
		return fmt.Errorf("%q is a script without interpreter; its first line must be like #!/bin/sh", in.path)
	case !found:
		return nil
	case bytes.HasSuffix(line, []byte{'\r'}):
		return fmt.Errorf(`%q has the line ends of Windows, so no interpreter is found; end its lines with \n alone`, in.path)
	}
	words := strings.Fields(string(script))
	if len(words) == 0 {
		return fmt.Errorf("%q names no interpreter in its first line", in.path)
	}
	return in.checkInterpreter(words)
}

func (in *inspection) checkInterpreter(words []string) error {
	name := sanitize([]byte(words[0]), longestOwn)
	info, err := os.Stat(words[0])
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%q needs the interpreter %q, which does not exist", in.path, name)
	case err != nil:
		return fmt.Errorf("%q needs the interpreter %q: %w", in.path, name, err)
	case !info.Mode().IsRegular() || runtime.GOOS != "windows" && info.Mode()&0o111 == 0:
		return fmt.Errorf("%q needs the interpreter %q, which is no program", in.path, name)
	}
	if filepath.Base(words[0]) != "env" || len(words) < 2 || words[1][0] == '-' || strings.ContainsAny(words[1], "=/") {
		return nil
	}
	if _, err := osexec.LookPath(words[1]); err != nil { // the hook may get another PATH than ours
		in.warn("%q needs %q, which is not in PATH", in.path, sanitize([]byte(words[1]), longestOwn))
	}
	return nil
}

func (in *inspection) warn(format string, args ...any) {
	w := fmt.Sprintf(format, args...)
	if !slices.Contains(in.warnings, w) {
		in.warnings = append(in.warnings, w)
	}
}
