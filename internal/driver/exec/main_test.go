//go:build unix

package exec

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rouse-proxy/rouse/internal/driver"
)

// patience bounds every wait for a real process; no test needs a part of it.
const patience = time.Minute

// grace is short, for what must be ended by SIGKILL.
const grace = 100 * time.Millisecond

// In another process the test binary is a rouse that a test may treat badly.
func TestMain(m *testing.M) {
	RunKeeper()
	if role, ok := os.LookupEnv("HELPER"); ok {
		if err := helpers[role](os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// A logbook keeps what was logged: one string per line, "message key=value ...".
type logbook struct {
	mu    *sync.Mutex // guards lines
	lines *[]string
	attrs string
}

func newLogbook() *logbook { return &logbook{mu: new(sync.Mutex), lines: new([]string)} }

func (l *logbook) Enabled(context.Context, slog.Level) bool { return true }
func (l *logbook) WithGroup(string) slog.Handler            { return l }

func (l *logbook) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *l
	for _, a := range attrs {
		with.attrs += " " + a.String()
	}
	return &with
}

func (l *logbook) Handle(_ context.Context, r slog.Record) error {
	line := r.Level.String() + " " + r.Message + l.attrs
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	*l.lines = append(*l.lines, line)
	return nil
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(*l.lines, "\n")
}

// A rig is a driver with its folders: dir for the driver, zoo for the hooks.
type rig struct {
	*Driver
	t        *testing.T
	dir, zoo string
	log      *logbook
}

// newRig builds a driver whose hooks are the given scripts of the zoo, unless o
// names others.
func newRig(t *testing.T, script string, o Options) *rig {
	t.Helper()
	r := &rig{t: t, dir: o.Dir, zoo: t.TempDir(), log: newLogbook()}
	if r.dir == "" {
		r.dir = privateDir(t)
	}
	for _, hook := range []*[]string{&o.Start, &o.Stop} {
		if len(*hook) == 0 {
			*hook = []string{animal(script)}
		}
	}
	o.Target, o.Stem, o.Dir, o.Logger = "web", "web", r.dir, slog.New(r.log)
	o.Env = append([]string{"ZOO=" + r.zoo}, o.Env...)
	if o.Grace == 0 {
		o.Grace = grace
	}
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	r.Driver = d
	t.Cleanup(r.end)
	return r
}

// end kills what a hook left behind, and waits for the hooks.
func (r *rig) end() {
	if b, err := os.ReadFile(r.file("pid")); err == nil {
		endProcess(r.t, string(b))
		_ = os.Remove(r.file("pid"))
	}
	r.reapers.Wait()
}

func (r *rig) file(name string) string { return filepath.Join(r.zoo, name) }

func animal(script string) string {
	path, err := filepath.Abs(filepath.Join("testdata", "zoo", script))
	if err != nil {
		panic(err)
	}
	return path
}

func privateDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// endProcess kills one process by number and waits until it has gone.
func endProcess(t *testing.T, number string) {
	t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil || pid <= 1 {
		t.Errorf("not a process: %q", number)
		return
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	eventually(t, func() bool { return !processLives(pid) })
}

// processLives does not count zombies: not every test machine has an init that
// reaps.
func processLives(pid int) bool {
	id, err := identify(pid)
	if errors.Is(err, errors.ErrUnsupported) {
		return syscall.Kill(pid, 0) == nil
	}
	return err == nil && !id.zombie
}

// pid waits until the hook has written the number of the process in question.
func (r *rig) pid() int {
	r.t.Helper()
	var pid int
	eventually(r.t, func() bool {
		b, err := os.ReadFile(r.file("pid"))
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(b)))
		return err == nil
	})
	return pid
}

// eventually is for what other processes do; they tell nobody.
func eventually(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen")
		}
	}
}

func (r *rig) touch(name string) {
	r.t.Helper()
	if err := os.WriteFile(r.file(name), nil, 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) read(name string) string {
	r.t.Helper()
	b, err := os.ReadFile(r.file(name))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

var anOp = driver.Op{Epoch: 7, Reason: "client 192.0.2.7:40312", Address: "192.0.2.1:8000"}
