//go:build linux

package course

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rouse-proxy/rouse/bench/internal/backend"
	"github.com/rouse-proxy/rouse/bench/internal/load"
)

// child is one of our own sub-commands, spoken to in lines of JSON.
type child struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *json.Decoder
	stderr bytes.Buffer
}

// startChild runs a command that ends with one of our sub-commands. All that it has started
// is killed when ctx ends.
func startChild(ctx context.Context, command ...string) (*child, error) {
	name := command[len(command)-1]
	c := &child{cmd: exec.CommandContext(ctx, command[0], command[1:]...)}
	c.cmd.Cancel = func() error { return syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) }
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c.cmd.Stderr = &c.stderr
	c.cmd.WaitDelay = time.Second
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the %s: %w", name, err)
	}
	c.out = json.NewDecoder(out)
	return c, nil
}

func (c *child) send(v any) error { return json.NewEncoder(c.in).Encode(v) }

// end closes its input, which is its sign to end, and waits.
func (c *child) end() error {
	_ = c.in.Close()
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(c.stderr.String()))
	}
	return nil
}

// order has the backend carry out one order.
func (c *course) order(do string, addr netip.AddrPort, backlog int) (backend.Answer, error) {
	var answer backend.Answer
	if err := c.backend.send(backend.Order{Do: do, Addr: addr, Backlog: backlog}); err != nil {
		return answer, fmt.Errorf("ordering the backend: %w", err)
	}
	if err := c.backend.out.Decode(&answer); err != nil {
		return answer, fmt.Errorf("ordering the backend: %w", err)
	}
	if answer.Error != "" {
		return answer, errors.New(answer.Error)
	}
	return answer, nil
}

// work is a load process with its job under way.
type work struct {
	child  *child
	cancel context.CancelFunc
}

// work starts a load process with a job. It is killed if it takes far longer than it should.
func (c *course) work(ctx context.Context, job load.Job) (*work, error) {
	return c.workUnder(ctx, nil, job)
}

// workUnder is work that a tool runs: its command line, before that of the load process.
func (c *course) workUnder(ctx context.Context, tool []string, job load.Job) (*work, error) {
	ctx, cancel := context.WithTimeout(ctx, job.Warm+job.Window+time.Minute)
	ch, err := startChild(ctx, append(slices.Clone(tool), c.Self, "load")...)
	if err != nil {
		cancel()
		return nil, err
	}
	if err := ch.send(job); err != nil {
		cancel()
		return nil, errors.Join(err, ch.end())
	}
	return &work{child: ch, cancel: cancel}, nil
}

// held waits until all connections of the job stand, and gives their number.
func (w *work) held() (int, error) {
	var m load.Message
	if err := w.child.out.Decode(&m); err != nil {
		return 0, fmt.Errorf("waiting for held connections: %w", err)
	}
	if m.Event != "held" {
		return 0, fmt.Errorf("waiting for held connections: got %q", m.Event)
	}
	return m.Count, nil
}

// result waits for the job's result and ends the process. It must be called once.
func (w *work) result() (load.Result, error) {
	defer w.cancel()
	var m load.Message
	err := w.child.out.Decode(&m)
	if ended := w.child.end(); ended != nil {
		return load.Result{}, fmt.Errorf("running the load: %w", ended)
	}
	if err != nil || m.Result == nil {
		return load.Result{}, fmt.Errorf("reading the load's result: %w", err)
	}
	return *m.Result, nil
}

// release lets an idle job close its connections.
func (w *work) release() { _, _ = io.WriteString(w.child.in, "\n") } // if it is gone, result says so
