package proxy

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rouse-proxy/rouse/internal/target"
)

// dayLong is how long clients keep coming on a random day.
const dayLong = 300 * time.Millisecond

// A plan is a random day in a village.
type plan struct {
	visitors       []visitor
	deaths         []int // milliseconds
	boot, stopTime time.Duration
	loops          int
	failing        bool
	host           string
	rate           float64
}

func drawPlan(rt *rapid.T) plan {
	ms := func(name string, most int) time.Duration {
		return time.Duration(rapid.IntRange(0, most).Draw(rt, name)) * time.Millisecond
	}
	return plan{
		visitors: rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) visitor {
			return visitor{
				comes:  ms("comes", int(dayLong/time.Millisecond)),
				bytes:  rapid.IntRange(0, 600_000).Draw(rt, "bytes"),
				stays:  ms("stays", 80),
				leaves: rapid.IntRange(0, 2).Draw(rt, "leaves"),
			}
		}), 1, 40).Draw(rt, "visitors"),
		deaths:   rapid.SliceOfN(rapid.IntRange(0, 300), 0, 3).Draw(rt, "deaths"),
		boot:     ms("boot", 40),
		stopTime: ms("stop", 30),
		loops:    rapid.IntRange(1, 3).Draw(rt, "loops"),
		failing:  rapid.Bool().Draw(rt, "failing"),
		host:     rapid.SampledFrom([]string{"", "localhost"}).Draw(rt, "host"),
		rate:     rapid.SampledFrom([]float64{0, 500}).Draw(rt, "rate"),
	}
}

// TestLivesInVillage plays random days as TestLivesInTown does, in real time on the kernel. Whoever reads to the end gets
// its own bytes back, whole, or a reset; no stop begins under a client; all counts end at zero (village.leave).
func TestLivesInVillage(t *testing.T) {
	few := flag.Lookup("rapid.checks")
	usual := few.Value.String()
	defer func() { _ = few.Value.Set(usual) }()
	if err := few.Value.Set("15"); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		p := drawPlan(rt)
		ok := t.Run("day", func(t *testing.T) { p.live(t) })
		if !ok {
			rt.Fatal("it went wrong")
		}
	})
}

func (p plan) live(t *testing.T) {
	var inside atomic.Int32 // who is surely connected; a death cuts it before it knows
	noted := func() {
		if n := inside.Load(); n > 0 && len(p.deaths) == 0 {
			t.Errorf("stopped while %d clients were connected", n)
		}
	}
	v := settle(t, &server{boot: p.boot, stopTime: p.stopTime, noted: noted}, rules{
		loops: p.loops, host: p.host, rate: p.rate, cooldown: 15 * time.Millisecond, startTimeout: 300 * time.Millisecond, // for one that dies while it boots
	})
	if p.failing {
		v.fail(errBroken)
	}
	var all sync.WaitGroup
	all.Go(func() {
		time.Sleep(dayLong / 2)
		v.fail(nil)
	})
	for _, at := range p.deaths {
		all.Go(func() {
			time.Sleep(time.Duration(at) * time.Millisecond)
			v.die()
		})
	}
	for _, who := range p.visitors {
		all.Go(func() { who.call(v, &inside) })
	}
	all.Wait()
	v.counts(0, 0)
	until(t, "the target sleeps", func() bool {
		s := v.target.Status().State
		return s == target.Stopped || s == target.Failed
	})
}

// call is one client's life.
func (g visitor) call(v *village, inside *atomic.Int32) {
	time.Sleep(g.comes)
	conn, err := net.Dial("tcp", v.front)
	if err != nil {
		if !isReset(err) {
			v.t.Errorf("dial: %v", err)
		}
		return
	}
	c := conn.(*net.TCPConn)
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	want := bytes.Repeat([]byte{byte(g.bytes), byte(g.bytes >> 8), 7}, g.bytes/3+1)[:g.bytes]
	sent := make(chan error, 1)
	connected := make(chan bool)
	go func() { sent <- g.say(c, want, connected, inside) }()
	got, err := readAll(c, connected)
	sendErr := <-sent
	if !bytes.HasPrefix(want, got) {
		v.t.Errorf("other bytes came back to %+v", g)
	}
	reset := isReset(err) || sendErr != nil
	if g.leaves == 0 && !reset && (err != nil || len(got) != len(want)) && g.bytes > 0 {
		v.t.Errorf("a quiet end (%v) after %d bytes of %+v", err, len(got), g)
	}
	if errors.Is(err, errTimeout) {
		v.t.Errorf("nothing came of %+v", g)
	}
}

// readAll tells with the first byte that the client is connected.
func readAll(c net.Conn, connected chan<- bool) ([]byte, error) {
	first := make([]byte, 1)
	n, err := io.ReadFull(c, first)
	connected <- err == nil
	if err != nil {
		return first[:n], quiet(err)
	}
	rest, err := io.ReadAll(c)
	return append(first, rest...), err
}

var errTimeout = fmt.Errorf("nothing happened")

func quiet(err error) error {
	var late net.Error
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case errors.As(err, &late) && late.Timeout():
		return errTimeout
	}
	return err
}

// say writes, stays, and leaves as the plan has it. While it stays and is connected, it is inside.
func (g visitor) say(c *net.TCPConn, data []byte, connected <-chan bool, inside *atomic.Int32) error {
	_, err := c.Write(data)
	select {
	case in := <-connected:
		if in && err == nil {
			inside.Add(1)
			time.Sleep(g.stays)
			inside.Add(-1)
		}
	case <-time.After(g.stays): // it does not know whether it is connected
		go func() { <-connected }()
	}
	if err != nil {
		return err
	}
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
