//go:build linux

package town

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/rouse-proxy/rouse/internal/fakecloud"
	"github.com/rouse-proxy/rouse/internal/fakecloud/remote"
	"github.com/rouse-proxy/rouse/test/chaos/internal/street"
)

const (
	machine     = "web"
	machinePort = 9000
	cloudLog    = "cloud.log"
	cloudWithin = 30 * time.Second // any answer of the cloud
)

// A cloud is the provider of the one machine, a process of its own.
type cloud struct {
	*remote.Client
	cmd  *exec.Cmd
	over chan struct{}
}

// openCloud starts the cloud in the house of the targets, and returns when it answers.
func openCloud(o Options, house *street.House) (*cloud, error) {
	p, socket := o.Plan, filepath.Join(o.Dir, "cloud.sock")
	args := []string{
		"serve", "--socket", socket, "--log", filepath.Join(o.Dir, cloudLog),
		fmt.Sprintf("--machine=%s=%s:%d", machine, house.Addr, machinePort), fmt.Sprintf("--seed=%d", p.Seed),
		"--boot=" + p.Boot.String(), "--late=" + p.Late.String(), "--halt=" + p.Halt.String(),
		"--allowance=" + (p.Cooldown + hookTime).String(),
		fmt.Sprintf("--moves=%t", p.Moves), fmt.Sprintf("--stops-pending=%t", p.StopsPending), fmt.Sprintf("--forwarder=%t", p.Forwarder),
	}
	c := &cloud{Client: remote.Dial(socket), cmd: exec.Command(o.Cloud, args...), over: make(chan struct{})}
	c.cmd.Dir = o.Dir
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var said bytes.Buffer
	c.cmd.Stderr = &said
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := house.Start(c.cmd); err != nil {
		return nil, fmt.Errorf("starting the cloud: %w", err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	go func() { defer close(c.over); _ = c.cmd.Wait() }()
	if line != "ready\n" {
		c.end()
		return nil, fmt.Errorf("starting the cloud: it said %q, not ready: %s", line, said.String())
	}
	return c, nil
}

// end ends the cloud.
func (c *cloud) end() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.over:
	case <-time.After(5 * time.Second):
		_ = c.cmd.Process.Kill()
		<-c.over
	}
	c.Close()
}

// read reads the meter.
func (c *cloud) read() (fakecloud.Reading, error) {
	ctx, cancel := context.WithTimeout(context.Background(), cloudWithin)
	defer cancel()
	r, err := c.Read(ctx, machine)
	if err != nil {
		return r, fmt.Errorf("reading the meter: %w", err)
	}
	return r, nil
}

// inject makes a fault happen.
func (c *cloud) inject(fault string) error {
	ctx, cancel := context.WithTimeout(context.Background(), cloudWithin)
	defer cancel()
	return c.Inject(ctx, machine, fault)
}

// calm takes back what has not happened yet.
func (c *cloud) calm() error {
	ctx, cancel := context.WithTimeout(context.Background(), cloudWithin)
	defer cancel()
	return c.Calm(ctx, machine)
}

// need says that the machine is needed until done. It waits for nobody: the cloud may be frozen.
func (c *cloud) need(who string) (done func()) {
	done, _ = c.needing(who)
	return done
}

// needNow is need, and returns when the cloud knows, or after a while.
func (c *cloud) needNow(who string) (done func()) {
	done, known := c.needing(who)
	select {
	case <-known:
	case <-time.After(time.Second):
	}
	return done
}

func (c *cloud) needing(who string) (done func(), known chan struct{}) {
	ended, known := make(chan struct{}), make(chan struct{})
	go func() {
		release, err := c.Need(machine, who)
		close(known)
		if err == nil {
			<-ended
			release()
		}
	}()
	return func() { close(ended) }, known
}
