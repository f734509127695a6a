package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	floodClients = 1000
	floodLimit   = 128 << 20 // bytes of memory for all that is rouse's
	floodRest    = 64 << 10  // bytes that a client still sends when the target is awake
)

// TestClientsThatSendWithoutLimitWhileTheyWaitCostNoMemory: what they send stays with them, but for what one socket holds,
// and all of it arrives.
func TestClientsThatSendWithoutLimitWhileTheyWaitCostNoMemory(t *testing.T) {
	t.Parallel()
	group := newCgroup(t, floodLimit)
	s := newStage(t)
	write(t, s.dir, "start.sh", strings.Replace(startHook, "\tbackend <", "\ttrue <", 1)) // the backend is ours
	s.hold("start")
	cmd := command(t.Context(), s.dir, s.flags("--log-level=info")...)
	cmd.Args, cmd.Path = group.wrap(cmd.Args), "/bin/sh"
	r := s.launch(cmd)
	at := r.address()

	floods := make([]*flood, floodClients)
	var pushing sync.WaitGroup
	for i := range floods {
		floods[i] = newFlood(t, at, uint64(i))
		pushing.Go(floods[i].push)
	}
	pushing.Wait()
	r.awaitState("starting")
	held, asleep := group.sockets(), residentPeak(t, r)

	ln, err := net.Listen("tcp", s.backend.String())
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go acceptFloods(ln)
	s.release("start")
	for _, f := range floods {
		pushing.Go(f.finish)
	}
	pushing.Wait()
	r.awaitMsg("cooldown begins") // every hold was given back
	sent := 0
	for _, f := range floods {
		sent += f.sent
	}
	t.Logf("%d clients sent %d KiB each; the kernel held %d KiB for each while they waited; resident at most %d MiB asleep, %d MiB in all; charged at most %d MiB",
		floodClients, sent/floodClients>>10, held/floodClients>>10, asleep>>20, residentPeak(t, r)>>20, group.peak()>>20)
	if n := group.kills(); n != 0 {
		t.Errorf("the kernel has killed %d processes for their memory", n)
	}
	r.end()
}

// residentPeak is the most memory that the process itself had.
func residentPeak(t *testing.T, r *child) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	kib := 0
	for line := range strings.Lines(string(b)) {
		if after, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			if _, err := fmt.Sscan(after, &kib); err != nil {
				t.Fatal(err)
			}
		}
	}
	return kib << 10
}

// block is what all floods are made of, each from a place of its own.
var block = func() []byte {
	b := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{42}).Read(b) // never fails
	return b
}()

// floodAt returns the bytes of a flood from a position on, as many as are at hand.
func floodAt(id uint64, pos int) []byte { return block[(int(id)*7919+pos)%len(block):] }

// A flood is a client that sends its number, then without end.
type flood struct {
	testing.TB
	conn *net.TCPConn
	id   uint64
	sent int // beside the number
}

func newFlood(t *testing.T, at string, id uint64) *flood {
	t.Helper()
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	f := &flood{t, conn.(*net.TCPConn), id, 0}
	if err := f.conn.SetWriteBuffer(16 << 10); err != nil { // it is the other end's that is looked at
		t.Fatal(err)
	}
	if _, err := conn.Write(binary.BigEndian.AppendUint64(nil, id)); err != nil {
		t.Fatal(err)
	}
	return f
}

// push sends until nothing more is taken.
func (f *flood) push() {
	const full = 500 * time.Millisecond // without room for one byte
	for {
		_ = f.conn.SetWriteDeadline(time.Now().Add(full))
		n, err := f.conn.Write(floodAt(f.id, f.sent))
		f.sent += n
		if errors.Is(err, os.ErrDeadlineExceeded) && n == 0 {
			return
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			f.Errorf("client %d: sending: %v", f.id, err)
			return
		}
	}
}

// finish sends the rest, ends its stream, and checks what the backend has seen of it all.
func (f *flood) finish() {
	_ = f.conn.SetDeadline(time.Now().Add(2 * patience))
	for end := f.sent + floodRest; f.sent < end; {
		b := floodAt(f.id, f.sent)
		n, err := f.conn.Write(b[:min(len(b), end-f.sent)])
		if f.sent += n; err != nil {
			f.Errorf("client %d: sending the rest: %v", f.id, err)
			return
		}
	}
	if err := f.conn.CloseWrite(); err != nil {
		f.Errorf("client %d: %v", f.id, err)
	}
	answer, err := io.ReadAll(f.conn)
	if want := fmt.Sprint(f.sent); string(answer) != want || err != nil {
		f.Errorf("client %d: the backend has seen %q of its bytes, %v; want %s", f.id, answer, err, want)
	}
}

// acceptFloods is a backend for floods.
func acceptFloods(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go swallow(conn)
	}
}

// swallow reads a flood to its end, and answers how many bytes it has had, or what is wrong with them.
func swallow(conn net.Conn) {
	defer conn.Close()
	number := make([]byte, 8)
	if _, err := io.ReadFull(conn, number); err != nil {
		return // that is no flood
	}
	id, got := binary.BigEndian.Uint64(number), 0
	for buf := make([]byte, 32<<10); ; {
		n, err := conn.Read(buf)
		for b := buf[:n]; len(b) > 0; {
			want := floodAt(id, got)
			m := min(len(b), len(want))
			if !bytes.Equal(b[:m], want[:m]) {
				fmt.Fprintf(conn, "other bytes from %d on", got)
				return
			}
			got, b = got+m, b[m:]
		}
		if err != nil {
			fmt.Fprint(conn, got)
			return
		}
	}
}
