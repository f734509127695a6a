//go:build linux

package candidate

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// grace is how long a process has between the request to end and the order.
const grace = 3 * time.Second

// Process is a child in a process group of its own.
type Process struct {
	PID  int
	log  string
	done chan struct{} // closed once it has ended
	how  error         // it ended; written before done is closed
}

// Start writes the command's files into the place and runs it. self is the program that
// passes sockets on, with the sub-command "activate". Call Stop at the end.
func Start(c Command, p Place, self string) (*Process, error) {
	for name, text := range c.Files {
		mode := os.FileMode(0o600)
		if filepath.Ext(name) == ".sh" {
			mode = 0o700
		}
		if err := os.WriteFile(filepath.Join(p.Dir, name), []byte(text), mode); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command(c.Path, c.Args...)
	if c.Socket {
		ln, err := net.Listen("tcp4", p.Listen.String())
		if err != nil {
			return nil, err
		}
		defer ln.Close()
		file, err := ln.(*net.TCPListener).File()
		if err != nil {
			return nil, err
		}
		defer file.Close()
		cmd = exec.Command(self, append([]string{"activate", c.Path}, c.Args...)...)
		cmd.ExtraFiles = []*os.File{file}
	}
	cmd.Dir = p.Dir
	return run(cmd, filepath.Join(p.Dir, "log"))
}

func run(cmd *exec.Cmd, log string) (*Process, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	// The group keeps Ctrl-C away from it: the harness ends its children itself. If the
	// harness is killed, the kernel ends them.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	p := &Process{PID: cmd.Process.Pid, log: log, done: make(chan struct{})}
	go p.wait(cmd)
	return p, nil
}

func (p *Process) wait(cmd *exec.Cmd) {
	p.how = cmd.Wait()
	close(p.done)
}

// Ready waits until an echo comes back through the address: check is asked again and again
// until it has no error, the process has ended, or the time is over.
func (p *Process) Ready(check func() error, within time.Duration) error {
	for until := time.Now().Add(within); ; {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return p.Ended()
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(until) {
			return fmt.Errorf("no echo through it within %s: %w; its log ends with: %s", within, err, p.Tail())
		}
	}
}

// Ended is nil while the process lives; then it says how it ended, with its last words.
func (p *Process) Ended() error {
	select {
	case <-p.done:
		return fmt.Errorf("it ended by itself (%v): %s", p.how, p.Tail())
	default:
		return nil
	}
}

// Stop asks the whole group to end, and ends it if it does not.
func (p *Process) Stop() {
	_ = syscall.Kill(-p.PID, syscall.SIGTERM) // it may have ended already
	select {
	case <-p.done:
	case <-time.After(grace):
	}
	_ = syscall.Kill(-p.PID, syscall.SIGKILL) // what is left of the group
	<-p.done
}

// Tail gives the last few lines of the log, as one line.
func (p *Process) Tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	text = text[max(0, len(text)-400):]
	return string(bytes.ReplaceAll(bytes.TrimSpace(text), []byte("\n"), []byte(" | ")))
}

// Activate becomes the program in args and tells it, as systemd would, that descriptor 3 is
// its listener. It returns only with an error.
func Activate(args []string) error {
	if len(args) == 0 {
		return errors.New("activate: which program?")
	}
	env := append(os.Environ(), "LISTEN_FDS=1", "LISTEN_PID="+strconv.Itoa(os.Getpid()))
	return fmt.Errorf("becoming %s: %w", args[0], syscall.Exec(args[0], args, env))
}

// FreePort finds a port that nobody uses at addr.
func FreePort(addr netip.Addr) (netip.AddrPort, error) {
	ln, err := net.Listen("tcp4", netip.AddrPortFrom(addr, 0).String())
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer ln.Close()
	return netip.ParseAddrPort(ln.Addr().String())
}
