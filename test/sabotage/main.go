// Sabotage breaks rouse's own guards, one line at a time, and expects the tests to notice.
// It applies each mutation of the list through a build overlay, so that the tree stays as it is,
// runs the tests of the package until one fails, and prints which did: the one that is known to catch it
// alone, where the list names one. With -all the list's word is not taken for it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// A mutation is one guard that is taken away.
type mutation struct {
	guard    string // what is broken, in words
	file     string // below the root of the module
	old, new string // old stands there exactly once
	pkg      string // whose tests must notice; the file's own if empty
	catcher  string // the test that is known to; empty: whichever it is
}

func (m mutation) dir() string {
	if m.pkg != "" {
		return m.pkg
	}
	return filepath.Dir(m.file)
}

// verdict is what became of one mutation.
type verdict struct {
	mutation
	caught bool
	by     string // the test that failed first, or why nothing can be said
	took   time.Duration
}

// runner runs mutations.
type runner struct {
	root, temp string
	all        bool
	timeout    time.Duration
}

func main() {
	all := flag.Bool("all", false, "run all tests of the package, not only the known catcher")
	only := flag.String("only", "", "only mutations whose file or guard matches this regular `expression`")
	parallel := flag.Int("parallel", 2, "how many at a time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *all, *only, *parallel); err != nil {
		fmt.Fprintln(os.Stderr, "sabotage:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, all bool, only string, parallel int) error {
	filter, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "sabotage-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	chosen := slices.DeleteFunc(slices.Clone(mutations), func(m mutation) bool {
		return !filter.MatchString(m.file) && !filter.MatchString(m.guard)
	})
	r := runner{root: root, temp: temp, all: all, timeout: 3 * time.Minute}
	escaped := report(r.each(ctx, chosen, parallel))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	fmt.Printf("%d of %d sabotages caught\n", len(chosen)-len(escaped), len(chosen))
	if len(escaped) > 0 {
		return fmt.Errorf("not caught: %s", strings.Join(escaped, "; "))
	}
	return nil
}

// each tries the mutations, so many at a time, and hands on what became of them as it is known.
func (r runner) each(ctx context.Context, all []mutation, parallel int) <-chan verdict {
	verdicts, turn := make(chan verdict), make(chan struct{}, max(parallel, 1))
	go func() {
		var running sync.WaitGroup
		for i, m := range all {
			turn <- struct{}{}
			running.Go(func() {
				verdicts <- r.try(ctx, i, m)
				<-turn
			})
		}
		running.Wait()
		close(verdicts)
	}()
	return verdicts
}

// report prints a line for each, and returns the guards whose loss nobody noticed.
func report(verdicts <-chan verdict) (escaped []string) {
	for v := range verdicts {
		mark := "caught "
		if !v.caught {
			mark, escaped = "ESCAPED", append(escaped, v.guard)
		}
		fmt.Printf("%s %5.1fs  %-34s %s\n%22s by %s\n", mark, v.took.Seconds(), v.file, v.guard, "", v.by)
	}
	return escaped
}

// try applies one mutation and runs the tests that should notice.
func (r runner) try(ctx context.Context, n int, m mutation) verdict {
	began := time.Now()
	v := verdict{mutation: m}
	overlay, err := r.overlay(n, m)
	if err != nil {
		v.by = err.Error()
		return v
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", r.args(overlay, m)...)
	cmd.Dir = r.root
	cmd.Env = append(os.Environ(), "RAPID_NOFAILFILE=true") // else random tests note how they failed in the tree
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	v.took = time.Since(began)
	v.caught, v.by = judge(string(out), err)
	return v
}

// args are those of go that run the catcher, or all tests of the package where none is known.
func (r runner) args(overlay string, m mutation) []string {
	args := []string{"test", "-overlay=" + overlay, "-count=1", "-failfast", "-timeout=90s", "-vet=off"}
	if !r.all && m.catcher != "" {
		args = append(args, "-run=^("+m.catcher+")$", "-timeout=20s") // some catch by hanging
	}
	return append(args, "./"+m.dir())
}

var (
	failedTest = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	hungTest   = regexp.MustCompile(`(?m)^\s+(Test\S+) \(`)
	unbuilt    = regexp.MustCompile(`\[(build|setup) failed\]`)
	ranNothing = regexp.MustCompile(`no tests to run`)
)

// judge says whether a failed run is a test that noticed: what does not build, or tests nothing, is none.
func judge(out string, err error) (caught bool, by string) {
	switch found := failedTest.FindStringSubmatch(out); {
	case unbuilt.MatchString(out):
		return false, "nobody: it does not build\n" + out
	case ranNothing.MatchString(out):
		return false, "nobody: there is no such test"
	case err == nil:
		return false, "nobody"
	case found != nil:
		return true, found[1]
	case strings.Contains(out, "panic: test timed out"):
		if found := hungTest.FindStringSubmatch(out); found != nil {
			return true, found[1] + " (it hangs)"
		}
		return true, "a test that hangs"
	case strings.Contains(out, "panic: ") || strings.Contains(out, "fatal error: "):
		return true, "a test that panics"
	default:
		return false, fmt.Sprintf("nobody: %v\n%s", err, out)
	}
}

// overlay writes the mutated file and the list that puts it in place of the real one.
func (r runner) overlay(n int, m mutation) (string, error) {
	path := filepath.Join(r.root, m.file)
	source, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if count := strings.Count(string(source), m.old); count != 1 {
		return "", fmt.Errorf("what is to be replaced stands %d times in %s: the list is out of date", count, m.file)
	}
	if m.old == m.new {
		return "", errors.New("the mutation changes nothing")
	}
	mutated := filepath.Join(r.temp, fmt.Sprintf("%d.go", n))
	if err := os.WriteFile(mutated, []byte(strings.Replace(string(source), m.old, m.new, 1)), 0o600); err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: mutated}})
	if err != nil {
		return "", err
	}
	name := filepath.Join(r.temp, fmt.Sprintf("%d.json", n))
	return name, os.WriteFile(name, list, 0o600)
}
