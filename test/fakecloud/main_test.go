//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/fakecloud"
	"github.com/rouse-proxy/rouse/internal/fakecloud/remote"
)

// TestMain is the command itself when it is asked to be.
func TestMain(m *testing.M) {
	if os.Getenv("BE_FAKECLOUD") != "" {
		main()
	}
	os.Exit(m.Run())
}

// command is a process of the command.
func command(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append([]string{"BE_FAKECLOUD=1", "GORACE=atexit_sleep_ms=0"}, env...) // under -race each would linger for a second
	return cmd
}

// A stage has a cloud that runs as a process.
type stage struct {
	t       *testing.T
	socket  string
	address string
	cloud   *exec.Cmd
	client  *remote.Client
}

func open(t *testing.T, options ...string) *stage {
	t.Helper()
	s := &stage{t: t, socket: filepath.Join(t.TempDir(), "s"), address: freeAddr(t)}
	s.serve(options...)
	s.client = remote.Dial(s.socket)
	t.Cleanup(s.client.Close)
	return s
}

// serve begins a cloud and waits until it answers.
func (s *stage) serve(options ...string) {
	s.t.Helper()
	args := append([]string{"serve", "--socket", s.socket, "--machine", "web=" + s.address}, options...)
	cmd := command(s.t, nil, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.cloud = cmd
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill() // by its id; it may have ended
		_ = cmd.Wait()
	})
	ready := make([]byte, len("ready\n"))
	if _, err := io.ReadFull(out, ready); err != nil || string(ready) != "ready\n" {
		s.t.Fatalf("the cloud said %q, %v", ready, err)
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// hook runs the hook and returns its exit code and what it left in ROUSE_OUTPUT.
func (s *stage) hook(event string) (code int, output string) {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "output")
	cmd := s.hookCommand(event, path)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	s.t.Logf("%s: %d %s", event, cmd.ProcessState.ExitCode(), &stderr)
	written, _ := os.ReadFile(path)
	return cmd.ProcessState.ExitCode(), string(written)
}

func (s *stage) hookCommand(event, output string) *exec.Cmd {
	return command(s.t, []string{"ROUSE_EVENT=" + event, "ROUSE_EPOCH=7", "ROUSE_OUTPUT=" + output}, "hook", "--socket", s.socket, "web")
}

// run runs a command that must succeed and returns what it printed.
func (s *stage) run(args ...string) string {
	s.t.Helper()
	out, err := command(s.t, nil, append(args[:1:1], append([]string{"--socket", s.socket}, args[1:]...)...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return string(out)
}

func (s *stage) read() (r fakecloud.Reading) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.run("meter", "web")), &r); err != nil {
		s.t.Fatal(err)
	}
	return r
}

// await waits for what other processes do.
func (s *stage) await(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited too long until %s", what)
		}
	}
}

func (s *stage) state() fakecloud.State {
	s.t.Helper()
	d, err := s.client.Describe(s.t.Context(), "web")
	if err != nil {
		s.t.Fatal(err)
	}
	return d.State
}

func TestHooksStartAndStopAMachine(t *testing.T) {
	s := open(t, "--boot=10ms", "--halt=10ms", "--moves", "--log="+filepath.Join(t.TempDir(), "log"))
	if code, _ := s.hook("status"); code != 3 {
		t.Errorf("status: %d, want 3", code)
	}
	first := netip.MustParseAddrPort(s.address)
	next := netip.AddrPortFrom(first.Addr().Next(), first.Port()).String()
	for range 2 { // the second finds it running
		if code, output := s.hook("start"); code != 0 || output != "address="+next+"\n" {
			t.Errorf("start: %d, %q, want 0 and %s", code, output, next)
		}
	}
	if code, _ := s.hook("status"); code != 0 {
		t.Errorf("status: %d, want 0", code)
	}
	s.await("it answers", func() bool {
		conn, err := net.Dial("tcp", next)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	for range 2 {
		if code, _ := s.hook("stop"); code != 0 {
			t.Errorf("stop: %d, want 0", code)
		}
	}
	if r := s.read(); r.Starts != 1 || r.Stops != 1 || r.Operations != 6 || r.Overlaps+r.StatusOverlaps != 0 || r.State != fakecloud.Stopped {
		t.Errorf("the meter says %+v", r)
	}
}

func TestExitCodesOfRefusals(t *testing.T) {
	s := open(t)
	for fault, want := range map[string]int{"throttle": 75, "stockout": 75, "quota": 1, "start-fails": 1} {
		s.run("inject", "web", fault)
		if code, output := s.hook("start"); code != want || output != "" {
			t.Errorf("%s: exit code %d and %q, want %d and nothing", fault, code, output, want)
		}
	}
}

func TestAHookThatIsKilledHarmsNothing(t *testing.T) {
	s := open(t, "--boot=200ms")
	hook := s.hookCommand("start", "")
	if err := hook.Start(); err != nil {
		t.Fatal(err)
	}
	s.await("it boots", func() bool { return s.state() != fakecloud.Stopped })
	_ = hook.Process.Kill()
	_ = hook.Wait()
	if code, _ := s.hook("start"); code != 0 { // begins at once: the dead one is no overlap
		t.Errorf("the next start: %d, want 0", code)
	}
	if r := s.read(); r.Starts != 1 || r.Overlaps != 0 || r.Operations != 2 || r.State != fakecloud.Running {
		t.Errorf("the meter says %+v", r)
	}
}

func TestTwoHooksAtATimeAreAnOverlap(t *testing.T) {
	s := open(t, "--boot=1h")
	hook := s.hookCommand("start", "")
	if err := hook.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = hook.Process.Kill(); _ = hook.Wait() }()
	s.await("it boots", func() bool { return s.state() == fakecloud.Pending })
	if code, _ := s.hook("stop"); code != 75 {
		t.Errorf("stop while PENDING: %d, want 75", code)
	}
	s.hook("status")
	if r := s.read(); r.Overlaps != 1 || r.StatusOverlaps != 1 {
		t.Errorf("%d overlaps, %d with a status, want one of each", r.Overlaps, r.StatusOverlaps)
	}
}

func TestNeedIsALease(t *testing.T) {
	s := open(t)
	cmd := command(t, nil, "need", "--socket", s.socket, "web", "somebody")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.await("it is wanted", func() bool { return s.read().Wanted == 1 })
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	s.await("it is not wanted", func() bool { r := s.read(); return r.Wanted == 0 && r.NeededBy["somebody"] > 0 })
}

func TestACloudTakesThePlaceOfADeadOneOnly(t *testing.T) {
	s := open(t)
	out, err := command(t, nil, "serve", "--socket", s.socket, "--machine", "web="+s.address).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "already") {
		t.Errorf("a second cloud at the same socket: %v, %s", err, out)
	}
	_ = s.cloud.Process.Kill()
	_ = s.cloud.Wait()
	s.serve()
	if err := s.cloud.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.cloud.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

func TestMistakesAreTold(t *testing.T) {
	s := open(t)
	for _, row := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"dance"}, 2, "no command"},
		{[]string{"meter"}, 2, "--socket is missing"},
		{[]string{"meter", "--socket", s.socket, "a", "b"}, 2, "2 arguments"},
		{[]string{"meter", "--socket", s.socket, "nobody"}, 1, "no machine"},
		{[]string{"inject", "--socket", s.socket, "web", "earthquake"}, 1, "choose one of"},
		{[]string{"inject", "--socket", s.socket, "web", "crash=x"}, 1, "a duration such as"},
		{[]string{"hook", "--socket", s.socket, "web"}, 2, "ROUSE_EPOCH"},
		{[]string{"serve", "--socket", s.socket}, 2, "--machine"},
		{[]string{"serve", "--socket", s.socket, "--machine", "web"}, 2, "NAME=IP:PORT"},
		{[]string{"serve", "--socket", s.socket, "--machine", "web=localhost:1"}, 2, "IP:PORT"},
		{[]string{"calm", "--socket", s.socket + "x", "web"}, 75, "no such file"},
	} {
		cmd := command(t, nil, row.args...)
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != row.code || !strings.Contains(string(out), row.says) {
			t.Errorf("%q: exit code %d, %s; want %d, something of %q", row.args, cmd.ProcessState.ExitCode(), out, row.code, row.says)
		}
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	done := make(chan error)
	go func() {
		done <- serve(ctx, []string{"--socket", filepath.Join(t.TempDir(), "s"), "--machine", "web=" + freeAddr(t)}, in)
	}()
	if _, err := fmt.Fscanln(out, new(string)); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
