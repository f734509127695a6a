package relay

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/rouse-proxy/rouse/internal/memnet"
)

// A script is what one far end does: its acts one after the other and, beside them, its reading.
type script struct {
	acts  []act
	chunk int           // how much it reads at once
	rest  time.Duration // between two reads
	limit int           // after how many bytes it stops reading
}

type act struct {
	kind string // write, end, close, reset, pause
	n    int    // bytes, or seconds
}

const noLimit = 1 << 30

func drawScript(t *rapid.T, name string) script {
	kinds := []string{"write", "write", "write", "pause", "pause", "end", "close", "reset"}
	s := script{
		chunk: rapid.SampledFrom([]int{1 << 10, 1 << 16}).Draw(t, name+" chunk"),
		rest:  rapid.SampledFrom([]time.Duration{0, 0, time.Millisecond, 3 * time.Second}).Draw(t, name+" rest"),
		limit: rapid.SampledFrom([]int{noLimit, noLimit, noLimit, 0, 5000}).Draw(t, name+" limit"),
	}
	for range rapid.IntRange(0, 8).Draw(t, name+" acts") {
		a := act{kind: rapid.SampledFrom(kinds).Draw(t, name)}
		switch a.kind {
		case "write":
			a.n = rapid.SampledFrom([]int{1, 100, 4000, 40_000}).Draw(t, name+" bytes")
		case "pause":
			a.n = rapid.SampledFrom([]int{0, 1, 4, 20}).Draw(t, name+" seconds")
		}
		s.acts = append(s.acts, a)
	}
	return s
}

func (s script) has(kind string) bool {
	for _, a := range s.acts {
		if a.kind == kind {
			return true
		}
	}
	return false
}

// An actor plays a script on its far end, and remembers.
type actor struct {
	script
	side side
	conn *memnet.Conn

	sent     int  // bytes that Write took
	quiet    bool // it ended its stream, or closed without a reset as far as it knows
	closed   bool
	got      int  // bytes read
	wrong    bool // one of them was not the byte that was sent there
	readToIt bool // it read to an end of stream
}

// sentByte is the byte that side s sends at position i of its stream.
func sentByte(s side, i int) byte { return byte(i + i>>8*31 + int(s)*101) }

func (a *actor) act() {
	for _, act := range a.acts {
		switch act.kind {
		case "write":
			b := make([]byte, act.n)
			for i := range b {
				b[i] = sentByte(a.side, a.sent+i)
			}
			n, _ := a.conn.Write(b) // an error is the other's doing, and shows in the counts
			a.sent += n
		case "pause":
			time.Sleep(time.Duration(act.n) * time.Second)
		case "end":
			a.quiet = a.conn.CloseWrite() == nil || a.quiet
		case "close", "reset":
			if act.kind == "reset" {
				a.conn.SetLinger(0)
			}
			a.quiet = a.quiet || act.kind == "close"
			a.closed = true
			a.conn.Close()
			return
		}
	}
}

func (a *actor) read() {
	buf := make([]byte, a.chunk)
	for a.got < a.limit {
		n, err := a.conn.Read(buf)
		for i, b := range buf[:n] {
			a.wrong = a.wrong || b != sentByte(a.side.other(), a.got+i)
		}
		a.got += n
		if err != nil {
			ended, _ := a.conn.Ended()
			a.readToIt = err == io.EOF && ended
			return
		}
		time.Sleep(a.rest)
	}
}

// perform plays both scripts through a relay for an hour, and returns what went against the promises.
func perform(t *testing.T, client, backend script, window int) (problems []string) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	c, near := memnet.Pipe(window)
	far, b := memnet.Pipe(window)
	actors := [2]*actor{{script: client, side: theClient, conn: c}, {script: backend, side: theBackend, conn: b}}
	var wg sync.WaitGroup
	for _, a := range actors {
		wg.Go(a.act)
		wg.Go(a.read)
	}
	res, err := Run(ctx, near, far, Options{})
	wg.Wait()
	for _, a := range actors {
		other := actors[a.side.other()]
		problems = append(problems, judge(a, other, res)...)
	}
	if (err == nil) != (res.End == EndClosed) {
		problems = append(problems, fmt.Sprintf("the end %q came with the error %v", res.End, err))
	}
	c.Close()
	b.Close()
	return problems
}

// judge holds what to has seen against what from has done.
func judge(from, to *actor, res Result) (problems []string) {
	complain := func(format string, args ...any) {
		problems = append(problems, fmt.Sprintf("%v to %v: ", from.side, to.side)+fmt.Sprintf(format, args...))
	}
	carried := [2]int64{res.Sent, res.Received}[from.side]
	if to.wrong || to.got > from.sent {
		complain("%d bytes arrived that are not the first of the %d sent", to.got, from.sent)
	}
	if int64(to.got) > carried || carried > int64(from.sent) {
		complain("%d bytes sent, %d in the account, %d arrived", from.sent, carried, to.got)
	}
	if to.readToIt && !from.quiet {
		complain("an end of stream was seen that was never sent")
	}
	if to.readToIt && to.got != from.sent {
		complain("an end of stream was seen after %d of %d bytes", to.got, from.sent)
	}
	untouched := !from.closed && !to.closed && from.limit == noLimit && to.limit == noLimit
	if untouched && to.got != from.sent {
		complain("%d of %d bytes arrived though nobody closed", to.got, from.sent)
	}
	if untouched && from.has("end") && !to.readToIt {
		complain("the end of the stream did not arrive")
	}
	if queued, err := to.conn.Queued(); err == nil && to.got+queued < from.sent && !from.closed && !from.conn.Broken() {
		complain("%d of %d bytes were lost and the sender was not told", from.sent-to.got-queued, from.sent)
	}
	return problems
}

func TestWhateverBothSidesDoNothingIsForged(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		client, backend := drawScript(rt, "client"), drawScript(rt, "backend")
		window := rapid.SampledFrom([]int{1, 500, 64 << 10}).Draw(rt, "window")
		if window == 1 {
			client.acts, backend.acts = small(client.acts), small(backend.acts)
		}
		var problems []string
		synctest.Test(t, func(t *testing.T) { problems = perform(t, client, backend, window) })
		for _, p := range problems {
			rt.Error(p)
		}
	})
}

// small makes the writes small enough to go through buffers of one byte.
func small(acts []act) []act {
	var out []act
	for _, a := range acts {
		if a.kind == "write" {
			a.n = min(a.n, 20)
		}
		out = append(out, a)
	}
	return out
}
