//go:build linux

package real

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"
)

// The server says nothing until its client has ended its side of the connection, which
// the client does while the server still sleeps.
func TestARequestThatEndsBeforeTheServerIsUpIsAnswered(t *testing.T) {
	need(t, "nc", "netcat-openbsd", "socat", "socat")
	dir := newDir(t)
	p := start(t, setup{hooks: "testdata/halfclose", dir: dir, port: freePort(t), flags: []string{"--cooldown-period=1s"}})
	at := 0
	for _, request := range [][]byte{[]byte("request"), bytes.Repeat([]byte("a longer request\n"), 300_000)} {
		stdout, _ := run(t, command(t, bytes.NewReader(request), "nc", "-N", "127.0.0.1", p.port))
		if want := fmt.Sprintf("%x  -\n", sha256.Sum256(request)); stdout != want {
			t.Errorf("nc got %q for a request of %d bytes, want %q", stdout, len(request), want)
		}
		at = p.await(t, at, "client ended", "cause", "closed", "sent", fmt.Sprint(len(request)), "received", "68")
		at = p.wantStopped(t, at)
	}
}
