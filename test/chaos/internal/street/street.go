//go:build linux

// Package street makes a small network inside a cell: one network namespace for each house, joined by a router, which is
// the cell's own namespace. Nothing leads out of it. Its addresses are of 198.18.0.0/15, which RFC 2544 sets aside for
// tests.
package street

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A House is a network namespace with one interface.
type House struct {
	Name string
	Addr string // the first of its addresses
	ns   *os.File
}

// router is the router's address, the same on every side.
const router = "198.19.255.1"

// Pave makes the router. It is called once in a cell.
func Pave() error {
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return fmt.Errorf("making a router: %w", err)
	}
	return ip("", "link set lo up")
}

// Build adds a house with its addresses.
func Build(name string, addrs ...string) (*House, error) {
	road := []string{
		"netns add " + name,
		"link add " + name + " type veth peer name eth0 netns " + name,
		"addr add " + router + "/32 dev " + name,
		"link set " + name + " up",
	}
	home := []string{"link set lo up", "link set eth0 up"}
	for _, a := range addrs {
		road = append(road, "route add "+a+"/32 dev "+name)
		home = append(home, "addr add "+a+"/32 dev eth0")
	}
	if err := ip("", road...); err != nil {
		return nil, err
	}
	if err := ip(name, append(home, "route add default via "+router+" dev eth0 onlink")...); err != nil {
		return nil, err
	}
	ns, err := os.Open("/run/netns/" + name)
	if err != nil {
		return nil, fmt.Errorf("opening the namespace of %s: %w", name, err)
	}
	return &House{Name: name, Addr: addrs[0], ns: ns}, nil
}

// ip runs the lines of a batch of ip(8), in a namespace or, with no name, in the cell's own.
func ip(ns string, lines ...string) error {
	args := []string{"-batch", "-"}
	if ns != "" {
		args = append([]string{"-n", ns}, args...)
	}
	cmd := exec.Command("ip", args...)
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	return run(cmd)
}

// run runs a tool; its error has what the tool said.
func run(cmd *exec.Cmd) error {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running %s: %w: %s", cmd, err, bytes.TrimSpace(out.Bytes()))
	}
	return nil
}

// Do calls f on a thread that is in the house. What f opens or starts there stays there.
func (h *House) Do(f func() error) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("looking for the way home from %s: %w", h.Name, err)
	}
	defer home.Close()
	if err := unix.Setns(int(h.ns.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("entering the namespace of %s: %w", h.Name, err)
	}
	result := f()
	if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("leaving the namespace of %s: %w", h.Name, err) // the thread stays locked, and so ends with its goroutine
	}
	runtime.UnlockOSThread()
	return result
}

// Start starts a process in the house.
func (h *House) Start(cmd *exec.Cmd) error { return h.Do(cmd.Start) }

// Run runs a tool in the house.
func (h *House) Run(name string, args ...string) error {
	return h.Do(func() error { return run(exec.Command(name, args...)) })
}

// Output runs a tool in the house and returns what it prints.
func (h *House) Output(name string, args ...string) (string, error) {
	var out []byte
	err := h.Do(func() (err error) {
		out, err = exec.Command(name, args...).Output()
		return err
	})
	return string(out), err
}

// Dial connects from the house to an address, which must be a literal one: a name would be asked for elsewhere.
func (h *House) Dial(ctx context.Context, addr string) (*net.TCPConn, error) {
	var conn net.Conn
	err := h.Do(func() (err error) {
		d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: time.Second, Count: 5}}
		conn, err = d.DialContext(ctx, "tcp4", addr)
		return err
	})
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}
