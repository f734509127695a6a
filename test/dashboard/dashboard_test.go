// Package dashboard shows the page of a real rouse to a real browser.
package dashboard

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/admin"
	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/history"
)

// house is a rouse with three targets and four weeks of history.
type house struct {
	t       *testing.T
	program string
	dir     string
	config  string
	admin   int // port
	web     int // port of the listener that leads to web
	rouse   *exec.Cmd
}

func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

// build returns a house that is not started yet.
func build(t *testing.T) *house {
	t.Helper()
	dir, err := os.MkdirTemp("", "rouse")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	h := &house{t: t, dir: dir, program: filepath.Join(dir, "rouse"), config: filepath.Join(dir, "rouse.yaml"), admin: freePort(t), web: freePort(t)}
	if out, err := exec.Command("go", "build", "-o", h.program, "../../cmd/rouse").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var yaml strings.Builder
	fmt.Fprintf(&yaml, "state-dir: %s/state\nadmin: {listen: \"127.0.0.1:%d\"}\ntargets:\n", dir, h.admin)
	var listeners strings.Builder
	listeners.WriteString("listeners:\n")
	for i, target := range []struct{ name, more string }{
		{"web", "    cooldown: 4s\n    cost: {per-hour: 0.42, stopped-per-hour: 0.01, currency: EUR}\n    power: {watts: 90, stopped-watts: 3}\n"},
		{"minecraft", "    cooldown: 20m\n    cost: {per-hour: 0.18, currency: EUR}\n    groups: [games]\n"},
		{"build-server", "    cooldown: 10m\n"},
	} {
		port := freePort(t)
		listen := h.web
		if i > 0 {
			listen = freePort(t)
		}
		pid := filepath.Join(dir, target.name+".pid")
		start := fmt.Sprintf("#!/bin/sh\nset -eu\necho booting %s\n[ -f %s ] && kill -0 $(cat %s) 2>/dev/null && exit 0\n%s demo-service --listen=127.0.0.1:%d --boot=1500ms >/dev/null 2>&1 </dev/null &\necho $! > %s\n",
			target.name, pid, pid, h.program, port, pid)
		stop := fmt.Sprintf("#!/bin/sh\necho shutting down %s\n[ -f %s ] || exit 0\nkill $(cat %s) 2>/dev/null || true\nrm -f %s\n", target.name, pid, pid, pid)
		for name, text := range map[string]string{"start": start, "stop": stop} {
			if err := os.WriteFile(filepath.Join(dir, target.name+"-"+name), []byte(text), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		fmt.Fprintf(&yaml, "  %s:\n    backend: 127.0.0.1:%d\n    hooks: {start: %s/%s-start, stop: %s/%s-stop}\n%s", target.name, port, dir, target.name, dir, target.name, target.more)
		fmt.Fprintf(&listeners, "- {listen: 127.0.0.1:%d, target: %s}\n", listen, target.name)
	}
	if err := os.WriteFile(h.config, []byte(yaml.String()+listeners.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return h
}

// fill writes four weeks of use, as if rouse had seen them.
func (h *house) fill() {
	h.t.Helper()
	state := filepath.Join(h.dir, "state")
	if err := os.MkdirAll(state, 0o700); err != nil {
		h.t.Fatal(err)
	}
	s := history.New(history.Options{Path: history.Path(state)})
	random := rand.New(rand.NewPCG(1, 2))
	now := time.Now()
	for ago := 28; ago >= 1; ago-- {
		day := now.AddDate(0, 0, -ago)
		weekend := day.Weekday() == time.Saturday || day.Weekday() == time.Sunday
		live(s, "web", day, 9, 17, weekend, random)
		live(s, "minecraft", day, 17, 22, !weekend && random.IntN(3) == 0, random)
		live(s, "build-server", day, 10, 11, random.IntN(2) == 0, random)
	}
	s.Start()
	for s.Reader() == nil { // until it is open: Close gives up on a disk that does not answer
		time.Sleep(20 * time.Millisecond)
	}
	if err := s.Close(); err != nil {
		h.t.Fatal(err)
	}
}

// live is a day of a target that is used between two hours, or not at all.
func live(s *history.Store, name string, day time.Time, from, to int, off bool, random *rand.Rand) {
	midnight := time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, time.Local)
	at := func(hour float64) time.Time { return midnight.Add(time.Duration(hour * float64(time.Hour))) }
	change := func(when time.Time, before, after, cause string, lasted time.Duration) {
		s.Sink(event.Event{Time: when, Kind: event.StateChanged, Target: name, From: before, To: after, Cause: cause, Elapsed: lasted})
	}
	if off {
		change(at(0.01), "unknown", "stopped", "found down", time.Minute)
		return
	}
	first := at(float64(from) + random.Float64())
	took := time.Duration((18 + 14*math.Abs(random.NormFloat64())) * float64(time.Second))
	client := fmt.Sprintf("192.168.1.%d:%d", 20+random.IntN(30), 40000+random.IntN(20000))
	change(first, "stopped", "starting", "client "+client, first.Sub(midnight))
	s.Sink(event.Event{Time: first, Kind: event.OperationBegun, Target: name, Operation: "start", Cause: "client " + client, Epoch: 1})
	s.Sink(event.Event{Time: first.Add(took), Kind: event.OperationEnded, Target: name, Operation: "start", Elapsed: took, Epoch: 1})
	change(first.Add(took), "starting", "ready", "it answers", took)
	last := first
	for came := first; came.Before(at(float64(to))); came = came.Add(time.Duration(random.ExpFloat64() * float64(25*time.Minute))) {
		waited := max(first.Add(took).Sub(came), 0)
		stays := time.Duration(random.ExpFloat64() * float64(20*time.Minute))
		s.Sink(event.Event{
			Time: came.Add(waited + stays), Kind: event.ClientEnded, Target: name, Client: client, Route: "0.0.0.0:443", Waited: waited, Elapsed: stays,
			Sent: int64(random.IntN(1 << 18)), Received: int64(random.IntN(1 << 26)), Cause: "closed",
		})
		s.Traffic(name, came.Add(waited+stays/2), int64(random.IntN(1<<18)), int64(random.IntN(1<<26)))
		if end := came.Add(waited + stays); end.After(last) {
			last = end
		}
	}
	idle := last.Add(10 * time.Minute)
	change(idle, "ready", "stopping", "idle for 10m", idle.Sub(first))
	change(idle.Add(20*time.Second), "stopping", "stopped", "verified down", 20*time.Second)
}

func (h *house) start() error {
	h.rouse = exec.Command(h.program, "run", "--config="+h.config)
	log, err := os.OpenFile(filepath.Join(h.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	h.rouse.Stderr = log
	if err := h.rouse.Start(); err != nil {
		return err
	}
	for range 500 {
		if conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", h.admin)); err == nil {
			return conn.Close()
		}
		time.Sleep(20 * time.Millisecond)
	}
	return errors.New("rouse does not answer")
}

func (h *house) kill() error {
	if h.rouse == nil {
		return nil
	}
	err := h.rouse.Process.Signal(syscall.SIGTERM)
	_ = h.rouse.Wait() // how it ended is told by its log
	h.rouse = nil
	return err
}

// end ends what runs.
func (h *house) end() {
	_ = h.kill()
	for _, name := range []string{"web", "minecraft", "build-server"} {
		_ = exec.Command(filepath.Join(h.dir, name+"-stop")).Run()
	}
	if h.t.Failed() {
		text, _ := os.ReadFile(filepath.Join(h.dir, "log"))
		h.t.Logf("the log of rouse:\n%s", text)
	}
}

// needs skips where there is no browser, and says so.
func needs(t *testing.T) {
	t.Helper()
	for _, path := range []string{"/usr/bin/chromium", "../../web/node_modules/playwright-core/package.json"} {
		if _, err := os.Stat(path); err != nil {
			t.Skipf("no browser test: %v (scripts/setup.sh installs what it needs, where it can)", err)
		}
	}
	if _, err := exec.LookPath("node"); err != nil {
		t.Skipf("no browser test: %v", err)
	}
}

// TestThePageTellsWhatIsSo shows the page to Chromium. With PICTURES=DIR its pictures are kept there.
func TestThePageTellsWhatIsSo(t *testing.T) {
	needs(t)
	h := build(t)
	h.fill()
	defer h.end()
	if err := h.start(); err != nil {
		t.Fatal(err)
	}
	token, err := admin.ReadToken(admin.TokenPath(filepath.Join(h.dir, "state")))
	if err != nil {
		t.Fatal(err)
	}
	pictures := os.Getenv("PICTURES")
	if pictures == "" {
		pictures = t.TempDir()
	}
	node := exec.Command("node", "e2e/e2e.mjs", fmt.Sprintf("http://127.0.0.1:%d/", h.admin), token, fmt.Sprint(h.web), pictures)
	node.Dir = "../../web"
	node.Stderr = os.Stderr
	in, err := node.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(4*time.Minute, func() { _ = node.Process.Kill() })
	defer limit.Stop()
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		t.Log(line)
		what, asked := strings.CutPrefix(line, "ASK ")
		if !asked {
			continue
		}
		var err error
		switch what {
		case "kill":
			err = h.kill()
		case "start":
			err = h.start()
		}
		answer := "done"
		if err != nil {
			answer = err.Error()
		}
		_, _ = io.WriteString(in, answer+"\n") // one that has gone is told of by its end
	}
	if err := node.Wait(); err != nil {
		t.Errorf("the page: %v", err)
	}
}
