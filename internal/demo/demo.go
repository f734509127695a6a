// Package demo shows the main job on a machine with nothing installed: a small TCP
// service sleeps behind rouse, real start and stop scripts wake it and put it back
// to sleep, and every step is told as it happens. The proxy, the target and the
// hooks are the real ones; only the service is a toy.
package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rouse-proxy/rouse/internal/admin"
	"github.com/rouse-proxy/rouse/internal/app"
	"github.com/rouse-proxy/rouse/internal/config"
	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/target"
)

const (
	name     = "demo"
	cooldown = 5 * time.Second
	bootTime = 3 * time.Second // what the toy service pretends to need
	tempRoot = "rouse-demo-"
)

// Options say how to show it.
type Options struct {
	Out        io.Writer
	Terminal   bool   // Out is a terminal: colours, and a line that counts
	Play       bool   // play a client instead of waiting for the user's
	Port       uint16 // where clients connect; the next free one when it is taken
	Executable string // this program, which is also the toy service
}

// Run shows the demo until it has been played, or ctx ends. It stops the service and
// removes its folder before it returns.
func Run(ctx context.Context, opts Options) (err error) {
	stage, err := newStage(opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(stage.dir)) }()

	told := newNarrator(opts.Out, opts.Terminal)
	daemon, err := stage.raise(told.events, opts.Port)
	taken := errors.Is(err, syscall.EADDRINUSE)
	if taken {
		daemon, err = stage.raise(told.events, 0)
	}
	if err != nil {
		return err
	}
	stage.listen = netip.MustParseAddrPort(daemon.Addrs()[0].String())
	if stage.page, err = stage.dashboard(daemon); err != nil {
		return err
	}
	told.status = func() target.Status { return daemon.Status(name) }
	if taken {
		told.print("Port %d is taken, so clients connect to another one here.\n\n", opts.Port)
	}
	told.introduce(stage, opts.Play)

	interrupted := ctx
	ctx, finish := context.WithCancel(ctx)
	defer finish()
	ending, ended := context.WithCancel(context.Background())
	var lives sync.WaitGroup
	lives.Go(func() { told.run(ending) })
	played := make(chan error, 1)
	if opts.Play {
		lives.Go(func() {
			defer finish()
			played <- play(ctx, stage.listen.String(), told)
		})
	}
	err = daemon.Run(ctx)
	ended()
	lives.Wait()
	wholly := opts.Play && interrupted.Err() == nil
	if wholly {
		err = errors.Join(<-played, err)
	}
	told.farewell(wholly && err == nil)
	return err
}

// stage is where the demo plays.
type stage struct {
	dir     string // holds the hooks, the process id and the state
	backend netip.AddrPort
	listen  netip.AddrPort // where clients connect
	page    string         // address of the dashboard, with its token
}

func newStage(opts Options) (*stage, error) {
	backend, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", tempRoot)
	if err != nil {
		return nil, fmt.Errorf("making a folder for the demo: %w", err)
	}
	s := &stage{dir: dir, backend: backend}
	if err := s.writeHooks(opts.Executable); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// freePort returns a loopback address that is free now.
func freePort() (netip.AddrPort, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("finding a free port for the demo: %w", err)
	}
	defer ln.Close()
	return netip.MustParseAddrPort(ln.Addr().String()), nil
}

func (s *stage) path(file string) string { return filepath.Join(s.dir, file) }

// writeHooks writes the two scripts, as a user would.
func (s *stage) writeHooks(executable string) error {
	start := fmt.Sprintf(`#!/bin/sh
# Starts the service in the background and returns: rouse waits until it answers.
set -eu
cd %s
%s demo-service --listen=%s --boot=%v </dev/null >service.log 2>&1 &
echo $! >service.pid
echo "service started as process $!"
`, quote(s.dir), quote(executable), s.backend, bootTime)
	stop := fmt.Sprintf(`#!/bin/sh
# Ends the service and waits until it has gone.
set -eu
cd %s
[ -f service.pid ] || exit 0
pid=$(cat service.pid)
kill "$pid" 2>/dev/null || true
tries=0
while kill -0 "$pid" 2>/dev/null && [ "$tries" -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
rm -f service.pid
echo "service stopped"
`, quote(s.dir))
	for file, text := range map[string]string{"start.sh": start, "stop.sh": stop} {
		if err := os.WriteFile(s.path(file), []byte(text), 0o700); err != nil {
			return fmt.Errorf("writing the demo's hooks: %w", err)
		}
	}
	return nil
}

// quote makes a word of any text for sh.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// raise builds the real daemon in front of the toy service, on the port given.
func (s *stage) raise(events func(event.Event), port uint16) (*app.App, error) {
	listen := netip.AddrPortFrom(s.backend.Addr(), port)
	return app.New(app.Options{
		Sinks: []func(event.Event){events},
		Config: &config.Config{
			Admin: config.Admin{Listen: netip.AddrPortFrom(s.backend.Addr(), 0)},
			State: s.path("state"), OnExit: config.OnExitStop, LogFormat: config.LogAuto,
			Targets: []config.Target{{
				Name:     name,
				Backend:  config.Backend{Host: s.backend.Addr().String(), Port: s.backend.Port()},
				Hooks:    config.Hooks{Start: []string{s.path("start.sh")}, Stop: []string{s.path("stop.sh")}},
				Probe:    config.Probe{Kind: config.ProbeTCP, Settle: 50 * time.Millisecond},
				Cooldown: cooldown, StartTimeout: time.Minute, StopTimeout: time.Minute,
			}},
			Routes: []config.Route{{Listen: listen, To: config.To{Target: name}}},
		},
	})
}

// dashboard returns the address of the page.
func (s *stage) dashboard(daemon *app.App) (string, error) {
	token, err := admin.ReadToken(admin.TokenPath(s.path("state")))
	if err != nil {
		return "", fmt.Errorf("finding the dashboard of the demo: %w", err)
	}
	return "http://" + daemon.AdminAddr().String() + "/#token=" + token, nil
}

// play is a client: it connects, talks, leaves, and waits for the target to sleep.
func play(ctx context.Context, address string, told *narrator) error {
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	told.say("client", "connects to "+address+` and sends "hello" at once`)
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("connecting as a client: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if _, err := io.WriteString(conn, "hello\n"); err != nil {
		return fmt.Errorf("talking as a client: %w", err)
	}
	lines := bufio.NewScanner(conn)
	for range 2 {
		if !lines.Scan() {
			return errors.New("the client was cut before it was answered")
		}
		told.say("client", "reads: "+lines.Text())
	}
	// States come in order: the one it slept in before it woke is passed by here.
	if err := told.await(ctx, target.Ready.String()); err != nil {
		return err
	}
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	told.say("client", "leaves")
	if err := conn.Close(); err != nil {
		return fmt.Errorf("leaving as a client: %w", err)
	}
	return told.await(ctx, target.Stopped.String())
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
