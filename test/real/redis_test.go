//go:build linux

package real

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// startRedis puts rouse in front of a Redis without data.
func startRedis(t *testing.T, flags ...string) *proxy {
	t.Helper()
	need(t, "redis-server", "redis-server", "redis-cli", "redis-tools")
	dir := newDir(t)
	ready, err := filepath.Abs("testdata/redis/ready.sh")
	if err != nil {
		t.Fatal(err)
	}
	return start(t, setup{hooks: "testdata/redis", dir: dir, port: freePort(t),
		flags: append(flags, "--cooldown-period=1s", "--probe=exec:"+ready)})
}

// redis runs one command through rouse.
func redis(t *testing.T, p *proxy, words ...string) string {
	t.Helper()
	stdout, stderr := run(t, command(t, nil, append([]string{"redis-cli", "-h", "127.0.0.1", "-p", p.port}, words...)...))
	if stderr != "" {
		t.Errorf("redis-cli says %q", stderr)
	}
	return strings.TrimSuffix(stdout, "\n")
}

func TestRedisIsWokenAndStoppedAndKeepsItsData(t *testing.T) {
	p := startRedis(t)
	at := p.now()
	if got := redis(t, p, "set", "word", "kept"); got != "OK" {
		t.Errorf("set answers %q", got)
	}
	if got := redis(t, p, "get", "word"); got != "kept" {
		t.Errorf("get answers %q", got)
	}
	at = p.wantStopped(t, at)
	if got := redis(t, p, "get", "word"); got != "kept" {
		t.Errorf("after the second wake get answers %q", got)
	}
	p.wantStopped(t, at)
}

// Redis that loads much data accepts clients at once, and answers their commands with
// -LOADING until it has it all.
func TestNoClientEverSeesRedisLoading(t *testing.T) {
	p := startRedis(t, "--hook-env=LOAD_DELAY=-25")
	at := p.now()
	if got := redis(t, p, "debug", "populate", "200000", "key", "20"); got != "OK" {
		t.Fatalf("debug populate answers %q", got)
	}
	at = p.wantStopped(t, at)
	if err := os.Remove(filepath.Join(p.dir, "probe.log")); err != nil {
		t.Fatal(err)
	}

	const clients = 5
	answers := make(chan string, clients)
	for range clients {
		go runToString(command(t, nil, "redis-cli", "-h", "127.0.0.1", "-p", p.port, "dbsize"), answers)
	}
	for range clients {
		if got := <-answers; got != "200000\n<nil>" {
			t.Errorf("a client that came while Redis slept got %q", got)
		}
	}
	probed, err := os.ReadFile(filepath.Join(p.dir, "probe.log"))
	if err != nil || !bytes.Contains(probed, []byte("LOADING")) {
		t.Errorf("the probe was never told that Redis loads, so this proves nothing: it got %q, %v", probed, err)
	}
	p.wantStopped(t, at)
}

// runToString tells all that a program prints and how it ended.
func runToString(cmd *exec.Cmd, said chan<- string) {
	out, err := cmd.CombinedOutput()
	said <- fmt.Sprintf("%s%v", out, err)
}

// pipeline makes n commands with awkward values, and the answers to them.
func pipeline(n int) (commands, answers []byte) {
	for i := range n {
		value := fmt.Sprintf("%d\r\n$-1\r\n\x00\xff%s", i, strings.Repeat("x", i%97))
		switch i % 3 {
		case 0:
			commands = fmt.Appendf(commands, "*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n", len(value), value)
			answers = fmt.Appendf(answers, "$%d\r\n%s\r\n", len(value), value)
		case 1:
			commands = fmt.Appendf(commands, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\n", len(value), value)
			answers = append(answers, "+OK\r\n"...)
		case 2:
			commands = append(commands, "*2\r\n$6\r\nSTRLEN\r\n$1\r\nk\r\n"...)
			before := fmt.Sprintf("%d\r\n$-1\r\n\x00\xff%s", i-1, strings.Repeat("x", (i-1)%97))
			answers = fmt.Appendf(answers, ":%d\r\n", len(before))
		}
	}
	return commands, answers
}

func write(conn net.Conn, b []byte, written chan<- error) {
	_, err := conn.Write(b)
	written <- err
}

// The commands are sent while Redis sleeps: what the kernel does not hold waits in the client.
func TestTenThousandPipelinedCommandsAreAnsweredToTheByte(t *testing.T) {
	p := startRedis(t)
	at := p.now()
	commands, answers := pipeline(10_000)
	conn, err := net.Dial("tcp", "127.0.0.1:"+p.port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go write(conn, commands, sent)
	got := make([]byte, len(answers))
	if n, err := io.ReadFull(conn, got); err != nil {
		t.Fatalf("read %d of %d bytes: %v", n, len(answers), err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, answers) {
		t.Errorf("the %d bytes of the answers differ from what they should be", len(answers))
	}

	// And what Redis's own client says about as many.
	stdout, _ := run(t, command(t, bytes.NewReader(commands), "redis-cli", "-h", "127.0.0.1", "-p", p.port, "--pipe"))
	if !strings.Contains(stdout, "errors: 0, replies: 10000\n") {
		t.Errorf("redis-cli --pipe says %q", stdout)
	}
	conn.Close()
	p.wantStopped(t, at)
}
