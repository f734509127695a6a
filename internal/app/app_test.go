package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rouse-proxy/rouse/internal/config"
	"github.com/rouse-proxy/rouse/internal/driver/exec"
	"github.com/rouse-proxy/rouse/internal/state"
	"github.com/rouse-proxy/rouse/internal/target"
)

func TestMain(m *testing.M) {
	exec.RunKeeper()
	goleak.VerifyTestMain(m)
}

// hook writes a script and returns its path.
func hook(t testing.TB, dir, name, body string) []string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return []string{path}
}

// freeAddr returns a loopback address at which nobody listens.
func freeAddr(t testing.TB) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return netip.MustParseAddrPort(ln.Addr().String())
}

// plan is a config with one target at backend, whose hooks do nothing.
func plan(t testing.TB, backend netip.AddrPort) *config.Config {
	t.Helper()
	dir := t.TempDir()
	return &config.Config{
		State: filepath.Join(dir, "state"), OnExit: config.OnExitKeep, Drain: time.Second,
		Targets: []config.Target{{
			Name:     "web",
			Backend:  config.Backend{Host: backend.Addr().String(), Port: backend.Port()},
			Hooks:    config.Hooks{Start: hook(t, dir, "start.sh", "exit 0"), Stop: hook(t, dir, "stop.sh", "exit 0")},
			Probe:    config.Probe{Kind: config.ProbeTCP},
			Cooldown: time.Minute, StartTimeout: time.Minute, StopTimeout: time.Minute,
		}},
		Routes: []config.Route{{Listen: netip.MustParseAddrPort("127.0.0.1:0"), To: config.To{Target: "web"}}},
	}
}

// launch runs the daemon until the test ends.
func launch(t testing.TB, cfg *config.Config) *App {
	t.Helper()
	return launchWith(t, Options{Config: cfg})
}

// launchWith is launch with more options.
func launchWith(t testing.TB, opts Options) *App {
	t.Helper()
	opts.Logger = slog.New(slog.DiscardHandler)
	a, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return a
}

func TestWholeJobWithRealSocketsAndHooks(t *testing.T) {
	backend := freeAddr(t)
	cfg := plan(t, backend)
	mark := filepath.Join(t.TempDir(), "started")
	cfg.Targets[0].Hooks.Start = hook(t, filepath.Dir(mark), "start.sh", "echo $ROUSE_REASON >"+mark)
	a := launch(t, cfg)
	client, err := net.Dial("tcp", a.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := io.WriteString(client, "early"); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { _, err := os.Stat(mark); return err == nil })
	ln, err := net.Listen("tcp", backend.String())
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	got := make([]byte, 5)
	if _, err := io.ReadFull(server, got); err != nil || string(got) != "early" {
		t.Errorf("the server read %q, %v", got, err)
	}
	if reason, _ := os.ReadFile(mark); !strings.HasPrefix(string(reason), "client 127.0.0.1:") {
		t.Errorf("the start hook's reason was %q", reason)
	}
	if st := a.Status("web"); st.State != target.Ready || st.Held != 1 {
		t.Errorf("status: %+v", st)
	}
}

// await polls for what a real process does.
func await(t testing.TB, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatal("waited too long")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestSecondRouseOnTheSameStateIsRefused(t *testing.T) {
	cfg := plan(t, freeAddr(t))
	launch(t, cfg)
	if _, err := New(Options{Config: cfg}); !errors.Is(err, state.ErrLocked) {
		t.Errorf("the second got %v, want ErrLocked", err)
	}
}

func TestOwnAddressIsNoTarget(t *testing.T) {
	cfg := plan(t, freeAddr(t))
	cfg.Routes[0].Listen = netip.AddrPortFrom(netip.IPv4Unspecified(), cfg.Targets[0].Backend.Port)
	_, err := New(Options{Config: cfg})
	if problems, ok := errors.AsType[config.Problems](err); !ok || problems[0].Where != "targets[0].backend.port" {
		t.Errorf("%v, want a problem of --target-port", err)
	}
}

// TestHookThatNamesOurOwnAddress: the loop shows only at run time, and must end.
func TestHookThatNamesOurOwnAddress(t *testing.T) {
	cfg := plan(t, freeAddr(t))
	self := freeAddr(t)
	cfg.Routes[0].Listen = self
	cfg.Targets[0].StartTimeout = time.Second
	cfg.Targets[0].Hooks.Start = hook(t, t.TempDir(), "start.sh", "echo address="+self.String()+" >$ROUSE_OUTPUT")
	a := launch(t, cfg)
	client, err := net.Dial("tcp", a.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := io.ReadAll(client); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client saw %v, want a reset", err)
	}
	await(t, func() bool { st := a.Status("web"); return st.Held+st.Waiting == 0 })
}

func TestFailedNewLeavesNothingOpen(t *testing.T) {
	cfg := plan(t, freeAddr(t))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg.Routes = append(cfg.Routes, config.Route{Listen: netip.MustParseAddrPort(taken.Addr().String()), To: config.To{Target: "web"}})
	if _, err := New(Options{Config: cfg}); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "--proxy-port") {
		t.Fatalf("%v, want the address in use and what to do", err)
	}
	cfg.Routes = cfg.Routes[:1]
	launch(t, cfg) // the state directory is free again
}

func TestEveryBadHookIsListedWithItsFlag(t *testing.T) {
	cfg := plan(t, freeAddr(t))
	cfg.Targets[0].Hooks.Start = []string{"/no/such/hook"}
	cfg.Targets[0].Hooks.Status = []string{t.TempDir()}
	_, err := New(Options{Config: cfg})
	problems, ok := errors.AsType[config.Problems](err)
	if !ok || len(problems) != 2 || problems[0].Where != "targets[0].hooks.start" || problems[1].Where != "targets[0].hooks.status" {
		t.Errorf("%v, want two problems with their flags", err)
	}
	if _, err := os.Stat(cfg.State); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state directory was made all the same (%v)", err)
	}
}

func TestForgottenTargetsAreToldOf(t *testing.T) {
	cfg := plan(t, freeAddr(t))
	dir, err := state.Open(cfg.State)
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.Save(state.Record{Target: "old", MayRun: true, Epoch: 3}); err != nil {
		t.Fatal(err)
	}
	if err := dir.Close(); err != nil {
		t.Fatal(err)
	}
	var logs bytes.Buffer
	a, err := New(Options{Config: cfg, Logger: slog.New(slog.NewTextHandler(&logs, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(logs.String(), "target=old") {
		t.Errorf("no word about the target that was dropped from the config:\n%s", logs.String())
	}
}

func TestOnExitStopRunsTheStopHook(t *testing.T) {
	backend := freeAddr(t)
	ln, err := net.Listen("tcp", backend.String())
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cfg := plan(t, backend)
	cfg.OnExit = config.OnExitStop
	mark := filepath.Join(t.TempDir(), "stopped")
	cfg.Targets[0].Hooks.Stop = hook(t, filepath.Dir(mark), "stop.sh", "echo $ROUSE_REASON >"+mark)
	a, err := New(Options{Config: cfg})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	await(t, func() bool { return a.Status("web").State == target.Ready })
	cancel()
	await(t, func() bool { _, err := os.Stat(mark); return err == nil })
	ln.Close() // what the stop hook asked for
	if err := <-done; err != nil {
		t.Error(err)
	}
	if reason, _ := os.ReadFile(mark); strings.TrimSpace(string(reason)) != "rouse is ending" {
		t.Errorf("the stop hook's reason was %q", reason)
	}
}
