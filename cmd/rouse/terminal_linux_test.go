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

// TestInitAsksOnATerminal: each wrong answer is asked for again, and what comes out is a config that is right.
func TestInitAsksOnATerminal(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	r, keyboard := s.launchOnTerminal(command(t.Context(), s.dir, "init"))
	said := func() string { return strings.Join(r.log(), "\n") }
	steps := []struct{ question, answer, complaint string }{
		{"Its IP address or host name", "10.0.0.300", "is not an IPv4 address"}, {"Its IP address or host name", "127.0.0.1", ""},
		{"Its TCP port", "9123", ""}, {"A name for it", "", ""}, {"The program that starts it", "./start.sh", ""},
		{"The program that stops it", "./absent.sh", "is not there yet"}, {"The program that says whether it runs", "", ""}, {"ready?", "https:/x", ""},
		{"On which address", "127.0.0.1", ""}, {"On which port?", "", "rouse would connect to itself"}, {"On which port?", "9200", ""},
		{"Who may wake it?", "192.168.0.0/16", ""}, {"After how long", "45", "that is 45 seconds"}, {"Where is the config", "mine.yaml", ""},
	}
	for _, step := range steps {
		r.press(keyboard, step.answer+"\n")
		if step.complaint != "" {
			s.eventually("it complains of "+step.answer, func() bool { return strings.Contains(said(), step.complaint) })
		}
	}
	if code := r.wait(); code != exitDone {
		t.Fatalf("it exits with %d:\n%s", code, said())
	}
	for _, step := range steps {
		if !strings.Contains(said(), step.question) {
			t.Errorf("it has not asked %q:\n%s", step.question, said())
		}
	}
	text, err := os.ReadFile(s.path("mine.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"  server:", "backend: 127.0.0.1:9123", "path: /x", "cooldown: 45s", "listen: 127.0.0.1:9200", "wake-from: 192.168.0.0/16"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the config lacks %q:\n%s", want, text)
		}
	}
	if !strings.Contains(said(), "wrote mine.yaml; next: rouse check") {
		t.Errorf("it says\n%s", said())
	}
}

// TestDoctorAsksOnATerminal: nothing is started without a yes.
func TestDoctorAsksOnATerminal(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	r, keyboard := s.launchOnTerminal(command(t.Context(), s.dir, append([]string{"doctor"}, s.flags()...)...))
	r.press(keyboard, "\n")
	if code := r.wait(); code != exitFailed || !strings.Contains(strings.Join(r.log(), "\n"), "nothing was started") {
		t.Errorf("it exits with %d:\n%s", code, strings.Join(r.log(), "\n"))
	}
	s.expectRuns("")
	r, keyboard = s.launchOnTerminal(command(t.Context(), s.dir, append([]string{"doctor"}, s.flags()...)...))
	r.press(keyboard, "yes\n")
	if code := r.wait(); code != exitDone || !strings.Contains(strings.Join(r.log(), "\n"), "all is well") {
		t.Errorf("it exits with %d:\n%s", code, strings.Join(r.log(), "\n"))
	}
	s.expectRuns("start start stop stop")
	s.expectAsleep()
}
