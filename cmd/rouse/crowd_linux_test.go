package main

import (
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rouse-proxy/rouse/internal/admin"
)

// crowdClients is how many the short form has. CROWD=10000 in the environment gives the long one; beyond what descriptors
// allow the next clients wait outside. The race detector does not allow as many goroutines as a server of 10,000 has.
const crowdClients = 3000

// crowdLife bounds the whole life of one of them.
const crowdLife = 3 * time.Minute

// TestCrowdThatWaitsIsServedByteForByte: each sends something of its own while the target sleeps, and gets that back once
// it is awake, after one start. When the last has left, the target stops.
func TestCrowdThatWaitsIsServedByteForByte(t *testing.T) {
	t.Parallel()
	count := crowdSize(t)
	s := newStage(t)
	s.hold("boot")
	r := s.start("--cooldown-period=300ms", "--log-level=info")
	r.long = crowdLife
	at, began := r.address(), time.Now()

	crowd := make([]*client, count)
	for i := range crowd {
		conn, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
		crowd[i] = newClient(t, conn.(*net.TCPConn), crowdLife)
		crowd[i].say(wordOf(i))
	}
	s.awaitWaiting(min(count, r.most()))
	asleep := time.Since(began)
	s.release("boot")
	for i, c := range crowd {
		c.hear(wordOf(i))
		c.leave()
	}
	t.Logf("%d clients came within %v and were all served within %v", count, asleep.Round(time.Millisecond), (time.Since(began) - asleep).Round(time.Millisecond))
	r.awaitState("stopped")
	s.expectRuns("start stop")
	r.end()
	r.expectCrowd(count)
}

func crowdSize(t *testing.T) int {
	t.Helper()
	n := crowdClients
	if text := os.Getenv("CROWD"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1 {
			t.Fatalf("CROWD=%q is no number of clients", text)
		}
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if need := uint64(n + 4000); limit.Cur < need {
		t.Skipf("%d clients beside the other tests need %d descriptors, and we may have %d", n, need, limit.Cur)
	}
	return n
}

// wordOf is what a client says, 2 KiB that nobody else says.
func wordOf(i int) string {
	b := floodAt(uint64(i), 0)
	return fmt.Sprint(i, " ", hex.EncodeToString(b[:min(1024, len(b))]))
}

// awaitWaiting waits until so many clients wait. The log has the first of them only.
func (s *stage) awaitWaiting(n int) {
	s.Helper()
	rouse := admin.Dial(s.path("state"))
	s.eventually(fmt.Sprintf("%d clients wait", n), func() bool {
		targets, err := rouse.Targets(s.Context())
		return err == nil && len(targets) == 1 && targets[0].Waiting == n
	})
}

// most is how many clients the child lets in at once.
func (c *child) most() int {
	c.Helper()
	return c.await("limit", func(e entry) bool { return e.Msg == "limit of clients" }).Clients
}

// expectCrowd checks the account of all clients, once the child has ended.
func (c *child) expectCrowd(count int) {
	c.Helper()
	log := strings.Join(c.log(), "\n")
	for msg, want := range map[string]int{"client connected": count, "client ended": count, "client left": 0, "client refused": 0} {
		if got := strings.Count(log, `"msg":"`+msg+`"`); got != want {
			c.Errorf("%q was told %d times, want %d", msg, got, want)
		}
	}
}
