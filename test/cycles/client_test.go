package cycles

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/rouse-proxy/rouse/internal/fakecloud"
)

// A visit is one client's plan.
type visit struct {
	name  string
	bytes int
	stays time.Duration // between its bytes and its end
	way   way
}

// way is how a client ends.
type way int

const (
	reads  way = iota // ends its side and reads to the end
	resets            // leaves by a reset
	closes            // leaves by a close
	ways
)

// verdict is what became of a client.
type verdict int

const (
	served verdict = iota // all bytes, in order, and the end
	left                  // of its own accord, before the end
	told                  // reset by rouse
)

// A wire is a connection as a client has it, of the kernel or in memory.
type wire interface {
	net.Conn
	CloseWrite() error
	SetLinger(sec int) error
}

// errWrong is what must not happen to a client.
var errWrong = errors.New("wrong")

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errWrong}, args...)...)
}

// run is the client's life on a connection of its own, which it closes.
func (v visit) run(ctx context.Context, c wire, app fakecloud.App) (verdict, error) {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	sent := v.data()
	want := answer(app, sent)
	over := make(chan struct{}) // the client has read to the end
	written := make(chan error, 1)
	go func() { written <- v.send(c, sent, over) }()
	got, err := io.ReadAll(c)
	close(over)
	sendErr := <-written
	switch {
	case ctx.Err() != nil:
		return told, wrong("not told within the bound: %v", context.Cause(ctx))
	case !bytes.HasPrefix(want, got):
		return told, wrong("other bytes came back: %d, not the beginning of %d", len(got), len(want))
	case v.way != reads && errors.Is(err, net.ErrClosed):
		return left, nil
	case err != nil || sendErr != nil:
		return told, nil // a reset is told once, to the reader or to the writer
	case len(got) < len(want):
		return told, wrong("a clean end after %d of %d bytes", len(got), len(want))
	case v.way == reads:
		return served, nil
	}
	return left, nil
}

// data are bytes that differ from client to client.
func (v visit) data() []byte {
	seed := sha256.Sum256([]byte(v.name))
	return bytes.Repeat(seed[:31], v.bytes/31+1)[:v.bytes]
}

// answer is what the application says to bytes.
func answer(app fakecloud.App, sent []byte) []byte {
	switch app {
	case fakecloud.SHA256:
		sum := sha256.Sum256(sent)
		return []byte(hex.EncodeToString(sum[:]))
	case fakecloud.Banner:
		return append([]byte(fakecloud.Greeting(machine)), sent...)
	}
	return sent
}

// send writes, stays, and leaves as the plan has it; it stays no longer than the connection does.
func (v visit) send(c wire, data []byte, over <-chan struct{}) error {
	if _, err := c.Write(data); err != nil {
		return err
	}
	select {
	case <-time.After(v.stays):
	case <-over:
	}
	switch v.way {
	case resets:
		_ = c.SetLinger(0)
		return c.Close()
	case closes:
		return c.Close()
	}
	return c.CloseWrite()
}
