//go:build unix

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// shellsOwn are variables that a shell sets by itself.
var shellsOwn = []string{"PWD", "OLDPWD", "SHLVL", "_"}

func TestHooksGetWhatIsListedAndNothingElse(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	r := s.start("--hook-env=GORACE", "--hook-env=LANG=C.UTF-8")
	c := r.dial()
	c.ask("hello")
	c.leave()
	r.end()
	var names []string
	for _, line := range s.lines("environment") {
		name, value, _ := strings.Cut(line, "=")
		if strings.Contains(value, canary) {
			t.Errorf("the hook gets a secret in %s", name)
		}
		if !slices.Contains(shellsOwn, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	want := []string{"GORACE", "HOME", "LANG", "PATH", "ROUSE_ADDRESS", "ROUSE_EPOCH", "ROUSE_EVENT", "ROUSE_OUTPUT", "ROUSE_REASON", "ROUSE_TARGET"}
	if !slices.Equal(names, want) {
		t.Errorf("the hook gets %q\nwant %q", names, want)
	}
}

func TestSecretsReachTheHookThatIsMeantAndNoLog(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--hook-env=TOKEN", "--hook-env=OTHER=" + canary} {
		s := newStage(t)
		write(t, s.dir, "fail-start", "")
		r := s.launch(command(t.Context(), s.dir, append(s.flags(), flag)...))
		c := r.dial()
		c.say("hello")
		c.expectReset()
		r.end()
		if !strings.Contains(strings.Join(s.lines("environment"), "\n"), canary) {
			t.Errorf("%s: the hook does not get it", flag)
		}
		if strings.Contains(strings.Join(r.log(), "\n"), canary) {
			t.Errorf("%s: the log has the secret in it", flag)
		}
		s.checkState(canary)
	}
}

// checkState checks that a secret is in no file of the state directory.
func (s *stage) checkState(secret string) {
	s.Helper()
	err := filepath.WalkDir(s.path("state"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), secret) {
			s.Errorf("%s has the secret in it", path)
		}
		return err
	})
	if err != nil {
		s.Error(err)
	}
}

func TestLogIsTextWhereThatIsAskedFor(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	address := freeAddress(t, s.front).String()
	r := s.launch(command(t.Context(), s.dir, s.flags("--log-format=text", "--proxy-port="+port(address))...))
	s.eventually("it listens", func() bool { return strings.Contains(strings.Join(r.log(), "\n"), "listening for clients") })
	r.signal(syscall.SIGTERM)
	if code := r.wait(); code != exitDone {
		t.Errorf("it exits with %d", code)
	}
	for _, line := range r.log() {
		if strings.HasPrefix(line, "{") || strings.Contains(line, "\x1b") {
			t.Errorf("this is no plain text: %q", line)
		}
	}
	if !strings.Contains(strings.Join(r.log(), "\n"), "INF listening for clients address="+address) {
		t.Errorf("the log is %q", r.log())
	}
}
