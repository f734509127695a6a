package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/rouse-proxy/rouse/internal/memnet"
)

// visitor is one client's plan.
type visitor struct {
	comes  time.Duration // after the town opened
	bytes  int
	stays  time.Duration // between its bytes and its end
	leaves int           // 0: half-close and read to the end; 1: reset; 2: close
}

// TestLivesInTown plays random days: clients that come and leave in every phase, of
// a server that sometimes dies or fails to start. Whoever reads to the end gets its own bytes
// back, whole, or a reset; no stop begins under a client; all counts end at zero (town.leave).
func TestLivesInTown(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		visitors := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) visitor {
			return visitor{
				comes:  time.Duration(rapid.IntRange(0, 4*3600).Draw(rt, "comes")) * time.Second,
				bytes:  rapid.IntRange(0, 150_000).Draw(rt, "bytes"),
				stays:  time.Duration(rapid.IntRange(0, 1200).Draw(rt, "stays")) * time.Second,
				leaves: rapid.IntRange(0, 2).Draw(rt, "leaves"),
			}
		}), 1, 25).Draw(rt, "visitors")
		boot := time.Duration(rapid.IntRange(0, 9).Draw(rt, "boot")) * time.Second
		stop := time.Duration(rapid.IntRange(0, 50).Draw(rt, "stop")) * time.Second
		deaths := rapid.SliceOfN(rapid.IntRange(0, 4*3600), 0, 3).Draw(rt, "deaths")
		failing := rapid.Bool().Draw(rt, "failing")
		var failure string
		synctest.Test(t, func(t *testing.T) {
			failure = day(t, visitors, deaths, &town{boot: boot, stopTime: stop}, failing)
		})
		if failure != "" {
			rt.Fatal(failure)
		}
	})
}

// day plays one and returns what went wrong.
func day(t *testing.T, visitors []visitor, deaths []int, tw *town, failing bool) string {
	open(t, tw, options{})
	var mu sync.Mutex // guards failure
	failure := ""
	for _, at := range deaths {
		time.AfterFunc(time.Duration(at)*time.Second, tw.die)
	}
	if failing {
		tw.mu.Lock()
		tw.startErr = errBroken
		tw.mu.Unlock()
		time.AfterFunc(90*time.Minute, tw.heal)
	}
	var all sync.WaitGroup
	for _, g := range visitors {
		all.Go(func() {
			time.Sleep(g.comes)
			if wrong := g.visit(tw); wrong != "" {
				mu.Lock()
				failure = wrong
				mu.Unlock()
			}
		})
	}
	all.Wait()
	time.Sleep(time.Hour)
	if st := tw.target.Status(); st.Held+st.Waiting != 0 || tw.live.Load() != 0 {
		return "somebody is still there an hour after everybody has left"
	}
	if tw.running() {
		return "left running an hour after everybody has left"
	}
	return failure
}

// heal lets starts succeed again.
func (tw *town) heal() {
	tw.mu.Lock()
	defer tw.mu.Unlock()
	tw.startErr = nil
}

// visit is one client's life; it returns what rouse did wrong.
func (g visitor) visit(tw *town) string {
	c, err := tw.net.Dial(tw.t.Context(), front)
	if err != nil {
		return "dial: " + err.Error()
	}
	defer c.Close()
	want := bytes.Repeat([]byte{byte(g.bytes), byte(g.bytes >> 8), 7}, g.bytes/3+1)[:g.bytes]
	sent := make(chan error, 1)
	go func() { sent <- send(c, want, g) }()
	got, err := io.ReadAll(c)
	sendErr := <-sent
	if !bytes.HasPrefix(want, got) {
		return "bytes came back changed"
	}
	reset := errors.Is(err, syscall.ECONNRESET) || sendErr != nil // a reset is told once: to the reader or to the writer
	if g.leaves == 0 && !reset && (err != nil || len(got) != len(want)) && g.bytes > 0 {
		return fmt.Sprintf("a quiet end (%v) after %d bytes of %+v", err, len(got), g)
	}
	return ""
}

// send writes, stays, and leaves as the plan has it.
func send(c *memnet.Conn, data []byte, g visitor) error {
	if _, err := c.Write(data); err != nil {
		return err
	}
	time.Sleep(g.stays)
	switch g.leaves {
	case 1:
		_ = c.SetLinger(0)
		return c.Close()
	case 2:
		return c.Close()
	default:
		return c.CloseWrite()
	}
}
