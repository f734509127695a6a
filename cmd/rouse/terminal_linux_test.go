package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// launchOnTerminal starts a rouse whose only input and output is a terminal. What it
// writes there is the child's log; the file is the keyboard.
func (s *stage) launchOnTerminal(cmd *exec.Cmd) (c *child, keyboard *os.File) {
	s.Helper()
	keyboard, screen := s.openTerminal()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = screen, screen, screen
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	c = s.begin(cmd, keyboard)
	_ = screen.Close() // the child has its own
	return c, keyboard
}

// openTerminal makes a terminal of two ends.
func (s *stage) openTerminal() (keyboard, screen *os.File) {
	s.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		s.Skipf("there are no pseudo-terminals here: %v", err)
	}
	s.Cleanup(func() { _ = keyboard.Close() })
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		s.Fatal(err)
	}
	number, err := unix.IoctlGetUint32(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		s.Fatal(err)
	}
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		s.Fatal(err)
	}
	return keyboard, screen
}

// press types on the keyboard.
func (c *child) press(keyboard *os.File, keys string) {
	c.Helper()
	if _, err := keyboard.WriteString(keys); err != nil {
		c.Fatal(err)
	}
}

func TestLogIsTextForPeopleOnATerminal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		env     string
		colours bool
	}{{"A=B", true}, {"NO_COLOR=1", false}} {
		s := newStage(t)
		cmd := command(t.Context(), s.dir, s.flags("--log-level=info")...)
		cmd.Env = append(cmd.Env, c.env)
		r, keyboard := s.launchOnTerminal(cmd)
		s.eventually("it listens", func() bool { return strings.Contains(strings.Join(r.log(), "\n"), "listening for clients") })
		r.press(keyboard, "\x03") // Ctrl-C
		if code := r.wait(); code != exitDone {
			t.Errorf("it exits with %d", code)
		}
		log := strings.Join(r.log(), "\n")
		if strings.Contains(log, `{"`) {
			t.Error("people are given JSON")
		}
		if strings.Contains(log, "\x1b[") != c.colours {
			t.Errorf("with %s colours are %v, want %v", c.env, !c.colours, c.colours)
		}
		s.expectRuns("")
	}
}

func TestDemoOnATerminalTellsHowToWakeItAndObeysCtrlC(t *testing.T) {
	t.Parallel()
	var keyboard *os.File
	s, demo, front := startDemo(t, func(s *stage, cmd *exec.Cmd) (c *child) {
		c, keyboard = s.launchOnTerminal(cmd)
		return c
	})
	host, port, _ := strings.Cut(front, ":")
	s.eventually("it tells how to wake it", func() bool {
		return strings.Contains(strings.Join(demo.log(), "\n"), "nc "+host+" "+port)
	})
	c := dialTo(t, front)
	c.say("hello")
	greeting, err := c.lines.ReadString('\n')
	if err != nil || !strings.HasPrefix(greeting, "Good morning!") {
		t.Errorf("the service says %q, %v", greeting, err)
	}
	pid := s.servicePID()
	demo.press(keyboard, "\x03") // Ctrl-C, while a client is there
	if code := demo.wait(); code != exitDone {
		t.Errorf("it exits with %d", code)
	}
	if log := strings.Join(demo.log(), "\n"); !strings.Contains(log, "the service is stopped and its folder removed") {
		t.Errorf("it ends without saying so: %q", log)
	}
	s.expectNoTrace(pid)
}
